//! `counterfoil customer`

pub(crate) mod create;
pub(crate) mod list;

use clap::Subcommand;

/// Keep the customers
#[derive(Debug, Subcommand)]
pub(crate) enum CustomerCommand {
    Create(create::CustomerCreateArgs),
    List(list::CustomerListArgs),
}
