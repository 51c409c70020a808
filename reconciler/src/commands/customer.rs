//! `counterfoil customer`

pub(crate) mod create;
pub(crate) mod list;

use clap::Subcommand;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Context;

/// Keep the customers
#[derive(Debug, Subcommand)]
pub(crate) enum CustomerCommand {
    Create(create::CustomerCreateArgs),
    List(list::CustomerListArgs),
}

impl CustomerCommand {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        match self {
            Self::Create(args) => args.run(context),
            Self::List(args) => args.run(context),
        }
    }
}
