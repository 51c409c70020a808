//! `counterfoil license show`

use std::fmt;

use clap::Args;
use ledger::authority::License;
use ledger::{quotas, recovery, seats};
use schemas::codes::{Code, Exit};
use schemas::ids::{ChainId, CustomerId, LicenseId};
use schemas::numbers::{Micros, Seconds, Total};
use schemas::pack::ProductFeature;
use schemas::period::Period;
use schemas::refusal::Refusal;
use schemas::terms::{Entitlement, FeatureGrant, Mode, Rules};
use schemas::text::Text;
use serde::Serialize;

use crate::cli::Context;
use crate::commands::activation::list::ActivationLine;
use crate::commands::debts::Debt;
use crate::commands::stranded::{self, Stranded};
use crate::commands::words;
use crate::output::{Fields, Table};
use crate::store::ActivationFilter;
use crate::vendor::Vendor;
use crate::vendor::customers::customer_name;
use crate::vendor::products::known_product;

/// Show a licence: its terms, its key, its quotas, its activations
///
/// Of each quota and each period that is not final: FREE can still be granted, OUT was granted and did not come back,
/// USED and HELD are what devices did and what they still have of it, DEBT was used beyond what was granted, CHARGED
/// beyond the limit. SHARE is what a device holds ahead of its use, NEXT what the next activation would get of it.
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
    /// Whether it is the product's trial, which all devices that try the product share.
    is_trial: bool,
    /// How long it is valid from its first activation, while that has not come; of a trial, from each activation.
    valid_from_activation: Option<Seconds>,
    features: Vec<FeatureGrant>,
    entitlement: Entitlement,
    rules: Rules,
    quotas: Vec<Quota>,
    /// Units that stay out with devices whose activations ended.
    stranded: Vec<Stranded>,
    /// Quotas of which more is out than may be, because of licence files that a restore had lost.
    debts: Vec<Debt>,
    /// Trials that one device was given twice, because a restore had lost the first.
    tried_twice: Vec<TriedTwice>,
    seats: Seats,
    activations: Vec<ActivationLine>,
}

/// The quota of one feature in one period that is not final, all devices together.
#[derive(Serialize)]
struct Quota {
    feature: Text,
    mode: Mode,
    period: Period,
    limit: Total,
    overage: Total,
    /// Units that one device holds ahead of its use.
    share: Total,
    /// Units that the next activation would be given.
    next_share: u64,
    /// Units that were granted and did not come back.
    out: u64,
    used: u64,
    /// Units that devices hold and have not used.
    held: u64,
    /// Units used beyond what was granted.
    debt: u64,
    /// Units that can still be granted, or, where nothing is granted ahead, used; negative is too much out.
    free: i64,
    /// Units used beyond the limit, which are charged.
    charged: u64,
}

/// Two trials of one device.
#[derive(Serialize)]
struct TriedTwice {
    first: ChainId,
    second: ChainId,
}

impl TriedTwice {
    fn of(license: &License) -> Vec<Self> {
        let twice = recovery::tried_twice(license).into_iter();
        twice.map(|recovery::TriedTwice { first, second }| Self { first, second }).collect()
    }
}

/// Seats that activations take.
#[derive(Serialize)]
struct Seats {
    taken: usize,
    max: u32,
    /// Seats that moved to another device in the policy's window, or ever where there is none.
    transfers: usize,
    /// Transfers that are still possible now; absent: without limit.
    transfers_left: Option<usize>,
}

impl Seats {
    fn of(license: &License, now: Micros) -> Self {
        let moved = seats::transfers(license, now);
        Self {
            taken: license.seats_taken(now),
            max: license.terms.rules.max_activations,
            transfers: moved.recent,
            transfers_left: moved.left,
        }
    }

    fn in_words(&self) -> String {
        let taken = words::taken(self.taken, self.max);
        match self.transfers_left {
            Some(left) => format!("{taken} taken, {left} transfers left"),
            None => format!("{taken} taken"),
        }
    }
}

