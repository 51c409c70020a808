//! `counterfoil activation show`

use std::collections::BTreeSet;
use std::fmt;

use clap::Args;
use ledger::authority::{Activation, License};
use ledger::evidence::Chain;
use ledger::forks::Verdict;
use ledger::{quotas, recovery, seats};
use schemas::codes::{Code, Exit};
use schemas::event::Event;
use schemas::event::authority::ReleaseReason;
use schemas::grant::SeqRange;
use schemas::ids::{ChainId, Link};
use schemas::numbers::{Epoch, FeatureNumber, Micros, Seq};
use schemas::pack::ProductFeature;
use schemas::period::Period;
use schemas::refusal::Refusal;
use serde::Serialize;

use super::list::ActivationLine;
use crate::cli::Context;
use crate::commands::stranded::{self, Stranded};
use crate::commands::words::{self, Attached};
use crate::output::{Fields, Table};
use crate::store::{ActivationFilter, StoreError};
use crate::vendor::Vendor;
use crate::vendor::customers::customer_name;
use crate::vendor::products::known_product;

/// Show an activation: its device, its grant, its quotas
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil activation show CHAIN")]
pub(crate) struct ActivationShowArgs {
    /// The device chain, or enough of its beginning
    #[arg(value_name = "CHAIN")]
    chain: String,
}

impl ActivationShowArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let (license, chain) = vendor.find_chain(&self.chain)?;
        let license = vendor.find_license(&license.to_string())?;
        let shown = Shown::read(&mut vendor, &license, chain)?;
        context.output.result(&shown)?;
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    line: ActivationLine,
    product: String,
    customer: Option<String>,
    opened_at: Option<Micros>,
    closed_at: Option<Micros>,
    /// Why it was released.
    released: Option<ReleaseReason>,
    /// From when its seat can be given to another device.
    seat_free_at: Option<Micros>,
    head: Option<Place>,
    /// How it forked, if it did.
    fork: Option<Fork>,
    /// Another trial that its device was given, where a restore had lost the first of both.
    other_trial: Option<ChainId>,
    /// Events that are missing before runs that wait.
    missing: Vec<SeqRange>,
    grant: GrantPlace,
    /// The last place that the newest grant acknowledges; 0: none.
    acknowledged: Seq,
    quotas: Vec<Quota>,
    /// Units that it holds although it was released, or that it lacks because a released one holds them.
    stranded: Vec<Stranded>,
    variables: Vec<Variable>,
    quarantined: Vec<Quarantined>,
    findings: Vec<Found>,
}

/// The head of the chain.
#[derive(Serialize)]
struct Place {
    seq: Seq,
    link: Link,
}

/// How a chain forked.
#[derive(Serialize)]
struct Fork {
    /// The earliest place that is known at which the histories part.
    seq: Seq,
    verdict: Verdict,
    /// The heads of the histories that are attached.
    heads: Vec<Place>,
}

impl Fork {
    fn of(license: &License, chain: &ChainId) -> Option<Self> {
        let evidence = license.chains.get(chain)?;
        let seq = license.fork_of(chain)?;
        let heads = evidence.branches.values().map(|branch| branch.head);
        Some(Self {
            seq,
            verdict: evidence.fork.map_or(Verdict::Unknown, |fork| fork.verdict),
            heads: heads.map(|head| Place { seq: head.seq, link: head.link }).collect(),
        })
    }
}

/// The newest grant.
#[derive(Serialize)]
struct GrantPlace {
    epoch: Epoch,
    seq: Seq,
    at: Micros,
}

/// What the device holds of one feature in one period.
#[derive(Serialize)]
struct Quota {
    feature: String,
    period: Period,
    granted: u64,
    used: u64,
    returned: u64,
    written_off: u64,
    held: u64,
    /// Units used beyond what was granted.
    debt: u64,
}

/// A device variable.
#[derive(Serialize)]
struct Variable {
    name: String,
    /// Absent when it was erased.
    value: Option<Attached>,
    set_at: Micros,
}

/// What the chain says that contradicts itself or came late.
#[derive(Serialize)]
struct Found {
    seq: Seq,
    code: String,
}

/// Runs of the chain that were not taken in.
#[derive(Serialize)]
struct Quarantined {
    id: i64,
    code: String,
}

