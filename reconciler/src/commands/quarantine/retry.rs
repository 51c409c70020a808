//! `counterfoil quarantine retry`

use clap::Args;

/// Merge entries again; those that go in leave the quarantine
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil quarantine retry
  counterfoil quarantine retry 12 13")]
pub(crate) struct QuarantineRetryArgs {
    /// The entries' numbers; without any, all
    #[arg(value_name = "N")]
    ids: Vec<i64>,
}
