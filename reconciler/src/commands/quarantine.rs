//! `counterfoil quarantine`

pub(crate) mod drop;
pub(crate) mod list;
pub(crate) mod retry;
pub(crate) mod show;

use clap::Subcommand;

/// See to bundles that were refused
#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    List(list::QuarantineListArgs),
    Show(show::QuarantineShowArgs),
    Retry(retry::QuarantineRetryArgs),
    Drop(drop::QuarantineDropArgs),
}
