//! The program `counterfoil-agent`: the agent library on the command line.

mod cli;
mod commands;
mod output;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(std::env::args_os())
}
