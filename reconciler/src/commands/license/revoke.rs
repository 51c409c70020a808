//! `counterfoil license revoke`

use clap::Args;
use schemas::text::Text;

/// Revoke a licence for good
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil license revoke LICENSE --reason \"refunded\" --yes")]
pub(crate) struct LicenseRevokeArgs {
    /// The licence, by its identifier or key
    #[arg(value_name = "LICENSE")]
    license: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<Text>,
}
