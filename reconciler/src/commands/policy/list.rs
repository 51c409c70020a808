//! `counterfoil policy list`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use schemas::text::Text;

use crate::cli::Context;
use crate::commands::filter::LimitOption;
use crate::output::{self, Table};
use crate::shown::catalog::{Policies, PolicyLine};
use crate::shown::words;
use crate::vendor::products::known_product;

/// List the policies
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil policy list --product studio")]
pub(crate) struct PolicyListArgs {
    /// Only of this product
    #[arg(long, value_name = "ID", help_heading = "Filters")]
    product: Option<Text>,
    #[command(flatten)]
    limit: LimitOption,
}

impl PolicyListArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let catalog = context.vendor()?.catalog()?;
        if let Some(product) = &self.product {
            known_product(&catalog, product)?;
        }
        let mut policies: Vec<PolicyLine> = catalog
            .policies
            .into_values()
            .filter(|(_, policy)| self.product.as_ref().is_none_or(|product| policy.product == *product))
            .map(|(defined_at, policy)| PolicyLine { policy, defined_at })
            .collect();
        self.limit.cut(&mut policies);
        if policies.is_empty() {
            output::talk(&"there are no policies");
        }
        context.output.result(&Policies { policies })?;
        Ok(Exit::Done)
    }
}

impl fmt::Display for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table =
            Table::new(&["POLICY", "PRODUCT", "TYPE", "VALID", "ACTIVATIONS", "FEATURES", "QUOTAS", "CODES"]);
        for PolicyLine { policy, .. } in &self.policies {
            let quotas: Vec<_> =
                policy.rules.quotas.iter().map(|rule| words::quota(rule, &policy.features)).collect();
            table.row([
                policy.name.to_string(),
                policy.product.to_string(),
                policy.kind.to_string(),
                words::or(policy.valid_for.map(words::span), "never ends"),
                policy.rules.max_activations.to_string(),
                words::features(&policy.features),
                quotas.join(", "),
                words::or(policy.air_gapped.map(|number| format!("number {number}")), "no"),
            ]);
        }
        table.fmt(f)
    }
}
