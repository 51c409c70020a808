//! `counterfoil activation`

pub(crate) mod list;
pub(crate) mod show;

use clap::Subcommand;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Context;

/// See the activations
#[derive(Debug, Subcommand)]
pub(crate) enum ActivationCommand {
}

impl ActivationCommand {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        match self {
        }
    }
}
