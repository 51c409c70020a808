//! `counterfoil quarantine`

pub(crate) mod drop;
pub(crate) mod list;
pub(crate) mod retry;
pub(crate) mod show;

use clap::Subcommand;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Context;

/// See to bundles that were refused
#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    List(list::QuarantineListArgs),
    Show(show::QuarantineShowArgs),
    Retry(retry::QuarantineRetryArgs),
    Drop(drop::QuarantineDropArgs),
}

impl QuarantineCommand {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        match self {
            Self::List(args) => args.run(context),
            Self::Show(args) => args.run(context),
            Self::Retry(args) => args.run(context),
            Self::Drop(args) => args.run(context),
        }
    }
}
