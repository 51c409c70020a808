//! One branch of a device chain, and the ways that lead from the chain's beginning to a place on it.

use std::collections::BTreeMap;

use schemas::event::device::ClockNoted;
use schemas::event::{Body, Event};
use schemas::grant::TookIn;
use schemas::ids::ChainId;
use schemas::numbers::{FeatureNumber, Micros, Seq, Total};
use schemas::period::Period;
use serde::{Deserialize, Serialize};

use crate::chain::Head;
use crate::rows::BranchNumber;

/// One branch of a chain: the events after the place where it parts from its parent.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Branch {
    /// The branch that it parts from; itself for the trunk.
    pub parent: BranchNumber,
    /// Its first place; 1 for the trunk.
    pub first_seq: Seq,
    /// Its head.
    pub head: Head,
    /// Its first event.
    pub first: Start,
    /// The event that stands at its first place on its parent; nothing for the trunk.
    pub rival: Option<Start>,
    /// The `at` of the last event.
    pub last_at: Micros,
    /// The place of the last event that noted a step of the clock backward, or whose time lies before that of the one
    /// before it.
    pub unsteady: Option<Seq>,
    /// What was noted of the clock before it parted.
    pub steps_before: Steps,
    /// What was noted of the clock from the chain's beginning to the head.
    pub steps: Steps,
    /// Where and when it was closed, here or before it parted.
    pub closed: Option<Closed>,
    /// What its events state of the sums. The trunk has only R here: its other sums are the chain's without the others'.
    pub sums: BTreeMap<(FeatureNumber, Period), BranchSum>,
}

impl Branch {
    /// What a grant says that takes the branch in as far as it is attached.
    pub fn took_in(&self, chain: ChainId) -> TookIn {
        TookIn { chain, first_seq: self.first_seq, seq: self.head.seq, link: self.head.link }
    }

    /// Takes in what an event tells of the clock.
    pub(super) fn note_time(&mut self, seq: Seq, event: &Event) {
        if event.at < self.last_at {
            self.unsteady = Some(seq);
        }
        if let Body::ClockNoted(noted) = &event.body {
            self.steps.note(noted);
            if self.steps.behind {
                self.unsteady = Some(seq);
            }
        }
        self.last_at = event.at;
    }
}

/// The first event after a parting.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Start {
    /// Its time.
    pub at: Micros,
    /// Whether it is `agent.started`.
    pub is_start: bool,
}

impl Start {
    /// What matters of the event that stands first.
    pub fn of(event: &Event) -> Self {
        Self { at: event.at, is_start: matches!(event.body, Body::AgentStarted(_)) }
    }
}

/// What a device noted of its clock, from the chain's beginning to a place.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Steps {
    /// How far the steps forward come to, in microseconds; at most what an instant can be.
    pub ahead: u64,
    /// Whether the last step was backward, so that times may be held since.
    pub behind: bool,
}

impl Steps {
    /// Takes in a step.
    pub(super) fn note(&mut self, noted: &ClockNoted) {
        self.behind = noted.wall < noted.expected;
        self.ahead = self.ahead.saturating_add(noted.wall.since(noted.expected)).min(Micros::MAX.get());
    }
}

/// Where and when a branch was closed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Closed {
    /// The place of `chain.closed`.
    pub seq: Seq,
    /// Its time.
    pub at: Micros,
    /// The chain on which its device goes on, if it was closed for that.
    pub successor: Option<ChainId>,
}

/// What the events of one branch state of one sum.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct BranchSum {
    /// Units used before the branch parted, as its first consumption states them.
    pub base: Option<Total>,
    /// Units used by its own events.
    pub used: Total,
    /// Units that its own events give back to the meter.
    pub refunded: Total,
    /// The largest R that is stated from the chain's beginning to its head.
    pub returned: Total,
}

/// A branch on the way from the chain's beginning, and the last place on it before the way leaves it.
#[derive(Clone, Copy)]
pub(crate) struct Stretch<'a> {
    pub(crate) number: BranchNumber,
    pub(crate) branch: &'a Branch,
    pub(crate) left_after: Seq,
}

/// The way from the chain's beginning to the place `last` of the branch `to`.
pub(crate) fn way(
    branches: &BTreeMap<BranchNumber, Branch>,
    to: BranchNumber,
    last: Seq,
) -> Vec<Stretch<'_>> {
    let mut number = to;
    let mut left_after = last;
    let mut way = Vec::new();
    loop {
        let branch = &branches[&number];
        way.push(Stretch { number, branch, left_after });
        if branch.parent == number {
            break;
        }
        left_after = Seq(branch.first_seq.0 - 1);
        number = branch.parent;
    }
    way.reverse();
    way
}
