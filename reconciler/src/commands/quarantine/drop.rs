//! `counterfoil quarantine drop`

use clap::Args;

/// Delete entries for good
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil quarantine drop 12 --yes")]
pub(crate) struct QuarantineDropArgs {
    /// The entries' numbers
    #[arg(value_name = "N", required = true)]
    ids: Vec<i64>,
}