impl Shown {
    fn read(vendor: &mut Vendor, license: &License, chain: ChainId) -> Result<Self, Refusal> {
        let undecided = || Refusal::new(Code::NotActivated, chain.to_string());
        let filter =
            ActivationFilter { license: Some(license.id), chain: Some(chain), ..ActivationFilter::default() };
        let line = ActivationLine::read(vendor, &filter)?.pop().ok_or_else(undecided)?;
        let activation = license.activations.get(&chain).ok_or_else(undecided)?;
        let evidence = license.chains.get(&chain);
        let catalog = vendor.catalog()?;
        let features = &known_product(&catalog, &license.product)?.features;
        let grant = activation.grant;
        Ok(Self {
            line,
            product: license.product.to_string(),
            customer: customer_name(vendor.store.as_mut(), &catalog, &license.customer)?,
            opened_at: evidence.and_then(|evidence| evidence.opened_at),
            closed_at: evidence.and_then(|evidence| evidence.closed_at),
            released: activation.released.map(|released| released.why),
            seat_free_at: activation.released.map(|released| released.seat_free_at),
            head: evidence.map(Chain::head).map(|head| Place { seq: head.seq, link: head.link }),
            fork: Fork::of(license, &chain),
            other_trial: recovery::other_trial(license, &chain),
            missing: evidence.map_or_else(Vec::new, Chain::missing),
            grant: GrantPlace { epoch: grant.epoch, seq: grant.seq, at: grant.at },
            acknowledged: activation.ack.seq,
            quotas: quotas(license, &chain, activation, features),
            stranded: stranded_units(license, &chain, features, vendor.now()),
            variables: variables(vendor, license, &chain)?,
            quarantined: quarantined(vendor, &chain)?,
            findings: findings(vendor, license, &chain)?,
        })
    }
}

/// What was granted to the chain or used by it, by feature and period.
fn quotas(license: &License, chain: &ChainId, known: &Activation, features: &[ProductFeature]) -> Vec<Quota> {
    let metered = license.chains.get(chain).into_iter().flat_map(|evidence| evidence.meters.keys());
    let keys: BTreeSet<(FeatureNumber, Period)> = known.quotas.keys().chain(metered).copied().collect();
    keys.into_iter()
        .map(|(feature, period)| {
            let account = quotas::accounts(license, feature, period).get(chain).copied().unwrap_or_default();
            Quota {
                feature: words::feature_name(features, feature),
                period,
                granted: account.granted,
                used: account.used,
                returned: account.returned,
                written_off: account.written_off,
                held: account.held(),
                debt: account.debt(),
            }
        })
        .collect()
}

fn stranded_units(
    license: &License,
    chain: &ChainId,
    features: &[ProductFeature],
    now: Micros,
) -> Vec<Stranded> {
    let concerns = quotas::stranded_for(license, chain, now);
    concerns.iter().map(|units| Stranded::of(units, features, now)).collect()
}

fn variables(vendor: &mut Vendor, license: &License, chain: &ChainId) -> Result<Vec<Variable>, Refusal> {
    let set = vendor.store.variables(&license.id, chain)?;
    set.into_iter()
        .map(|(name, variable)| {
            let value = Attached::read(vendor, &license.id, Some(&variable.value))?;
            Ok(Variable { name: name.to_string(), value, set_at: variable.at })
        })
        .collect()
}

fn quarantined(vendor: &mut Vendor, chain: &ChainId) -> Result<Vec<Quarantined>, Refusal> {
    let entries = vendor.store.quarantine()?.into_iter();
    let of_chain = entries.filter(|entry| entry.chain.as_ref() == Some(chain));
    Ok(of_chain.map(|entry| Quarantined { id: entry.id, code: entry.code }).collect())
}

/// What contradicts itself, and what came late, in the order of the chain.
fn findings(vendor: &mut Vendor, license: &License, chain: &ChainId) -> Result<Vec<Found>, Refusal> {
    let found = vendor.store.findings()?.into_iter();
    let of_chain = found.filter(|(owner, of, ..)| (owner, of) == (&license.id, chain));
    let mut findings: Vec<Found> = of_chain.map(|(_, _, seq, code)| Found { seq, code }).collect();
    let late = late(vendor, license)?.into_iter().filter(|(of, _)| of == chain);
    findings.extend(late.map(|(_, seq)| Found { seq, code: Code::ReportedLate.word().to_owned() }));
    findings.sort_by_key(|found| found.seq);
    Ok(findings)
}

