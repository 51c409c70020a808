//! `counterfoil license list`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use schemas::text::Text;
use serde::Serialize;

use crate::cli::Context;
use crate::commands::filter::LimitOption;
use crate::output::{self, Table};
use crate::shown::licenses::LicenseLine;
use crate::shown::words;
use crate::vendor::licenses::Wanted;

/// List licences
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil license list --customer \"ACME GmbH\"
  counterfoil license list --product studio --status suspended --json")]
pub(crate) struct LicenseListArgs {
    /// Only of this product
    #[arg(long, value_name = "ID", help_heading = "Filters")]
    product: Option<Text>,
    /// Only issued from this policy
    #[arg(long, value_name = "ID", help_heading = "Filters")]
    policy: Option<Text>,
    /// Only of this customer, by name or identifier
    #[arg(long, value_name = "NAME", help_heading = "Filters")]
    customer: Option<String>,
    /// Only standing so
    #[arg(long, value_name = "STATUS", value_parser = ["active", "suspended", "revoked"], help_heading = "Filters")]
    status: Option<String>,
    #[command(flatten)]
    limit: LimitOption,
}

impl LicenseListArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let filter = vendor.license_filter(self.wanted())?;
        let names = vendor.customer_names()?;
        let licenses = vendor.store.licenses(&filter)?;
        let licenses: Vec<_> = licenses.into_iter().map(|license| LicenseLine::of(license, &names)).collect();
        if licenses.is_empty() {
            output::talk(&"no licence matches");
        }
        context.output.result(&Licenses { licenses })?;
        Ok(Exit::Done)
    }

    fn wanted(self) -> Wanted {
        let Self { product, policy, customer, status, limit } = self;
        Wanted { product, policy, customer, standing: status, after: None, limit: limit.limit }
    }
}

#[derive(Serialize)]
struct Licenses {
    licenses: Vec<LicenseLine>,
}

impl fmt::Display for Licenses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table =
            Table::new(&["LICENCE", "PRODUCT", "POLICY", "CUSTOMER", "STATUS", "VALID UNTIL", "ACTIVATIONS"]);
        for license in &self.licenses {
            table.row([
                license.license_id.to_string(),
                license.product.clone(),
                license.policy.clone(),
                words::or(license.customer.as_ref(), "(erased)"),
                license.status.clone(),
                words::validity(
                    license.valid_from_activation,
                    license.is_trial,
                    license.valid_until.map(words::second),
                ),
                words::taken(license.activations, license.max_activations),
            ]);
        }
        table.fmt(f)
    }
}
