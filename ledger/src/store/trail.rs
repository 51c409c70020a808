//! What of a chain's state is not written beside its events yet.
//!
//! A consumption says all that it changes: the sum after it, and the time. To write the sums and the state with each
//! would be two more pages a commit, so they trail: opening a store takes in the events that follow them. Whatever
//! events alone do not tell is written with its events, and everything when the store is closed. Events that are taken
//! away from the end of a store are therefore seen when it was closed, but not the last of one whose process was killed:
//! that is an older state put back, which the vendor sees.

use std::collections::BTreeSet;

use schemas::event::Event;
use schemas::numbers::{FeatureNumber, Micros};
use schemas::period::Period;

use crate::device::{Saved, meter};

/// How many events the state may stand behind before a commit writes it.
const LONGEST: u64 = 1_024;

/// The events that the kept state and sums do not cover.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail {
    events: u64,
    latest: Micros,
    sums: BTreeSet<(FeatureNumber, Period)>,
}

impl Trail {
    /// Takes in the next event.
    pub(super) fn push(&mut self, event: &Event) {
        self.events += 1;
        self.latest = self.latest.max(event.at);
        self.sums.extend(meter::moved_by(&event.body));
    }

    /// The sums that moved.
    pub(super) fn sums(&self) -> impl Iterator<Item = (FeatureNumber, Period)> {
        self.sums.iter().copied()
    }

    /// Whether nothing is behind.
    pub(super) fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// Whether the state is to be written now that it is `after`, and was `before` when the last group began: after so
    /// many events, and whenever they do not tell all of it.
    pub(super) fn is_due(&self, before: &Saved, after: &Saved) -> bool {
        let mark = before.mark.max(self.latest);
        let told = Saved { head: after.head, prev: after.prev, mark, ..*before };
        self.events > LONGEST || *after != told
    }
}