fn late(vendor: &mut Vendor, license: &License) -> Result<Vec<(ChainId, Seq)>, Refusal> {
    let device = |chain: &ChainId| license.chains.contains_key(chain);
    let history = vendor.store.history(&license.id)?;
    let authority = history.iter().filter(|entry| !device(&entry.chain));
    let events = authority.map(|entry| Event::decode(&entry.core)).collect::<Result<Vec<_>, _>>();
    Ok(seats::reported_late(&events.map_err(StoreError::from)?))
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fields().fmt(f)?;
        if !self.quotas.is_empty() {
            write!(f, "\n{}", self.quota_table())?;
        }
        stranded::tell(&self.stranded, f)?;
        if !self.variables.is_empty() {
            write!(f, "\n{}", self.variable_table())?;
        }
        if let Some(Fork { seq, verdict, heads }) = &self.fork {
            let (histories, verdict) = (heads.len(), verdict.word());
            write!(
                f,
                "\nforked at event {seq}: {histories} histories, {verdict}; see `counterfoil audit forks`"
            )?;
        }
        if let Some(other) = &self.other_trial {
            let (code, title) = (Code::TrialTwice, Code::TrialTwice.entry().title);
            write!(f, "\n{code}: {title}: see {}", words::short(other))?;
        }
        for SeqRange { first, last } in &self.missing {
            write!(f, "\nevents {first} to {last} are missing; what follows them waits")?;
        }
        for Found { seq, code } in &self.findings {
            let title = code.parse().map_or("", |code: Code| code.entry().title);
            write!(f, "\nevent {seq}: {code}: {title}")?;
        }
        for Quarantined { id, code } in &self.quarantined {
            write!(f, "\nquarantine entry {id} holds a part of this chain: {code}")?;
        }
        Ok(())
    }
}

impl Shown {
    fn fields(&self) -> Fields {
        let line = &self.line;
        let head = self.head.as_ref().map(|head| format!("event {}, link {}", head.seq, head.link));
        let grant = &self.grant;
        Fields::default()
            .with("chain", line.chain)
            .with("licence", line.license_id)
            .with("product", &self.product)
            .with("customer", words::or(self.customer.as_ref(), "(erased)"))
            .with("state", line.state_in_words())
            .with("host", words::or(line.host.as_ref(), "unknown"))
            .with("agent", words::or(line.agent.as_ref(), "unknown"))
            .with("opened at", words::or(self.opened_at, "unknown"))
            .with("requested at", words::or(line.requested_at, "unknown"))
            .with("granted at", words::or(line.granted_at, "never"))
            .with("released at", self.released_in_words())
            .with("closed at", words::or(self.closed_at, "never"))
            .with("check-in by", words::or(line.sync_by, "never"))
            .with("head", words::or(head, "none"))
            .with("last event at", words::or(line.last_event_at, "never"))
            .with(
                "newest grant",
                format_args!("{} of epoch {}, issued at {}", grant.seq, grant.epoch, grant.at),
            )
            .with("acknowledged", format_args!("up to event {}", self.acknowledged))
    }

    fn released_in_words(&self) -> String {
        match (self.line.released_at, self.released, self.seat_free_at) {
            (Some(at), Some(why), Some(free_at)) if free_at > at => {
                format!("{at} ({why}), the seat free from {free_at}")
            }
            (Some(at), Some(why), _) => format!("{at} ({why})"),
            _ => "never".to_owned(),
        }
    }

    fn quota_table(&self) -> Table {
        let mut table =
            Table::new(&["FEATURE", "PERIOD", "GRANTED", "USED", "RETURNED", "WRITTEN OFF", "HELD", "DEBT"]);
        for quota in &self.quotas {
            table.row([
                quota.feature.clone(),
                quota.period.to_string(),
                quota.granted.to_string(),
                quota.used.to_string(),
                quota.returned.to_string(),
                quota.written_off.to_string(),
                quota.held.to_string(),
                quota.debt.to_string(),
            ]);
        }
        table
    }

    fn variable_table(&self) -> Table {
        let mut table = Table::new(&["VARIABLE", "VALUE", "SET AT"]);
        for variable in &self.variables {
            table.row([
                variable.name.clone(),
                words::or(variable.value.as_ref(), "(erased)"),
                words::second(variable.set_at).to_string(),
            ]);
        }
        table
    }
}
