//! `completions`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Cli;
use crate::output::print_bytes;

/// Print a script that completes commands and options in a shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil-agent completions bash > /etc/bash_completion.d/counterfoil-agent")]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs) -> Result<Exit, Refusal> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "counterfoil-agent", &mut script);
    print_bytes(&script)?;
    Ok(Exit::Done)
}
