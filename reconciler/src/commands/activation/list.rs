//! `counterfoil activation list`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::grant::GrantStatus;
use schemas::ids::{ChainId, LicenseId};
use schemas::numbers::Micros;
use schemas::refusal::Refusal;
use schemas::text::Text;
use serde::Serialize;

use crate::cli::Context;
use crate::commands::filter::LimitOption;
use crate::commands::words::{self, Attached};
use crate::output::{self, Table};
use crate::store::{ActivationFilter, ActivationSummary};
use crate::vendor::Vendor;

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

#[derive(Serialize)]
struct Activations {
    activations: Vec<ActivationLine>,
}

/// What a list tells of an activation.
#[derive(Serialize)]
pub(crate) struct ActivationLine {
    pub(crate) chain: ChainId,
    pub(crate) license_id: LicenseId,
    pub(crate) state: GrantStatus,
    pub(crate) reason: Option<String>,
    /// Whether the chain's histories part; see `audit forks`.
    pub(crate) forked: bool,
    pub(crate) host: Option<Attached>,
    pub(crate) agent: Option<String>,
    pub(crate) requested_at: Option<Micros>,
    pub(crate) granted_at: Option<Micros>,
    pub(crate) released_at: Option<Micros>,
    pub(crate) sync_by: Option<Micros>,
    /// Events that the ledger holds of the device's chain.
    pub(crate) events: u64,
    pub(crate) last_event_at: Option<Micros>,
}

impl ActivationLine {
    /// Reads the activations that match, with the names of their hosts.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) fn read(vendor: &mut Vendor, filter: &ActivationFilter) -> Result<Vec<Self>, Refusal> {
        let found = vendor.store.activations(filter)?;
        found.into_iter().map(|activation| Self::of(vendor, activation)).collect()
    }

    fn of(vendor: &mut Vendor, activation: ActivationSummary) -> Result<Self, Refusal> {
        let host = Attached::read(vendor, &activation.license, activation.host.as_ref())?;
        Ok(Self {
            chain: activation.chain,
            license_id: activation.license,
            state: activation.status,
            reason: activation.reason,
            forked: activation.forked,
            host,
            agent: activation.agent,
            requested_at: activation.requested_at,
            granted_at: activation.granted_at,
            released_at: activation.released_at,
            sync_by: activation.sync_by,
            events: activation.seq.0,
            last_event_at: activation.last_at,
        })
    }

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
