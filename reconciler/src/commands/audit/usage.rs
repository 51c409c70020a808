//! `counterfoil audit usage`

use clap::Args;

use crate::commands::filter::UsageFilterOptions;

/// Tell what was used
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil audit usage
  counterfoil audit usage --by license,period --from 2026-01-01 --to 2027-01-01")]
pub(crate) struct AuditUsageArgs {
    /// Part the figures by these besides the feature, separated by commas
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    by: Vec<Dimension>,
    #[command(flatten)]
    filter: UsageFilterOptions,
}

/// What figures of usage are parted by.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, clap::ValueEnum)]
pub(crate) enum Dimension {
    /// The product.
    Product,
    /// The customer.
    Customer,
    /// The licence.
    License,
    /// The device chain.
    Chain,
    /// The period that the use counts in.
    Period,
    /// The UTC day.
    Day,
}
