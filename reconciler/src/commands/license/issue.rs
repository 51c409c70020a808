//! `counterfoil license issue`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::ids::{CustomerId, LicenseId};
use schemas::refusal::Refusal;
use schemas::text::Text;
use serde::Serialize;

use crate::cli::Context;
use crate::commands::words;
use crate::options::{PolicyOptions, of_trial};
use crate::output::Fields;
use crate::vendor::Vendor;
use crate::vendor::licenses::{IssuedLicense, Order};

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
        let mut vendor = context.vendor()?;
        let policy = vendor.policy(&self.policy)?;
        let product = vendor.product(&policy.product)?;
        let mut policy = self.overrides.overriding(&policy, &product.features)?;
        if self.trial {
            policy = of_trial(policy, self.overrides.max_activations)?;
        }
        let name = self.customer.unwrap_or_else(|| Text::new(TRIAL_CUSTOMER).expect("a short word"));
        let customer = customer(&mut vendor, &name)?;
        let orders = vec![Order { policy, customer, is_trial: self.trial }; self.count as usize];
        vendor.issue(&orders, &mut |issued| {
            context.output.result(&Issued::of(&issued, &self.policy, name.as_str()))
        })?;
        Ok(Exit::Done)
    }
}

/// Whose a product's trial is where nobody is named.
const TRIAL_CUSTOMER: &str = "trial";

/// The customer of an identifier or a name; a name that is new is defined.
fn customer(vendor: &mut Vendor, wanted: &Text) -> Result<CustomerId, Refusal> {
    if let Ok(found) = vendor.find_customers(wanted.as_str()) {
        return Ok(found[0]);
    }
    Ok(vendor.customers_named(std::slice::from_ref(wanted))?[wanted])
}

/// A licence that was issued. The key is shown here, and by `license show`.
#[derive(Serialize)]
pub(crate) struct Issued<'a> {
    pub(super) license_id: LicenseId,
    pub(super) license_key: String,
    pub(super) customer_id: CustomerId,
    pub(super) customer: &'a str,
    pub(super) policy: &'a Text,
    is_trial: bool,
}

impl<'a> Issued<'a> {
    pub(crate) fn of(issued: &IssuedLicense, policy: &'a Text, customer: &'a str) -> Self {
        let IssuedLicense { id, key, customer: customer_id, is_trial } = issued;
        let (license_key, is_trial) = (key.reveal(), *is_trial);
        Self { license_id: *id, license_key, customer_id: *customer_id, customer, policy, is_trial }
    }
}

impl fmt::Display for Issued<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (how, key) = words::asked_for_with(&self.license_key, self.is_trial);
        Fields::default()
            .with("licence", self.license_id)
            .with(how, key)
            .with("customer", self.customer)
            .with("policy", self.policy)
            .fmt(f)
    }
}
