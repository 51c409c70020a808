//! What device chains prove: the fold over their events.
//!
//! The sums are the same whatever the order and the cuts in which a chain's events arrived, because each attached
//! event is folded exactly once.

mod branch;
mod fingerprints;
mod parting;

use std::collections::BTreeMap;

use schemas::codes::Code;
use schemas::event::device::{
    ChainOpened, Claim, FeatureConsumed, FeatureRefunded, FingerprintComponent, QuotaReturned,
};
use schemas::event::{Body, Event};
use schemas::grant::SeqRange;
use schemas::ids::{ChainId, Commitment, Digest};
use schemas::numbers::{FeatureNumber, Micros, Seq, Total};
use schemas::period::{self, Period};
use schemas::run::DeviceOrigin;
use schemas::text::Text;
use serde::{Deserialize, Serialize};

pub use self::branch::{Branch, BranchSum, Closed, Start, Steps};
pub(crate) use self::branch::{Stretch, way};
pub use self::fingerprints::Fingerprints;
pub use self::parting::{Parting, Told};
use crate::chain::Head;
use crate::forks::{self, Fork, Verdict};
use crate::parking::{self, Parked};
use crate::rows::{BranchNumber, Finding, HistoryEntry, Rows, Variable};

/// What is known of one device chain: a tree of events, each attached by its link.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Chain {
    /// The key that signs it and the licence key that it refers to.
    pub origin: DeviceOrigin,
    /// Its branches by number. A chain that never forked has one, number 0.
    pub branches: BTreeMap<BranchNumber, Branch>,
    /// Where its histories part, if they do.
    pub fork: Option<Fork>,
    /// Runs that do not attach yet. They are no part of what follows from the attached ones.
    #[serde(skip)]
    pub parked: BTreeMap<Digest, Parked>,
    /// When it was opened.
    pub opened_at: Option<Micros>,
    /// The agent's name and version at the opening.
    pub agent: Option<Text>,
    /// The commitment to the host's name.
    pub host: Option<Commitment>,
    /// The fingerprint as last recorded, and where.
    pub fingerprint: Vec<FingerprintComponent>,
    /// The place of the event that recorded the fingerprint.
    pub fingerprint_at: Seq,
    /// Every fingerprint that it recorded.
    pub fingerprints: Fingerprints,
    /// What the activation was asked for with, if it is a successor's request: the chain that it follows.
    pub follows: Option<ChainId>,
    /// When the activation was asked for.
    pub requested_at: Option<Micros>,
    /// The place of the event that asked for it.
    pub requested_in: Seq,
    /// When it was closed: by every copy of the device that is known, or by the one that went on after a restore.
    pub closed_at: Option<Micros>,
    /// Units by feature and period.
    pub meters: BTreeMap<(FeatureNumber, Period), ChainSum>,
}

/// Units of one feature in one period on one chain, cumulative.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ChainSum {
    /// Units used, all branches together.
    pub used: Total,
    /// Units given back to the meter, all branches together.
    pub refunded: Total,
    /// The largest R that any branch states.
    pub returned: Total,
    /// R as it counts: what was returned before the histories parted. No copy frees what another may spend.
    pub freed: Total,
}

impl ChainSum {
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
    /// Where the branch parts, if these are its first events and it is not the trunk.
    pub parting: Option<Parting>,
    /// The place of the first one.
    pub first_seq: Seq,
    /// The head after the last one.
    pub head: Head,
    /// The events with their places.
    pub events: I,
}

/// The place of an event on a branch of a chain.
type Place = (ChainId, BranchNumber, Seq);

