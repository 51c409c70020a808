//! `counterfoil license show`

use std::fmt;

use clap::Args;
use ledger::authority::License;
use ledger::{escrow, quotas};
use schemas::codes::Exit;
use schemas::ids::{CustomerId, LicenseId};
use schemas::numbers::{Micros, Seconds, Total};
use schemas::period::Period;
use schemas::refusal::Refusal;
use schemas::terms::{Entitlement, FeatureGrant, Mode, QuotaRule, Rules};
use schemas::text::Text;
use serde::Serialize;

use crate::cli::Context;
use crate::commands::activation::list::ActivationLine;
use crate::commands::words;
use crate::output::{Fields, Table};
use crate::store::ActivationFilter;
use crate::vendor::Vendor;
use crate::vendor::customers::customer_name;

/// Show a licence: its terms, its key, its activations
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil license show 0192f0c1-7c3e-7d4a-9b3e-5f1d2c3b4a59")]
pub(crate) struct LicenseShowArgs {
    /// The licence, by its identifier or key
    #[arg(value_name = "LICENSE")]
    license: String,
}

impl LicenseShowArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let license = vendor.find_license(&self.license)?;
        let shown = Shown::read(&mut vendor, license)?;
        context.output.result(&shown)?;
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct Shown {
    license_id: LicenseId,
    license_key: String,
    product: Text,
    environment: Text,
    policy: Text,
    /// Absent when the name was erased.
    customer: Option<String>,
    customer_id: CustomerId,
    status: &'static str,
    issued_at: Micros,
    /// How long it is valid from its first activation, while that has not come.
    valid_from_activation: Option<Seconds>,
    features: Vec<FeatureGrant>,
    entitlement: Entitlement,
    rules: Rules,
    quotas: Vec<Quota>,
    seats: Seats,
    activations: Vec<ActivationLine>,
}

/// The quota of one feature in the present period, all devices together.
#[derive(Serialize)]
struct Quota {
    feature: Text,
    mode: Mode,
    period: Period,
    limit: Total,
    overage: Total,
    /// Units that one device holds ahead of its use.
    share: Total,
    used: u64,
    /// Units that devices hold and have not used.
    held: u64,
    /// Units that can still be granted, or, where nothing is granted ahead, used; negative is debt.
    free: i64,
}

/// Seats that activations take.
#[derive(Serialize)]
struct Seats {
    taken: usize,
    max: u32,
}

impl Shown {
    fn read(vendor: &mut Vendor, license: License) -> Result<Self, Refusal> {
        let now = vendor.now();
        let filter = ActivationFilter { license: Some(license.id), ..ActivationFilter::default() };
        let activations = ActivationLine::read(vendor, &filter)?;
        let catalog = vendor.catalog()?;
        let customer = customer_name(vendor.store.as_mut(), &catalog, &license.customer)?;
        let max = license.terms.rules.max_activations;
        Ok(Self {
            license_id: license.id,
            license_key: vendor.license_key(&license).reveal(),
            customer,
            customer_id: license.customer,
            status: license.standing.word(),
            issued_at: license.issued_at,
            quotas: quotas(&license, now),
            seats: Seats { taken: license.seats_taken(now), max },
            activations,
            valid_from_activation: license.terms.valid_from_activation,
            features: license.terms.entitlement.features.clone(),
            entitlement: license.terms.entitlement,
            rules: license.terms.rules,
            product: license.product,
            environment: license.environment,
            policy: license.policy,
        })
    }
}

fn quotas(license: &License, now: Micros) -> Vec<Quota> {
    let features = &license.terms.entitlement.features;
    let rules = license.terms.rules.quotas.iter();
    let held = |rule: &QuotaRule| features.iter().find(|held| held.number == rule.feature);
    rules.filter_map(|rule| Some(quota(license, rule, held(rule)?, now))).collect()
}

fn quota(license: &License, rule: &QuotaRule, feature: &FeatureGrant, now: Micros) -> Quota {
    let period = Period::of(feature.reset, now);
    let accounts = quotas::accounts(license, rule.feature, period);
    let used = accounts.values().map(|account| account.used).fold(0, u64::saturating_add);
    let free = match feature.mode {
        Mode::Hard => escrow::free(rule.limit, rule.overage, accounts.values().copied()),
        _ => signed(rule.limit.get()) + signed(rule.overage.get()) - signed(used),
    };
    Quota {
        feature: feature.name.clone(),
        mode: feature.mode,
        period,
        limit: rule.limit,
        overage: rule.overage,
        share: words::share(rule, &license.terms.rules),
        used,
        held: accounts.values().map(|account| account.held()).fold(0, u64::saturating_add),
        free,
    }
}

/// Sums of units are far below 2⁶²; more would be shown as that.
fn signed(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX).min(i64::MAX / 4)
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        words::conditions(self.fields(), &self.rules, &self.features).fmt(f)?;
        if !self.quotas.is_empty() {
            write!(f, "\n{}", self.quota_table())?;
        }
        if !self.activations.is_empty() {
            write!(f, "\n{}", self.activation_table())?;
        }
        Ok(())
    }
}

impl Shown {
    fn fields(&self) -> Fields {
        let entitlement = &self.entitlement;
        Fields::default()
            .with("licence", self.license_id)
            .with("licence key", &self.license_key)
            .with("customer", words::or(self.customer.as_ref(), "(erased)"))
            .with("status", self.status)
            .with("product", format_args!("{} ({})", self.product, self.environment))
            .with("policy", &self.policy)
            .with("issued at", self.issued_at)
            .with("type", format_args!("{}, revision {}", entitlement.kind, entitlement.revision))
            .with("starts at", entitlement.starts_at)
            .with("valid until", self.valid_until())
            .with("maintenance until", words::or(entitlement.maintenance_until, "without end"))
            .with("features", words::features(&self.features))
            .with("seats", format_args!("{} of {} taken", self.seats.taken, self.seats.max))
    }

    fn valid_until(&self) -> String {
        match self.valid_from_activation {
            Some(span) => format!("{} after the first activation", words::span(span)),
            None => words::or(self.entitlement.valid_until, "without end"),
        }
    }

    fn quota_table(&self) -> Table {
        let headings = ["FEATURE", "PERIOD", "LIMIT", "OVERAGE", "SHARE", "USED", "HELD", "FREE"];
        let mut table = Table::new(&headings);
        for quota in &self.quotas {
            table.row([
                quota.feature.to_string(),
                quota.period.to_string(),
                quota.limit.to_string(),
                quota.overage.to_string(),
                quota.share.to_string(),
                quota.used.to_string(),
                quota.held.to_string(),
                quota.free.to_string(),
            ]);
        }
        table
    }

    fn activation_table(&self) -> Table {
        let mut table = Table::new(&["CHAIN", "STATE", "HOST", "EVENTS", "LAST EVENT AT"]);
        for activation in &self.activations {
            table.row([
                words::short(&activation.chain),
                activation.state_in_words(),
                words::or(activation.host.as_ref(), ""),
                activation.events.to_string(),
                words::or(activation.last_event_at.map(words::second), ""),
            ]);
        }
        table
    }
}
