//! `counterfoil policy list`

use clap::Args;
use schemas::text::Text;

use crate::commands::filter::LimitOption;

/// List the policies
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil policy list --product studio")]
pub(crate) struct PolicyListArgs {
    /// Only of this product
    #[arg(long, value_name = "ID", help_heading = "Filters")]
    product: Option<Text>,
    #[command(flatten)]
    limit: LimitOption,
}
