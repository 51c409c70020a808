//! `counterfoil activation`

pub(crate) mod list;
pub(crate) mod release;
pub(crate) mod show;

use clap::Subcommand;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Context;

/// See the activations, and take their seats back
#[derive(Debug, Subcommand)]
pub(crate) enum ActivationCommand {
    List(list::ActivationListArgs),
    Show(show::ActivationShowArgs),
    Release(release::ActivationReleaseArgs),
}

impl ActivationCommand {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        match self {
            Self::List(args) => args.run(context),
            Self::Show(args) => args.run(context),
            Self::Release(args) => args.run(context),
        }
    }
}