impl Shown {
    fn read(vendor: &mut Vendor, license: License) -> Result<Self, Refusal> {
        let now = vendor.now();
        let filter = ActivationFilter { license: Some(license.id), ..ActivationFilter::default() };
        let activations = ActivationLine::read(vendor, &filter)?;
        let catalog = vendor.catalog()?;
        let customer = customer_name(vendor.store.as_mut(), &catalog, &license.customer)?;
        let features = &known_product(&catalog, &license.product)?.features;
        Ok(Self {
            license_id: license.id,
            license_key: vendor.license_key(&license).reveal(),
            customer,
            customer_id: license.customer,
            status: license.standing.word(),
            issued_at: license.issued_at,
            quotas: quotas(&license, now),
            stranded: stranded_units(&license, features, now),
            debts: Debt::of(&license, now),
            tried_twice: TriedTwice::of(&license),
            seats: Seats::of(&license, now),
            is_trial: license.is_trial(),
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
    let named = quotas::overview(license, now).into_iter().filter_map(|quota| {
        let feature = features.iter().find(|feature| feature.number == quota.feature)?;
        Some(Quota {
            feature: feature.name.clone(),
            mode: quota.mode,
            period: quota.period,
            limit: quota.limit,
            overage: quota.overage,
            share: quota.share,
            next_share: quota.next_share,
            out: quota.out,
            used: quota.used,
            held: quota.held,
            debt: quota.debt,
            free: quota.free,
            charged: quota.charged,
        })
    });
    named.collect()
}

fn stranded_units(license: &License, features: &[ProductFeature], now: Micros) -> Vec<Stranded> {
    quotas::stranded(license, now).iter().map(|units| Stranded::of(units, features, now)).collect()
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        words::conditions(self.fields(), &self.rules, &self.features).fmt(f)?;
        if !self.quotas.is_empty() {
            write!(f, "\n{}", self.quota_table())?;
        }
        stranded::tell(&self.stranded, f)?;
        for debt in &self.debts {
            writeln!(f, "\n{debt}")?;
        }
        for TriedTwice { first, second } in &self.tried_twice {
            let title = Code::TrialTwice.entry().title;
            writeln!(f, "\n{} and {}: {title}", words::short(first), words::short(second))?;
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
        let (how, key) = words::asked_for_with(&self.license_key, self.is_trial);
        Fields::default()
            .with("licence", self.license_id)
            .with(how, key)
            .with("customer", words::or(self.customer.as_ref(), "(erased)"))
            .with("status", self.status)
            .with("product", format_args!("{} ({})", self.product, self.environment))
            .with("policy", &self.policy)
            .with("issued at", self.issued_at)
            .with("type", format_args!("{}, revision {}", entitlement.kind, entitlement.revision))
            .with("starts at", entitlement.starts_at)
            .with(
                "valid until",
                words::validity(self.valid_from_activation, self.is_trial, entitlement.valid_until),
            )
            .with("maintenance until", words::or(entitlement.maintenance_until, "without end"))
            .with("features", words::features(&self.features))
            .with("seats", self.seats.in_words())
    }

    fn quota_table(&self) -> Table {
        let mut table = Table::new(&[
            "FEATURE", "PERIOD", "LIMIT", "OVERAGE", "FREE", "OUT", "USED", "HELD", "DEBT", "CHARGED",
            "SHARE", "NEXT",
        ]);
        for quota in &self.quotas {
            table.row([
                quota.feature.to_string(),
                quota.period.to_string(),
                quota.limit.to_string(),
                quota.overage.to_string(),
                quota.free.to_string(),
                quota.out.to_string(),
                quota.used.to_string(),
                quota.held.to_string(),
                quota.debt.to_string(),
                quota.charged.to_string(),
                quota.share.to_string(),
                quota.next_share.to_string(),
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
