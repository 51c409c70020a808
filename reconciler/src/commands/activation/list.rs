//! `counterfoil activation list`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::grant::GrantStatus;
use schemas::refusal::Refusal;
use schemas::text::Text;

use crate::cli::Context;
use crate::commands::filter::LimitOption;
use crate::output::{self, Table};
use crate::shown::activations::{ActivationLine, Activations};
use crate::shown::words;
use crate::store::ActivationFilter;

/// List activations
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil activation list --license LICENSE
  counterfoil activation list --status active --json")]
pub(crate) struct ActivationListArgs {
    /// Only of this licence, by its identifier or key
    #[arg(long, value_name = "LICENSE", help_heading = "Filters")]
    license: Option<String>,
    /// Only of this product
    #[arg(long, value_name = "ID", help_heading = "Filters")]
    product: Option<Text>,
    /// Only with this status: active, denied, suspended, revoked or released
    #[arg(long, value_name = "STATUS", help_heading = "Filters")]
    status: Option<GrantStatus>,
    #[command(flatten)]
    limit: LimitOption,
}

impl ActivationListArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let license = self.license.map(|license| vendor.find_license(&license)).transpose()?;
        if let Some(product) = &self.product {
            vendor.product(product)?;
        }
        let filter = ActivationFilter {
            license: license.map(|license| license.id),
            chain: None,
            product: self.product.map(|product| product.to_string()),
            status: self.status,
            after: None,
            limit: self.limit.limit,
        };
        let activations = ActivationLine::read(&mut vendor, &filter)?;
        if activations.is_empty() {
            output::talk(&"no activation matches");
        }
        context.output.result(&Activations { activations })?;
        Ok(Exit::Done)
    }
}

impl ActivationLine {
    /// The state with the code that says why, and whether the chain forked.
    pub(crate) fn state_in_words(&self) -> String {
        let forked = if self.forked { ", forked" } else { "" };
        match &self.reason {
            Some(reason) => format!("{} ({reason}){forked}", self.state),
            None => format!("{}{forked}", self.state),
        }
    }
}

impl fmt::Display for Activations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table =
            Table::new(&["CHAIN", "LICENCE", "STATE", "HOST", "EVENTS", "LAST EVENT AT", "CHECK-IN BY"]);
        for activation in &self.activations {
            table.row([
                words::short(&activation.chain),
                activation.license_id.to_string(),
                activation.state_in_words(),
                words::or(activation.host.as_ref(), ""),
                activation.events.to_string(),
                words::or(activation.last_event_at.map(words::second), ""),
                words::or(activation.sync_by.map(words::second), "never"),
            ]);
        }
        table.fmt(f)
    }
}
