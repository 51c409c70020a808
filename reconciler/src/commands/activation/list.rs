//! `counterfoil activation list`

use clap::Args;
use schemas::grant::GrantStatus;

use crate::commands::filter::LimitOption;

/// List activations
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil activation list --license LICENSE
  counterfoil activation list --status active --json")]
pub(crate) struct ActivationListArgs {
    /// Only of this licence, by its identifier or key
    #[arg(long, value_name = "LICENSE", help_heading = "Filters")]
    license: Option<String>,
    /// Only of this product
    #[arg(long, value_name = "ID", help_heading = "Filters")]
    product: Option<String>,
    /// Only with this status: active, denied, suspended, revoked or released
    #[arg(long, value_name = "STATUS", help_heading = "Filters")]
    status: Option<GrantStatus>,
    #[command(flatten)]
    limit: LimitOption,
}
