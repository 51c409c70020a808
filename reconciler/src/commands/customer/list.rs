//! `counterfoil customer list`

use clap::Args;

use crate::commands::filter::LimitOption;

/// List the customers
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil customer list
  counterfoil customer list --json")]
pub(crate) struct CustomerListArgs {
    #[command(flatten)]
    limit: LimitOption,
}
