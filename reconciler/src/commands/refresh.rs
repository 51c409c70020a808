//! `counterfoil refresh`

use std::path::PathBuf;

use clap::Args;

/// Write a refresh file for a device that did not ask
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil refresh CHAIN -o refresh.cfgrant")]
pub(crate) struct RefreshArgs {
    /// The device chain, or enough of its beginning
    #[arg(value_name = "CHAIN")]
    chain: String,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Write the text form, which survives mail
    #[arg(long)]
    armor: bool,
}
