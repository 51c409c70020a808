//! `counterfoil policy show`

use std::fmt;

use clap::Args;
use schemas::codes::{Code, Exit};
use schemas::numbers::Micros;
use schemas::refusal::Refusal;
use schemas::terms::Policy;
use schemas::text::Text;
use serde::Serialize;

use crate::cli::Context;
use crate::output::Fields;
use crate::shown::words;

/// Show a policy in full
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil policy show standard")]
pub(crate) struct PolicyShowArgs {
    /// The policy
    #[arg(value_name = "ID")]
    policy: Text,
}

impl PolicyShowArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let unknown = || Refusal::new(Code::PolicyUnknown, self.policy.as_str());
        let mut catalog = context.vendor()?.catalog()?;
        let (defined_at, policy) = catalog.policies.remove(&self.policy).ok_or_else(unknown)?;
        context.output.result(&Shown { policy, defined_at })?;
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct Shown {
    policy: Policy,
    defined_at: Micros,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Policy { name, product, kind, start, valid_for, maintenance_for, features, rules, air_gapped } =
            &self.policy;
        let fields = Fields::default()
            .with("policy", name)
            .with("product", product)
            .with("defined at", self.defined_at)
            .with("type", kind)
            .with("starts with", start)
            .with("valid for", words::or(valid_for.map(words::span), "without end"))
            .with("maintenance for", words::or(maintenance_for.map(words::span), "without end"))
            .with("features", words::features(features));
        let fields = words::conditions(fields, rules, features);
        air_gapped.iter().fold(fields, |fields, number| fields.with("number in codes", number)).fmt(f)
    }
}
