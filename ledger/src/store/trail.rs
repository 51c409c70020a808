//! What of a chain's state is not written beside its events yet.
//!
//! A consumption says all that it changes: the sum after it, and the time. To write the sums and the state with each
//! would be two more pages a commit, so they trail: opening a store takes in the events that follow them. Whatever
//! events alone do not tell is written with its events, and everything when the store is closed.

use std::collections::BTreeSet;

use schemas::event::Body;
use schemas::numbers::FeatureNumber;
use schemas::period::Period;

use crate::device::{Saved, meter};

/// How many events the state may stand behind before a commit writes it.
const LONGEST: u64 = 1_024;

/// The events that the kept state and sums do not cover.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail {
    events: u64,
    sums: BTreeSet<(FeatureNumber, Period)>,
}

impl Trail {
    /// Takes in the next event.
    pub(super) fn push(&mut self, body: &Body) {
        self.events += 1;
        self.sums.extend(meter::moved_by(body));
    }

    /// The sums that moved.
    pub(super) fn sums(&self) -> impl Iterator<Item = (FeatureNumber, Period)> {
        self.sums.iter().copied()
    }

    /// Whether nothing is behind.
    pub(super) fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// Whether the state is to be written now that it is `after`, and was `before` when the last group began.
    pub(super) fn is_due(&self, before: &Saved, after: &Saved) -> bool {
        self.events > LONGEST || (after != before && !follows(before, after))
    }
}

/// Whether events alone tell how the state came from `before` to `after`.
fn follows(before: &Saved, after: &Saved) -> bool {
    let told = Saved { head: before.head, prev: before.prev, mark: before.mark, ..*after };
    after.head != before.head && told == *before
}