impl Chain {
    /// A chain of which nothing is known but its header.
    pub fn new(origin: DeviceOrigin) -> Self {
        Self {
            origin,
            branches: BTreeMap::new(),
            fork: None,
            parked: BTreeMap::new(),
            opened_at: None,
            agent: None,
            host: None,
            fingerprint: Vec::new(),
            fingerprint_at: Seq(0),
            fingerprints: Fingerprints::default(),
            follows: None,
            requested_at: None,
            requested_in: Seq(0),
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

    /// The stretches that are missing before the runs that wait.
    pub fn missing(&self) -> Vec<SeqRange> {
        parking::missing(self.last_place(), &self.parked)
    }

    /// The names of the runs that wait and do not begin beyond every head.
    pub(crate) fn may_attach(&self) -> Vec<Digest> {
        let next = self.last_place().next();
        let near = self.parked.iter().filter(|(_, parked)| parked.span.first <= next);
        near.map(|(name, _)| *name).collect()
    }

    /// The last place that is attached on any branch.
    pub fn last_place(&self) -> Seq {
        self.branches.values().map(|branch| branch.head.seq).max().unwrap_or_default()
    }

    /// The number of the next branch.
    pub fn next_branch(&self) -> BranchNumber {
        self.branches.keys().next_back().map_or(0, |last| last + 1)
    }

    /// U as it is charged: net of refunds, which do not count once a copy could make them twice.
    pub fn charged(&self, key: &(FeatureNumber, Period), forked: bool) -> u64 {
        self.meters.get(key).map_or(0, |meter| if forked { meter.used.get() } else { meter.net() })
    }

    /// Folds events that extend a branch.
    pub fn extend<'a>(&mut self, part: Part<impl Iterator<Item = (Seq, &'a Event)>>, rows: &mut Rows) {
        let Part { chain, branch, parting, first_seq, head, events } = part;
        let mut events = events.peekable();
        let Some((_, first)) = events.peek() else { return };
        if !self.branches.contains_key(&branch) {
            let first = Start::of(first);
            self.begin(branch, first_seq, first, parting);
        }
        for (seq, event) in events {
            self.fold((chain, branch, seq), event, rows);
        }
        self.on(branch).head = head;
        if self.branches.len() == 1 {
            self.settle();
        }
        rows.chains.insert(chain);
    }

    /// Derives what the branches tell together, after events were folded: how the chain forked, and when it was closed.
    pub(crate) fn settle(&mut self) {
        self.fork = Fork::among(&self.branches);
        self.closed_at = forks::closed_at(&self.branches, self.fork.as_ref());
    }

    /// Whether every copy of the device that is known was closed, so that nothing it was granted can be spent any more.
    /// A history that a restore cut off may have spent units which it never reported.
    pub fn is_closed_everywhere(&self) -> bool {
        self.closed_at.is_some() && self.branches.values().all(|branch| branch.closed.is_some())
    }

    /// Whether any copy of the device ended the chain to go on with a successor.
    pub(crate) fn is_closed_for_successor(&self) -> bool {
        let mut closed = self.branches.values().filter_map(|branch| branch.closed);
        closed.any(|closed| closed.successor.is_some())
    }

    fn on(&mut self, branch: BranchNumber) -> &mut Branch {
        self.branches.get_mut(&branch).expect("a branch begins before it is folded")
    }

    fn begin(&mut self, branch: BranchNumber, first_seq: Seq, first: Start, parting: Option<Parting>) {
        let parent = parting.as_ref().map_or(branch, |parting| parting.parent);
        let inherited = self.branches.get(&parent).and_then(|parent| parent.closed);
        let before = parting.as_ref().and_then(|parting| parting.before);
        let steps = parting.as_ref().map_or_else(Steps::default, |parting| parting.told.steps);
        let stated = parting.iter().flat_map(|parting| &parting.told.returned);
        let stated =
            stated.map(|(key, total)| (*key, BranchSum { returned: *total, ..BranchSum::default() }));
        self.branches.insert(
            branch,
            Branch {
                parent,
                first_seq,
                head: Head { seq: Seq(first_seq.0 - 1), ..Head::START },
                first,
                rival: parting.as_ref().map(|parting| parting.rival),
                last_at: before.unwrap_or(first.at),
                unsteady: None,
                steps_before: steps,
                steps,
                closed: inherited.filter(|closed| closed.seq < first_seq),
                sums: stated.collect(),
            },
        );
        if let Some(parting) = parting {
            self.count_returns_before(first_seq, &parting.told.returned);
            let seq = self.fork.map_or(first_seq, |fork| fork.seq.min(first_seq));
            self.fork = Some(Fork { seq, verdict: Verdict::Unknown });
        }
    }

