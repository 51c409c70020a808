//! `counterfoil product list`

use clap::Args;

use crate::commands::filter::LimitOption;

/// List the products
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil product list
  counterfoil product list --json")]
pub(crate) struct ProductListArgs {
    #[command(flatten)]
    limit: LimitOption,
}
