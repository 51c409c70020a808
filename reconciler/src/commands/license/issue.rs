//! `counterfoil license issue`

use clap::Args;
use schemas::text::Text;

use crate::options::PolicyOptions;

/// Issue a licence; its key is printed once
///
/// What is given here departs from the policy for this licence only; `--feature` names all that it holds.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil license issue --policy standard --customer \"ACME GmbH\"
  counterfoil license issue --policy standard --customer \"ACME GmbH\" --valid 730d --quota render=5000/month
  counterfoil license issue --policy standard --customer \"ACME GmbH\" --count 500 --json")]
pub(crate) struct LicenseIssueArgs {
    /// The policy that it is issued from
    #[arg(long, value_name = "ID")]
    policy: Text,
    /// The customer, by name or identifier; a new name adds a customer
    #[arg(long, value_name = "NAME")]
    customer: Text,
    /// Issue so many of the same
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    #[command(flatten)]
    overrides: PolicyOptions,
}
