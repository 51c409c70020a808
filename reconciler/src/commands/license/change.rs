//! `counterfoil license change`

use clap::Args;
use schemas::text::Text;

use crate::options::PolicyOptions;

/// Change what a licence grants; its devices learn it with their next licence file
///
/// Only what is given changes. Spans count from the licence's start. A feature that is named comes on top of those that
/// the licence holds; one that the product lacks is defined as on or off first.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil license change LICENSE --valid 730d --feature beta
  counterfoil license change LICENSE --quota render=5000/month --reason \"order 4711\"")]
pub(crate) struct LicenseChangeArgs {
    /// The licence, by its identifier or key
    #[arg(value_name = "LICENSE")]
    license: String,
    #[command(flatten)]
    changes: PolicyOptions,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<Text>,
}
