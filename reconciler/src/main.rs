//! The program `counterfoil`.

use std::process::ExitCode;

fn main() -> ExitCode {
    counterfoil_reconciler::run(std::env::args_os())
}
