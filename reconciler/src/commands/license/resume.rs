//! `counterfoil license resume`

use clap::Args;
use schemas::text::Text;

/// Let a suspended licence stand again
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil license resume LICENSE")]
pub(crate) struct LicenseResumeArgs {
    /// The licence, by its identifier or key
    #[arg(value_name = "LICENSE")]
    license: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<Text>,
}
