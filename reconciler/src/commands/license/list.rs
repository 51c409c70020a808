//! `counterfoil license list`

use std::collections::BTreeMap;
use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::ids::{CustomerId, LicenseId};
use schemas::numbers::{Micros, Seconds};
use schemas::refusal::Refusal;
use schemas::text::Text;
use serde::Serialize;

use crate::cli::Context;
use crate::commands::filter::LimitOption;
use crate::commands::words;
use crate::output::{self, Table};
use crate::store::{LicenseFilter, LicenseSummary};
use crate::vendor::Vendor;

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
        let filter = self.filter(&mut vendor)?;
        let names = vendor.customer_names()?;
        let licenses = vendor.store.licenses(&filter)?;
        let licenses: Vec<_> = licenses.into_iter().map(|license| LicenseLine::of(license, &names)).collect();
        if licenses.is_empty() {
            output::talk(&"no licence matches");
        }
        context.output.result(&Licenses { licenses })?;
        Ok(Exit::Done)
    }

    /// The filter; one that names what does not exist is refused.
    fn filter(self, vendor: &mut Vendor) -> Result<LicenseFilter, Refusal> {
        if let Some(product) = &self.product {
            vendor.product(product)?;
        }
        if let Some(policy) = &self.policy {
            vendor.policy(policy)?;
        }
        let customers = self.customer.map(|customer| vendor.find_customers(&customer)).transpose()?;
        Ok(LicenseFilter {
            product: self.product.map(|product| product.to_string()),
            policy: self.policy.map(|policy| policy.to_string()),
            customers: customers.map(|customers| customers.into_iter().collect()),
            standing: self.status,
            limit: self.limit.limit,
        })
    }
}

#[derive(Serialize)]
struct Licenses {
    licenses: Vec<LicenseLine>,
}

#[derive(Serialize)]
struct LicenseLine {
    license_id: LicenseId,
    product: String,
    policy: String,
    /// Absent when the name was erased.
    customer: Option<String>,
    customer_id: CustomerId,
    status: String,
    issued_at: Micros,
    is_trial: bool,
    valid_from_activation: Option<Seconds>,
    valid_until: Option<Micros>,
    activations: u64,
    max_activations: u32,
}

impl LicenseLine {
    fn of(license: LicenseSummary, names: &BTreeMap<CustomerId, String>) -> Self {
        Self {
            license_id: license.id,
            product: license.product,
            policy: license.policy,
            customer: names.get(&license.customer).cloned(),
            customer_id: license.customer,
            status: license.standing,
            issued_at: license.issued_at,
            is_trial: license.is_trial,
            valid_from_activation: license.valid_from_activation,
            valid_until: license.valid_until,
            activations: license.activations,
            max_activations: license.max_activations,
        }
    }
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
