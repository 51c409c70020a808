//! `counterfoil activation`

pub(crate) mod list;
pub(crate) mod release;
pub(crate) mod show;
pub(crate) mod write_off;

use clap::Subcommand;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Context;

/// See the activations, take their seats back, and write off what they hold
#[derive(Debug, Subcommand)]
pub(crate) enum ActivationCommand {
    List(list::ActivationListArgs),
    Show(show::ActivationShowArgs),
    Release(release::ActivationReleaseArgs),
    WriteOff(write_off::ActivationWriteOffArgs),
}

impl ActivationCommand {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        match self {
            Self::List(args) => args.run(context),
            Self::Show(args) => args.run(context),
            Self::Release(args) => args.run(context),
            Self::WriteOff(args) => args.run(context),
        }
    }
}
