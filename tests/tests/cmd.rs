//! Command lines as data: each file in `cmd/` holds commands with what they print and their exit codes. A file with a
//! folder `NAME.in` beside it runs in a copy of that folder.
//!
//! `TRYCMD=overwrite cargo test -p counterfoil-tests --test cmd` writes down what is printed now; the parts that differ
//! from run to run are then to be made `[..]` again.

use counterfoil_tests::programs::Program;

#[test]
fn commands_print_what_is_written_down() {
    let cases = trycmd::TestCases::new();
    for program in [Program::Vendor, Program::Device] {
        cases.register_bin(program.name(), program.path());
    }
    cases.env("NO_COLOR", "1").env("COLUMNS", "100").case("cmd/*.md");
}
