//! `counterfoil product`

pub(crate) mod create;
pub(crate) mod list;
pub(crate) mod pack;
pub(crate) mod show;

use clap::Subcommand;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Context;

/// Define products and make their packs
#[derive(Debug, Subcommand)]
pub(crate) enum ProductCommand {
    Create(create::ProductCreateArgs),
    List(list::ProductListArgs),
    Show(show::ProductShowArgs),
    Pack(pack::ProductPackArgs),
}

impl ProductCommand {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        match self {
            Self::Create(args) => args.run(context),
            Self::List(args) => args.run(context),
            Self::Show(args) => args.run(context),
            Self::Pack(args) => args.run(context),
        }
    }
}
