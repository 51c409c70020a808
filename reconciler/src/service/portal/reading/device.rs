//! What one device says in a bundle: its runs, summed up.

use std::collections::{BTreeMap, BTreeSet};

use ledger::inspect::{EventInspection, HeaderInspection, RunInspection};
use schemas::event::Body;
use schemas::event::device::{ChainOpened, Claim};
use schemas::ids::Commitment;
use schemas::numbers::{FeatureNumber, Micros};
use schemas::period::Period;
use schemas::refusal::Refusal;
use schemas::run::Origin;
use schemas::text::Text;

use crate::service::html::list::List;
use crate::service::html::page::moment;
use crate::service::html::trouble::Trouble;
use crate::service::portal::trouble::trouble;

/// What a device says.
#[derive(Debug)]
pub(in crate::service::portal) struct Device {
    /// The chain's reference.
    pub(in crate::service::portal) chain: String,
    /// The public part of its licence key.
    pub(in crate::service::portal) key: String,
    /// How its chain began, where that is told here.
    pub(in crate::service::portal) opened: Option<Opened>,
    /// What it asks for an activation with, where it does.
    pub(in crate::service::portal) asks: Option<&'static str>,
    /// Whether its chain ends here.
    pub(in crate::service::portal) is_closed: bool,
    /// Why some of it is not believed.
    pub(in crate::service::portal) trouble: Option<Trouble>,
    /// How many events of each kind.
    kinds: BTreeMap<&'static str, u64>,
    span: Option<(Micros, Micros)>,
    usage: BTreeMap<(FeatureNumber, Period), Usage>,
    references: BTreeSet<String>,
}

/// How a chain began.
#[derive(Debug)]
pub(in crate::service::portal) struct Opened {
    /// The product.
    pub(in crate::service::portal) product: String,
    /// The environment.
    pub(in crate::service::portal) environment: String,
    /// The program on the device.
    pub(in crate::service::portal) agent: String,
    /// Components of the device of which a keyed hash is told.
    pub(in crate::service::portal) components: usize,
}

/// Use of a feature in a period.
#[derive(Clone, Debug)]
pub(in crate::service::portal) struct Usage {
    /// The feature.
    pub(in crate::service::portal) feature: String,
    /// The period.
    pub(in crate::service::portal) period: String,
    /// Units used.
    pub(in crate::service::portal) used: u64,
    /// Units of them that were taken back.
    pub(in crate::service::portal) refunded: u64,
}

impl Device {
    /// One of which nothing is known yet.
    pub(super) fn new(header: &HeaderInspection) -> Self {
        let key = match &header.writer {
            Origin::Device(origin) => origin.reference.to_string(),
            Origin::Authority(_) | Origin::Catalog(_) => String::new(),
        };
        Self {
            chain: header.chain.to_string(),
            key,
            opened: None,
            asks: None,
            is_closed: false,
            trouble: None,
            kinds: BTreeMap::new(),
            span: None,
            usage: BTreeMap::new(),
            references: BTreeSet::new(),
        }
    }

    /// Adds a run; `labels` learns what the values beside it are.
    pub(super) fn take(
        &mut self,
        run: &RunInspection,
        names: &BTreeMap<FeatureNumber, Text>,
        labels: &mut BTreeMap<Commitment, String>,
    ) {
        if let Some(code) = run.code {
            self.trouble = Some(trouble(&Refusal::from(code)));
        }
        for EventInspection { event, .. } in &run.events {
            *self.kinds.entry(in_words(event.body.name())).or_default() += 1;
            let (first, last) = self.span.unwrap_or((event.at, event.at));
            self.span = Some((first.min(event.at), last.max(event.at)));
            self.note(&event.body, names, labels);
        }
    }

    fn note(
        &mut self,
        body: &Body,
        names: &BTreeMap<FeatureNumber, Text>,
        labels: &mut BTreeMap<Commitment, String>,
    ) {
        match body {
            Body::ChainOpened(opened) => {
                self.opened = Some(Opened::of(opened));
                labels.extend(opened.host.map(|host| (host, "Host name of the device".to_owned())));
            }
            Body::ActivationRequested(requested) => self.asks = Some(claim(&requested.claim)),
            Body::ChainClosed(_) => self.is_closed = true,
            Body::FeatureConsumed(consumed) => {
                let usage = self.usage(consumed.feature, consumed.period, names);
                usage.used = usage.used.saturating_add(consumed.n.get());
                self.references.extend(consumed.reference.as_ref().map(ToString::to_string));
            }
            Body::FeatureRefunded(refunded) => {
                let usage = self.usage(refunded.feature, refunded.period, names);
                usage.refunded = usage.refunded.saturating_add(refunded.n.get());
            }
            Body::VariableSet(set) => {
                labels.insert(set.value, format!("Variable {}", set.name));
            }
            _ => {}
        }
    }

    fn usage(
        &mut self,
        feature: FeatureNumber,
        period: Period,
        names: &BTreeMap<FeatureNumber, Text>,
    ) -> &mut Usage {
        self.usage.entry((feature, period)).or_insert_with(|| Usage {
            feature: names.get(&feature).map_or_else(|| format!("feature {feature}"), ToString::to_string),
            period: period.to_string(),
            used: 0,
            refunded: 0,
        })
    }

    /// Whether it tells of no use.
    pub(super) fn used_nothing(&self) -> bool {
        self.usage.is_empty()
    }

    /// How many events of each kind.
    pub(in crate::service::portal) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.kinds.iter().map(|(kind, count)| (*kind, *count))
    }

    /// From when until when.
    pub(in crate::service::portal) fn span(&self) -> Option<(String, String)> {
        self.span.map(|(first, last)| (moment(first), moment(last)))
    }

    /// Use by feature and period.
    pub(in crate::service::portal) fn uses(&self) -> List<Usage> {
        List::of(self.usage.values().cloned())
    }

    /// What the application named its uses by.
    pub(in crate::service::portal) fn named(&self) -> List<&str> {
        List::of(self.references.iter().map(String::as_str))
    }
}

impl Opened {
    fn of(opened: &ChainOpened) -> Self {
        Self {
            product: opened.product.to_string(),
            environment: opened.environment.to_string(),
            agent: opened.agent.to_string(),
            components: opened.fingerprint.len(),
        }
    }
}

fn claim(claim: &Claim) -> &'static str {
    match claim {
        Claim::LicenseKey(_) => "with a licence key, whose secret part it proves and does not carry",
        Claim::Trial(_) => "for a trial",
        Claim::UserAssertion(_) => "with an assertion about its user",
        Claim::Successor(_) => "as the successor of an earlier record of the same device",
    }
}

/// A kind of event as the administrator is told.
fn in_words(kind: &'static str) -> &'static str {
    match kind {
        "chain.opened" => "began its record",
        "activation.requested" => "asked for an activation",
        "agent.started" => "started",
        "grant.applied" => "applied a licence file",
        "grant.refused" => "did not apply a licence file",
        "feature.consumed" => "used a metered feature",
        "feature.refunded" => "took back a use",
        "quota.returned" => "gave reserved units back",
        "variable.set" => "set a variable",
        "clock.noted" => "noted a clock that was moved",
        "fingerprint.changed" => "noted that its hardware changed",
        "code.issued" => "showed a code",
        "chain.closed" => "ended its activation",
        "lease.opened" => "lent seats",
        "lease.closed" => "took lent seats back",
        "borrow.opened" => "lent seats to be taken offline",
        "borrow.returned" => "took borrowed seats back",
        "usage.hour" => "noted an hour of its pool",
        _ => "noted something that this program passes over",
    }
}
