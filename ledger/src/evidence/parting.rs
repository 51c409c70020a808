//! Where a branch parts from another, and what its history told before.

use std::collections::BTreeMap;

use schemas::event::{Body, Event, Kind};
use schemas::numbers::{FeatureNumber, Micros, Seq, Total};
use schemas::period::Period;

use super::branch::{Branch, Start, Steps, way};
use crate::rows::{BranchNumber, HistoryEntry};

/// Where a branch parts, and what must be known of its parent.
#[derive(Clone, Debug)]
pub struct Parting {
    /// The branch that it parts from.
    pub parent: BranchNumber,
    /// The event of the parent that stands at the branch's first place.
    pub rival: Start,
    /// The time of the event before it, if there is one.
    pub before: Option<Micros>,
    /// What was told on the way to it.
    pub told: Told,
}

/// What the events before a parting told, on the way from the chain's beginning.
#[derive(Clone, Debug)]
pub struct Told {
    /// The branches on the way, each with its last place before the way leaves it.
    way: Vec<(BranchNumber, Seq)>,
    /// What was noted of the clock.
    pub(super) steps: Steps,
    /// The largest R that was stated.
    pub(super) returned: BTreeMap<(FeatureNumber, Period), Total>,
}

impl Told {
    /// The kinds of events that [`Told::hear`] takes in.
    pub(crate) const KINDS: [Kind; 2] = [Kind::QUOTA_RETURNED, Kind::CLOCK_NOTED];

    /// Nothing yet, of the way to the event before `place` on `parent`.
    pub(crate) fn before(
        branches: &BTreeMap<BranchNumber, Branch>,
        parent: BranchNumber,
        place: Seq,
    ) -> Self {
        let way = way(branches, parent, Seq(place.0 - 1));
        let way = way.iter().map(|stretch| (stretch.number, stretch.left_after)).collect();
        Self { way, steps: Steps::default(), returned: BTreeMap::new() }
    }

    /// Takes in a lifecycle event of the chain, if it stands on the way. Each kind's come in their order on it.
    pub(crate) fn hear(&mut self, entry: &HistoryEntry) {
        let passes =
            |(number, left_after): &(BranchNumber, Seq)| *number == entry.branch && entry.seq <= *left_after;
        if !Self::KINDS.contains(&entry.kind) || !self.way.iter().any(passes) {
            return;
        }
        match Event::decode(&entry.core).map(|event| event.body) {
            Ok(Body::QuotaReturned(returned)) => {
                let known = self.returned.entry((returned.feature, returned.period)).or_default();
                *known = returned.total.max(*known);
            }
            Ok(Body::ClockNoted(noted)) => self.steps.note(&noted),
            _ => {}
        }
    }
}
