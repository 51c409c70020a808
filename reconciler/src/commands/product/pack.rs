//! `counterfoil product pack`

use std::path::PathBuf;

use clap::Args;
use schemas::text::Text;

use crate::commands::root_key::RootKeyOptions;

/// Write a product's pack, which ships with the application
///
/// It is signed with the root key, which may be kept outside the home.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil product pack studio -o studio.cfpack
  counterfoil product pack studio -o studio.cfpack --root-key /media/safe/root.key --passphrase-file passphrase.txt")]
pub(crate) struct ProductPackArgs {
    /// The product
    #[arg(value_name = "ID")]
    product: Text,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Write the text form, which survives mail
    #[arg(long)]
    armor: bool,
    #[command(flatten)]
    root: RootKeyOptions,
}
