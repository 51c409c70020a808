//! What device chains prove: the fold over their events.
//!
//! The sums are the same whatever the order and the cuts in which a chain's events arrived, because each attached
//! event is folded exactly once.

use std::collections::BTreeMap;

use schemas::codes::Code;
use schemas::event::device::{Claim, FeatureConsumed, FeatureRefunded, FingerprintComponent};
use schemas::event::{Body, Event};
use schemas::ids::{ChainId, Commitment};
use schemas::numbers::{FeatureNumber, Micros, Seq, Total};
use schemas::period::{self, Period};
use schemas::run::DeviceOrigin;
use schemas::text::Text;

use crate::chain::Head;
use crate::rows::{BranchNumber, Finding, HistoryEntry, Rows, Variable};

/// What is known of one device chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chain {
    /// The key that signs it and the licence key that it refers to.
    pub origin: DeviceOrigin,
    /// Its branches by number. A chain that never forked has one, number 0.
    pub branches: BTreeMap<BranchNumber, Branch>,
    /// When it was opened.
    pub opened_at: Option<Micros>,
    /// The agent's name and version at the opening.
    pub agent: Option<Text>,
    /// The commitment to the host's name.
    pub host: Option<Commitment>,
    /// The fingerprint as last recorded.
    pub fingerprint: Vec<FingerprintComponent>,
    /// When the activation was asked for.
    pub requested_at: Option<Micros>,
    /// When it was closed.
    pub closed_at: Option<Micros>,
    /// Units by feature and period.
    pub meters: BTreeMap<(FeatureNumber, Period), Meter>,
}

/// One branch of a chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Branch {
    /// Its first place; 1 for the trunk.
    pub first_seq: Seq,
    /// Its head.
    pub head: Head,
    /// The `at` of the last event.
    pub last_at: Micros,
}

/// Units of one feature in one period on one chain, cumulative.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Meter {
    /// Units used.
    pub used: Total,
    /// Units given back to the meter.
    pub refunded: Total,
    /// R: units of quota returned to the vendor.
    pub returned: Total,
}

impl Meter {
    /// U: units used, net of refunds.
    pub fn net(&self) -> u64 {
        self.used.get().saturating_sub(self.refunded.get())
    }
}

/// Consecutive events that extend a branch.
#[derive(Debug)]
pub struct Part<I> {
    /// The chain that they stand on.
    pub chain: ChainId,
    /// The branch that they extend.
    pub branch: BranchNumber,
    /// The place of the first one.
    pub first_seq: Seq,
    /// The head after the last one.
    pub head: Head,
    /// The events with their places.
    pub events: I,
}

impl Chain {
    /// A chain of which nothing is known but its header.
    pub fn new(origin: DeviceOrigin) -> Self {
        Self {
            origin,
            branches: BTreeMap::new(),
            opened_at: None,
            agent: None,
            host: None,
            fingerprint: Vec::new(),
            requested_at: None,
            closed_at: None,
            meters: BTreeMap::new(),
        }
    }

    /// The head of the trunk.
    pub fn head(&self) -> Head {
        self.branches.get(&0).map_or(Head::START, |branch| branch.head)
    }

    /// The events that are attached, all branches together.
    pub fn event_count(&self) -> u64 {
        self.branches.values().map(|branch| branch.head.seq.0 + 1 - branch.first_seq.0).sum()
    }

