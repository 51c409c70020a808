//! `counterfoil policy create`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use schemas::terms::{LicenseType, Policy};
use schemas::text::Text;
use serde::Serialize;

use crate::cli::Context;
use crate::options::PolicyOptions;
use crate::shown::words;

/// Define a policy: what the licences issued from it grant, and on what conditions
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil policy create standard --product studio --valid 365d --max-activations 2 \\
      --quota render=1000/month --sync-every 30d --grace 7d
  counterfoil policy create site --product studio --type perpetual --maintenance 365d --feature export
  counterfoil policy create dark --product studio --valid 365d --quota render=1000/month --air-gapped")]
pub(crate) struct PolicyCreateArgs {
    /// The policy's name, unique in the home
    #[arg(value_name = "ID")]
    policy: Text,
    /// The product
    #[arg(long, value_name = "ID")]
    product: Text,
    /// Number it and put it into the product's next packs, for sites that are reached by typed codes only
    #[arg(long)]
    air_gapped: bool,
    #[command(flatten)]
    options: PolicyOptions,
}

impl PolicyCreateArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let product = vendor.product(&self.product)?;
        let policy = self.options.policy(self.policy, self.product, &product.features)?;
        let policy = vendor.create_policy(&policy, self.air_gapped)?;
        context.output.result(&Created { policy })?;
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct Created {
    policy: Policy,
}

impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.policy.name;
        writeln!(f, "created the policy {name} for {}", self.policy.product)?;
        if let Some(number) = self.policy.air_gapped {
            let product = words::quoted(self.policy.product.as_str());
            writeln!(
                f,
                "It is number {number} in the next packs: counterfoil product pack {product} -o FILE"
            )?;
        }
        let name = words::quoted(name.as_str());
        let for_whom = match self.policy.kind {
            LicenseType::Trial => "--trial",
            _ => "--customer NAME",
        };
        write!(f, "Next: counterfoil license issue --policy {name} {for_whom}")
    }
}