    /// What was returned after the first parting does not count.
    fn count_returns_before(&mut self, place: Seq, returned: &BTreeMap<(FeatureNumber, Period), Total>) {
        if self.fork.as_ref().is_some_and(|fork| fork.seq <= place) {
            return;
        }
        for (key, meter) in &mut self.meters {
            meter.freed = returned.get(key).copied().unwrap_or_default();
        }
    }

    fn fold(&mut self, place: Place, event: &Event, rows: &mut Rows) {
        let (chain, branch, seq) = place;
        let on = self.on(branch);
        on.note_time(seq, event);
        if on.closed.is_some() {
            rows.findings.push(Finding { chain, branch, seq, code: Code::EventAfterClose });
        }
        match &event.body {
            Body::FeatureConsumed(consumed) => self.consume(place, event.at, consumed, rows),
            Body::FeatureRefunded(refunded) => self.refund(place, event.at, refunded, rows),
            _ => {
                rows.history.push(HistoryEntry {
                    chain,
                    branch,
                    seq,
                    at: event.at,
                    kind: event.body.kind(),
                    core: event.encode(),
                });
                self.live(place, event, rows);
            }
        }
    }

    fn consume(&mut self, place: Place, at: Micros, consumed: &FeatureConsumed, rows: &mut Rows) {
        let (chain, branch, seq) = place;
        let FeatureConsumed { feature, period, n, total, .. } = *consumed;
        let meter = self.meters.entry((feature, period)).or_default();
        meter.used = meter.used.saturating_plus(n.get());
        let mut find = |code| rows.findings.push(Finding { chain, branch, seq, code });
        if self.counted((feature, period), branch, consumed) != total {
            find(Code::TotalMismatch);
        }
        if Period::of(period.reset(), at) != period {
            find(Code::PeriodMismatch);
        }
        let sum = rows.usage.entry((chain, feature, period, usage_day(at, consumed))).or_default();
        sum.n = sum.n.saturating_add(n.get());
        sum.events += 1;
    }

    /// The total that a consumption must state, which was just counted: units used on the way from the chain's
    /// beginning to it. What a branch states first of a sum is believed; the rest must follow from it.
    fn counted(
        &mut self,
        key: (FeatureNumber, Period),
        branch: BranchNumber,
        consumed: &FeatureConsumed,
    ) -> Total {
        if branch != 0 {
            let stated = Total::ZERO.saturating_plus(consumed.total.get().saturating_sub(consumed.n.get()));
            let sum = self.on(branch).sums.entry(key).or_default();
            sum.base.get_or_insert(stated);
            sum.used = sum.used.saturating_plus(consumed.n.get());
        }
        self.on_the_way(key, branch).0
    }

    /// Units used and given back from the chain's beginning to the head of a branch.
    fn on_the_way(&self, key: (FeatureNumber, Period), branch: BranchNumber) -> (Total, Total) {
        if branch != 0 {
            let sum = self.branches[&branch].sums.get(&key).copied().unwrap_or_default();
            return (sum.base.unwrap_or_default().saturating_plus(sum.used.get()), sum.refunded);
        }
        let meter = self.meters.get(&key).copied().unwrap_or_default();
        let others = || self.branches.values().filter_map(|branch| branch.sums.get(&key));
        let without = |all: Total, part: fn(&BranchSum) -> Total| {
            let elsewhere: u64 = others().map(|sum| part(sum).get()).sum();
            Total::ZERO.saturating_plus(all.get().saturating_sub(elsewhere))
        };
        (without(meter.used, |sum| sum.used), without(meter.refunded, |sum| sum.refunded))
    }

    fn refund(&mut self, place: Place, at: Micros, refunded: &FeatureRefunded, rows: &mut Rows) {
        let (chain, branch, seq) = place;
        let FeatureRefunded { feature, period, n, consumption } = *refunded;
        let meter = self.meters.entry((feature, period)).or_default();
        meter.refunded = meter.refunded.saturating_plus(n.get());
        if branch != 0 {
            let sum = self.on(branch).sums.entry((feature, period)).or_default();
            sum.refunded = sum.refunded.saturating_plus(n.get());
        }
        let (used, refunded) = self.on_the_way((feature, period), branch);
        if refunded > used || consumption >= seq {
            rows.findings.push(Finding { chain, branch, seq, code: Code::RefundMismatch });
        }
        let sum = rows.usage.entry((chain, feature, period, period::day(at))).or_default();
        sum.refunded = sum.refunded.saturating_add(n.get());
        sum.events += 1;
    }

