//! `counterfoil policy`

pub(crate) mod create;
pub(crate) mod list;
pub(crate) mod show;

use clap::Subcommand;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Context;

/// Define the templates that licences are issued from
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    Create(Box<create::PolicyCreateArgs>),
    List(list::PolicyListArgs),
    Show(show::PolicyShowArgs),
}

impl PolicyCommand {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        match self {
            Self::Create(args) => args.run(context),
            Self::List(args) => args.run(context),
            Self::Show(args) => args.run(context),
        }
    }
}
