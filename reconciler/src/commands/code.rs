//! `counterfoil code`

mod answer;
mod answered;
mod take;

use clap::Subcommand;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Context;

/// Take in the codes of devices that nothing else comes from, and answer them
#[derive(Debug, Subcommand)]
pub(crate) enum CodeCommand {
    Answer(answer::CodeAnswerArgs),
    Return(take::CodeReturnArgs),
}

impl CodeCommand {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        match self {
            Self::Answer(args) => args.run(context),
            Self::Return(args) => args.run(context),
        }
    }
}
