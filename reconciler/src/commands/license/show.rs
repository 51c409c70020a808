//! `counterfoil license show`

use clap::Args;

/// Show a licence: its terms, its key, its activations
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil license show 0192f0c1-7c3e-7d4a-9b3e-5f1d2c3b4a59")]
pub(crate) struct LicenseShowArgs {
    /// The licence, by its identifier or key
    #[arg(value_name = "LICENSE")]
    license: String,
}
