//! What a unit of work changes beside the state of a licence: rows that are added, summed or replaced.
//!
//! The folds in [`crate::evidence`] and [`crate::authority`] fill it, once for each event that is attached; a store
//! writes it. A rebuild fills it again from the runs and must arrive at the same rows.

use std::collections::{BTreeMap, BTreeSet};

use schemas::codes::Code;
use schemas::event::{Event, Kind};
use schemas::ids::{ChainId, Commitment, Link};
use schemas::numbers::{FeatureNumber, Micros, Seq};
use schemas::period::Period;
use schemas::run::{Origin, RunHeader, pairs};
use schemas::text::Text;

use crate::chain::Head;
use crate::evidence::Start;

/// The number of a branch within its chain: 0 for the trunk, then in the order in which they were found.
pub type BranchNumber = u16;

/// The rows that a fold adds, sums or replaces, and the chains whose state it moved.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Units by chain, feature, period and UTC day of use; added to what is there.
    pub usage: BTreeMap<(ChainId, FeatureNumber, Period, u32), UsageSum>,
    /// Lifecycle events of device chains: all but single consumptions and refunds; added.
    pub history: Vec<HistoryEntry>,
    /// Device variables by chain and name; replaced.
    pub variables: BTreeMap<(ChainId, Text), Variable>,
    /// What was found to contradict itself; added.
    pub findings: Vec<Finding>,
    /// Device chains whose evidence moved, or about which something was decided.
    pub chains: BTreeSet<ChainId>,
}

/// Units and events summed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct UsageSum {
    /// Units used.
    pub n: u64,
    /// Units given back.
    pub refunded: u64,
    /// Events.
    pub events: u64,
}

/// A lifecycle event.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HistoryEntry {
    /// The chain that it stands on.
    pub chain: ChainId,
    /// The branch.
    pub branch: BranchNumber,
    /// Its place.
    pub seq: Seq,
    /// Its time.
    pub at: Micros,
    /// Its kind.
    pub kind: Kind,
    /// Its core.
    pub core: Vec<u8>,
}

/// A device variable as last set.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Variable {
    /// Where it was set.
    pub seq: Seq,
    /// When.
    pub at: Micros,
    /// The commitment to the value.
    pub value: Commitment,
}

/// Evidence that contradicts itself; it is kept and shown, never refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Finding {
    /// The device chain.
    pub chain: ChainId,
    /// The branch.
    pub branch: BranchNumber,
    /// The place.
    pub seq: Seq,
    /// What.
    pub code: Code,
}

/// A run as it is stored: bytes as they came, from the first event that was new.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredRun {
    /// The chain.
    pub chain: ChainId,
    /// The branch.
    pub branch: BranchNumber,
    /// The version of the event format that its header names.
    pub version: u8,
    /// Who writes the chain.
    pub origin: Origin,
    /// The place of the first event.
    pub first_seq: Seq,
    /// The link before it.
    pub prev: Link,
    /// How many events.
    pub count: u64,
    /// The head after the last one.
    pub head: Head,
    /// The `at` of the last one.
    pub last_at: Micros,
    /// The pairs of core and signature.
    pub pairs: Vec<u8>,
}

impl StoredRun {
    /// What stands before its events on the wire.
    pub fn header(&self) -> RunHeader {
        RunHeader {
            version: self.version,
            chain: self.chain,
            origin: self.origin.clone(),
            first_seq: self.first_seq,
            prev: self.prev,
        }
    }

    /// The links after each of its events.
    pub fn links(&self) -> Vec<Link> {
        let mut head = Head { seq: Seq(self.first_seq.0 - 1), link: self.prev };
        let signed = pairs(&self.pairs).map_while(Result::ok);
        let links = signed.map(|pair| {
            (_, head) = head.after(&self.chain, pair.core, &pair.signature);
            head.link
        });
        links.collect()
    }

    /// Whether it holds the event at a place.
    pub fn covers(&self, seq: Seq) -> bool {
        (self.first_seq..=self.head.seq).contains(&seq)
    }

    /// The link after the event at a place that it holds.
    pub fn link_at(&self, seq: Seq) -> Option<Link> {
        if seq == self.head.seq { Some(self.head.link) } else { self.links().get(self.index(seq)).copied() }
    }

    /// Whether the chain stands at `head` after one of its events.
    pub(crate) fn holds(&self, head: Head) -> bool {
        self.covers(head.seq) && self.link_at(head.seq) == Some(head.link)
    }

    /// What matters of the event at `place`, if it stands first after a parting.
    pub(crate) fn start_at(&self, place: Seq) -> Option<Start> {
        let pair = pairs(&self.pairs).map_while(Result::ok).nth(self.index(place))?;
        Event::decode(pair.core).ok().map(|event| Start::of(&event))
    }

    /// The number of the event at a place that it holds.
    pub(crate) fn index(&self, place: Seq) -> usize {
        place.0.checked_sub(self.first_seq.0).and_then(|at| usize::try_from(at).ok()).unwrap_or(usize::MAX)
    }

    /// Its first `count` events as a run of their own, if it has so many and they decode.
    pub(crate) fn first(&self, count: usize) -> Option<Self> {
        let signed: Vec<_> = pairs(&self.pairs).take(count).collect::<Result<_, _>>().ok()?;
        let last = signed.last().filter(|_| signed.len() == count)?;
        let link = *self.links().get(count - 1)?;
        let head = Head { seq: Seq(self.first_seq.0 + count as u64 - 1), link };
        let last_at = Event::decode(last.core).ok()?.at;
        let pairs = signed.iter().flat_map(|pair| pair.pair).copied().collect();
        Some(Self { count: count as u64, head, last_at, pairs, ..self.clone() })
    }
}
