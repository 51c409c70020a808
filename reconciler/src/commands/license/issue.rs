//! `counterfoil license issue`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use schemas::text::Text;

use crate::cli::Context;
use crate::options::PolicyOptions;
use crate::output::Fields;
use crate::shown::licenses::IssuedLine;
use crate::shown::words;
use crate::vendor::licenses::IssueOrder;

/// Issue a licence; its key is printed once
///
/// What is given here departs from the policy for this licence only; `--feature` names all that it holds.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil license issue --policy standard --customer \"ACME GmbH\"
  counterfoil license issue --policy standard --customer \"ACME GmbH\" --valid 730d --quota render=5000/month
  counterfoil license issue --policy standard --customer \"ACME GmbH\" --count 500 --json
  counterfoil license issue --policy try --trial")]
pub(crate) struct LicenseIssueArgs {
    /// The policy that it is issued from
    #[arg(long, value_name = "ID")]
    policy: Text,
    /// The customer, by name or identifier; a new name adds a customer [default for a trial: trial]
    #[arg(long, value_name = "NAME", required_unless_present = "trial")]
    customer: Option<Text>,
    /// Issue the product's trial: one licence for all devices that try the product, each for the policy's time from its
    /// own first licence file, and as many devices as `--max-activations` says or without limit. They need no key
    #[arg(long, conflicts_with = "count")]
    trial: bool,
    /// Issue so many of the same
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    #[command(flatten)]
    overrides: PolicyOptions,
}

impl LicenseIssueArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let order = IssueOrder {
            policy: &self.policy,
            customer: self.customer.as_ref(),
            is_trial: self.trial,
            count: self.count,
            overrides: &self.overrides,
        };
        context.vendor()?.issue_from(&order, &mut |issued, customer| {
            context.output.result(&IssuedLine::of(&issued, &self.policy, customer))
        })?;
        Ok(Exit::Done)
    }
}

impl fmt::Display for IssuedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (how, key) = words::asked_for_with(&self.license_key, self.is_trial);
        Fields::default()
            .with("licence", self.license_id)
            .with(how, key)
            .with("customer", &self.customer)
            .with("policy", &self.policy)
            .fmt(f)
    }
}
