//! `counterfoil period`

pub(crate) mod list;
pub(crate) mod seal;
pub(crate) mod show;

mod line;

use clap::Subcommand;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Context;

/// See and seal the periods in which metered features are used
#[derive(Debug, Subcommand)]
pub(crate) enum PeriodCommand {
    List(list::PeriodListArgs),
    Show(show::PeriodShowArgs),
    Seal(seal::PeriodSealArgs),
}

impl PeriodCommand {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        match self {
            Self::List(args) => args.run(context),
            Self::Show(args) => args.run(context),
            Self::Seal(args) => args.run(context),
        }
    }
}
