//! `counterfoil license list`

use clap::Args;

use crate::commands::filter::LimitOption;

/// List licences
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil license list --customer \"ACME GmbH\"
  counterfoil license list --product studio --status suspended --json")]
pub(crate) struct LicenseListArgs {
    /// Only of this product
    #[arg(long, value_name = "ID", help_heading = "Filters")]
    product: Option<String>,
    /// Only issued from this policy
    #[arg(long, value_name = "ID", help_heading = "Filters")]
    policy: Option<String>,
    /// Only of this customer, by name or identifier
    #[arg(long, value_name = "NAME", help_heading = "Filters")]
    customer: Option<String>,
    /// Only standing so
    #[arg(long, value_name = "STATUS", value_parser = ["active", "suspended", "revoked"], help_heading = "Filters")]
    status: Option<String>,
    #[command(flatten)]
    limit: LimitOption,
}
