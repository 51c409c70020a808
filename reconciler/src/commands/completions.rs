//! `counterfoil completions`

use std::fmt;

use clap::Args;
use clap_complete::Shell;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::{Cli, Context};

/// Print a script that completes this program's commands and options in a shell
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil completions bash > /etc/bash_completion.d/counterfoil
  counterfoil completions zsh > ~/.zfunc/_counterfoil")]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

impl CompletionsArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::definition(), "counterfoil", &mut script);
        let script = String::from_utf8_lossy(&script).into_owned();
        context.output.result(&Completions { shell: self.shell.to_string(), script })?;
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct Completions {
    shell: String,
    script: String,
}

impl fmt::Display for Completions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.script)
    }
}
