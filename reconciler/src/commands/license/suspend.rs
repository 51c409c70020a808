//! `counterfoil license suspend`

use clap::Args;
use schemas::text::Text;

/// Suspend a licence until it is resumed
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil license suspend LICENSE --reason \"payment overdue\"")]
pub(crate) struct LicenseSuspendArgs {
    /// The licence, by its identifier or key
    #[arg(value_name = "LICENSE")]
    license: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<Text>,
}