    /// Folds events that extend a branch.
    pub fn extend<'a>(&mut self, part: Part<impl Iterator<Item = (Seq, &'a Event)>>, rows: &mut Rows) {
        let Part { chain, branch, first_seq, head, events } = part;
        let mut last_at = Micros::default();
        for (seq, event) in events {
            last_at = event.at;
            if self.closed_at.is_some() {
                rows.findings.push(Finding { chain, branch, seq, code: Code::EventAfterClose });
            }
            match &event.body {
                Body::FeatureConsumed(consumed) => {
                    self.consume((chain, branch, seq), event.at, consumed, rows);
                }
                Body::FeatureRefunded(refunded) => {
                    self.refund((chain, branch, seq), event.at, refunded, rows);
                }
                _ => {
                    rows.history.push(HistoryEntry {
                        chain,
                        branch,
                        seq,
                        at: event.at,
                        kind: event.body.kind(),
                        core: event.encode(),
                    });
                    self.live((chain, branch, seq), event, rows);
                }
            }
        }
        rows.chains.insert(chain);
        self.branches
            .entry(branch)
            .and_modify(|known| (known.head, known.last_at) = (head, last_at))
            .or_insert(Branch { first_seq, head, last_at });
    }

    fn consume(
        &mut self,
        (chain, branch, seq): (ChainId, BranchNumber, Seq),
        at: Micros,
        consumed: &FeatureConsumed,
        rows: &mut Rows,
    ) {
        let FeatureConsumed { feature, period, n, total, .. } = *consumed;
        let meter = self.meters.entry((feature, period)).or_default();
        meter.used = meter.used.saturating_plus(n.get());
        let mut find = |code| rows.findings.push(Finding { chain, branch, seq, code });
        if meter.used != total {
            find(Code::TotalMismatch);
        }
        if Period::of(period.reset(), at) != period {
            find(Code::PeriodMismatch);
        }
        let sum = rows.usage.entry((chain, feature, period, usage_day(at, consumed))).or_default();
        sum.n = sum.n.saturating_add(n.get());
        sum.events += 1;
        rows.meters.insert((chain, feature, period));
    }

    fn refund(
        &mut self,
        (chain, branch, seq): (ChainId, BranchNumber, Seq),
        at: Micros,
        refunded: &FeatureRefunded,
        rows: &mut Rows,
    ) {
        let FeatureRefunded { feature, period, n, consumption } = *refunded;
        let meter = self.meters.entry((feature, period)).or_default();
        meter.refunded = meter.refunded.saturating_plus(n.get());
        if meter.refunded > meter.used || consumption >= seq {
            rows.findings.push(Finding { chain, branch, seq, code: Code::RefundMismatch });
        }
        let sum = rows.usage.entry((chain, feature, period, period::day(at))).or_default();
        sum.refunded = sum.refunded.saturating_add(n.get());
        sum.events += 1;
        rows.meters.insert((chain, feature, period));
    }

    fn live(&mut self, (chain, branch, seq): (ChainId, BranchNumber, Seq), event: &Event, rows: &mut Rows) {
        match &event.body {
            Body::ChainOpened(opened) => {
                self.opened_at = Some(event.at);
                self.agent = Some(opened.agent.clone());
                self.host = opened.host;
                self.fingerprint.clone_from(&opened.fingerprint);
            }
            Body::ActivationRequested(_) => self.requested_at = Some(event.at),
            Body::QuotaReturned(returned) => {
                // R is cumulative and signed: the largest that was stated counts, and what does not add up is shown.
                let meter = self.meters.entry((returned.feature, returned.period)).or_default();
                let added_up = meter.returned.saturating_plus(returned.n.get()) == returned.total;
                meter.returned = meter.returned.max(returned.total);
                rows.meters.insert((chain, returned.feature, returned.period));
                if !added_up {
                    rows.findings.push(Finding { chain, branch, seq, code: Code::TotalMismatch });
                }
            }
            Body::VariableSet(set) => {
                let variable = Variable { seq, at: event.at, value: set.value };
                rows.variables.insert((chain, set.name.clone()), variable);
            }
            Body::FingerprintChanged(changed) => self.fingerprint.clone_from(&changed.fingerprint),
            Body::ChainClosed(_) => self.closed_at = Some(event.at),
            _ => {}
        }
    }
}

/// The claim among events.
pub fn claim_among<'a>(mut events: impl Iterator<Item = &'a Event>) -> Option<&'a Claim> {
    events.find_map(|event| match &event.body {
        Body::ActivationRequested(requested) => Some(&requested.claim),
        _ => None,
    })
}

/// The UTC day on which a consumption counts: the day of use where it is given and not later than the event.
fn usage_day(at: Micros, consumed: &FeatureConsumed) -> u32 {
    period::day(consumed.used_at.map_or(at, |used_at| used_at.min(at)))
}

#[cfg(test)]
mod tests;