    fn live(&mut self, place: Place, event: &Event, rows: &mut Rows) {
        let (chain, branch, seq) = place;
        match &event.body {
            Body::ChainOpened(opened) => self.record_opening(seq, event.at, opened),
            Body::ActivationRequested(requested) => self.record_request(seq, event.at, &requested.claim),
            Body::QuotaReturned(returned) => self.take_return(place, returned, rows),
            Body::VariableSet(set) => {
                let variable = Variable { seq, at: event.at, value: set.value };
                // Of two branches the later place counts, whichever came first.
                rows.variables
                    .entry((chain, set.name.clone()))
                    .and_modify(|known| *known = variable.max(*known))
                    .or_insert(variable);
            }
            Body::FingerprintChanged(changed) => self.record_fingerprint(seq, &changed.fingerprint),
            Body::ChainClosed(closed) => {
                let successor = closed.successor;
                self.on(branch).closed.get_or_insert(Closed { seq, at: event.at, successor });
            }
            _ => {}
        }
    }

    /// Of several openings the smallest by time, agent and host counts, so that the order in which they came does not
    /// matter.
    fn record_opening(&mut self, seq: Seq, at: Micros, opened: &ChainOpened) {
        let says = (at, Some(opened.agent.clone()), opened.host);
        let known = self.opened_at.map(|at| (at, self.agent.clone(), self.host));
        if known.is_none_or(|known| says < known) {
            self.opened_at = Some(says.0);
            (self.agent, self.host) = (says.1, says.2);
        }
        self.record_fingerprint(seq, &opened.fingerprint);
    }

    /// Of two requests the one at the lower place counts, whichever came first: what a chain asks again changes nothing
    /// of what it follows. At one place of two histories, one that follows no chain counts before one that does, then
    /// the earlier one.
    fn record_request(&mut self, seq: Seq, at: Micros, claim: &Claim) {
        let follows = match claim {
            Claim::Successor(claim) => Some(claim.follows),
            _ => None,
        };
        let asks = (seq, follows.is_some(), at, follows);
        let known = self.requested_at.map(|at| (self.requested_in, self.follows.is_some(), at, self.follows));
        if known.is_none_or(|known| asks < known) {
            self.requested_in = seq;
            self.requested_at = Some(at);
            self.follows = follows;
        }
    }

    /// The fingerprint at the latest place counts, whichever branch came first.
    fn record_fingerprint(&mut self, seq: Seq, fingerprint: &[FingerprintComponent]) {
        self.fingerprints.record(seq, fingerprint);
        let tags = |components: &[FingerprintComponent]| -> Vec<_> {
            components.iter().map(|component| (component.component, component.tag)).collect()
        };
        if (seq, tags(fingerprint)) > (self.fingerprint_at, tags(&self.fingerprint)) {
            self.fingerprint_at = seq;
            self.fingerprint = fingerprint.to_vec();
        }
    }

    /// R is cumulative and signed: the largest that was stated counts, and what does not add up is shown.
    fn take_return(&mut self, (chain, branch, seq): Place, returned: &QuotaReturned, rows: &mut Rows) {
        let key = (returned.feature, returned.period);
        let forked = self.fork.is_some();
        let sum = self.on(branch).sums.entry(key).or_default();
        let before = sum.returned;
        sum.returned = before.max(returned.total);
        let meter = self.meters.entry(key).or_default();
        meter.returned = meter.returned.max(returned.total);
        if !forked {
            meter.freed = meter.returned;
        }
        if before.saturating_plus(returned.n.get()) != returned.total {
            rows.findings.push(Finding { chain, branch, seq, code: Code::TotalMismatch });
        }
    }
}

/// The UTC day on which a consumption counts: the day of use where it is given and not later than the event.
fn usage_day(at: Micros, consumed: &FeatureConsumed) -> u32 {
    period::day(consumed.used_at.map_or(at, |used_at| used_at.min(at)))
}

#[cfg(test)]
mod tests;
