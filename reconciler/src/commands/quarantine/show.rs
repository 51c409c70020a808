//! `counterfoil quarantine show`

use std::path::PathBuf;

use clap::Args;

/// Show an entry, or write its bytes to a file
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil quarantine show 12
  counterfoil quarantine show 12 -o refused.cfbundle")]
pub(crate) struct QuarantineShowArgs {
    /// The entry's number
    #[arg(value_name = "N")]
    id: i64,
    /// Write its bytes here
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}
