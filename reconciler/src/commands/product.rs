//! `counterfoil product`

pub(crate) mod create;
pub(crate) mod list;
pub(crate) mod pack;
pub(crate) mod show;

use clap::Subcommand;

/// Define products and make their packs
#[derive(Debug, Subcommand)]
pub(crate) enum ProductCommand {
    Create(create::ProductCreateArgs),
    List(list::ProductListArgs),
    Show(show::ProductShowArgs),
    Pack(pack::ProductPackArgs),
}
