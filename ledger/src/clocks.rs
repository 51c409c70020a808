//! Devices whose clocks cannot be trusted, as the vendor sees them: steps that they noted themselves, and events whose
//! time lies beyond the moment at which the vendor received them.

use std::collections::{BTreeMap, BTreeSet};

use schemas::event::{Body, Event};
use schemas::ids::ChainId;
use schemas::numbers::{Epoch, Micros, Seconds, Seq};
use serde::Serialize;

use crate::known::KnownSince;
use crate::rows::{BranchNumber, HistoryEntry};

/// A place on a device chain at which its clock is in doubt.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct ClockFlag {
    /// The chain.
    pub chain: ChainId,
    /// The branch.
    pub branch: BranchNumber,
    /// The event.
    pub seq: Seq,
    /// Its time.
    pub at: Micros,
    /// What is in doubt.
    #[serde(flatten)]
    pub doubt: Doubt,
}

/// Why a clock is in doubt.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Doubt {
    /// The device noted a step of its clock.
    Stepped {
        /// Where the clock should have stood.
        expected: Micros,
        /// Where it stood.
        wall: Micros,
        /// Whether a grant that acknowledges the note was applied since.
        cured: bool,
    },
    /// The event's time lies after its receipt.
    AheadOfReceipt {
        /// When the vendor took it in.
        received_at: Micros,
    },
}

/// The last event of a stored run.
#[derive(Clone, Copy, Debug)]
pub struct RunEnd {
    /// The chain.
    pub chain: ChainId,
    /// The branch.
    pub branch: BranchNumber,
    /// Its place.
    pub seq: Seq,
    /// Its time.
    pub at: Micros,
}

/// The doubts about the clocks of a licence's devices, in the order of chains and places.
///
/// Times up to `tolerance` ahead of the moment since which their event is known are believed.
pub fn flags(
    history: &[HistoryEntry],
    ends: &[RunEnd],
    known: &KnownSince,
    tolerance: Seconds,
) -> Vec<ClockFlag> {
    let mut flags: Vec<ClockFlag> = stepped(history).collect();
    flags.extend(ends.iter().filter_map(|end| {
        let RunEnd { chain, branch, seq, at } = *end;
        let received_at = known.of_event(&chain, branch, seq)?;
        let doubt = Doubt::AheadOfReceipt { received_at };
        (at > received_at + tolerance).then_some(ClockFlag { chain, branch, seq, at, doubt })
    }));
    flags.sort_unstable();
    flags
}

/// The device chains with a clock that was stepped and not set right since, from a licence's lifecycle events.
pub fn uncured(history: &[HistoryEntry]) -> BTreeSet<ChainId> {
    let uncured = stepped(history).filter(|flag| matches!(flag.doubt, Doubt::Stepped { cured: false, .. }));
    uncured.map(|flag| flag.chain).collect()
}

fn stepped(history: &[HistoryEntry]) -> impl Iterator<Item = ClockFlag> {
    let cured = cured(history);
    notes(history).map(move |(entry, expected, wall)| {
        let (chain, branch, seq, at) = (entry.chain, entry.branch, entry.seq, entry.at);
        let cured = cured.get(&chain).is_some_and(|cured| seq <= *cured);
        ClockFlag { chain, branch, seq, at, doubt: Doubt::Stepped { expected, wall, cured } }
    })
}

/// The place of each chain up to which a grant that was applied there acknowledged it: notes up to it are cured.
fn cured(history: &[HistoryEntry]) -> BTreeMap<ChainId, Seq> {
    let events = || history.iter().filter_map(|entry| Some((entry, Event::decode(&entry.core).ok()?.body)));
    let acknowledged: BTreeMap<(ChainId, Epoch, Seq), Seq> = events()
        .filter_map(|(entry, body)| match body {
            Body::GrantIssued(grant) => Some(((grant.device, grant.epoch, entry.seq), grant.ack.seq)),
            _ => None,
        })
        .collect();
    let mut cured: BTreeMap<ChainId, Seq> = BTreeMap::new();
    for (entry, body) in events() {
        if let Body::GrantApplied(applied) = body {
            let ack = acknowledged.get(&(entry.chain, applied.epoch, applied.seq)).copied();
            let known = cured.entry(entry.chain).or_default();
            *known = ack.unwrap_or_default().max(*known);
        }
    }
    cured
}

fn notes(history: &[HistoryEntry]) -> impl Iterator<Item = (&HistoryEntry, Micros, Micros)> {
    history.iter().filter_map(|entry| match Event::decode(&entry.core).ok()?.body {
        Body::ClockNoted(noted) => Some((entry, noted.expected, noted.wall)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use schemas::event::device::{ClockNoted, GrantApplied};
    use schemas::grant::{Ack, GrantBody};
    use schemas::ids::{EventId, Link};

    use super::*;
    use crate::fixture::{ISSUED, at, chain, grant_body};
    use crate::known::KnownPlace;

    const DAY: Seconds = Seconds::days(1);

    fn end(seq: u64, at: Micros) -> RunEnd {
        RunEnd { chain: chain(), branch: 0, seq: Seq(seq), at }
    }

    #[test]
    fn a_time_beyond_its_receipt_is_flagged_and_a_late_report_is_not() {
        let received = at(ISSUED);
        let known = known([(chain(), 5, received + Seconds::days(3)), (chain(), 9, received)]);
        for (at, flagged) in [
            (received - Seconds::days(700), false),
            (received, false),
            (received + DAY, false),
            (received + DAY + Seconds(1), true),
        ] {
            let flags = flags(&[], &[end(4, at)], &known, DAY);
            assert_eq!(!flags.is_empty(), flagged, "{at}");
        }
        assert_eq!(flags(&[], &[end(10, received + Seconds::days(9))], &known, DAY), [], "not known yet");
    }

    fn known(places: impl IntoIterator<Item = (ChainId, u64, Micros)>) -> KnownSince {
        let place = |(chain, seq, at)| KnownPlace { chain, branch: 0, seq: Seq(seq), at };
        KnownSince::of(places.into_iter().map(place), &BTreeMap::new())
    }

    fn entry(seq: u64, body: Body) -> HistoryEntry {
        let event = Event { at: at("2030-01-01"), body };
        HistoryEntry {
            chain: chain(),
            branch: 0,
            seq: Seq(seq),
            at: event.at,
            kind: event.body.kind(),
            core: event.encode(),
        }
    }

    /// A grant at place `seq` of the vendor's chain that acknowledges the device's up to `ack`, and its receipt.
    fn granted(seq: u64, ack: u64) -> [HistoryEntry; 2] {
        let ack = Ack { seq: Seq(ack), link: Link::START };
        let issued = Body::GrantIssued(Box::new(GrantBody { ack, ..grant_body() }));
        let applied = GrantApplied { epoch: grant_body().epoch, seq: Seq(seq), grant: EventId([0; 32]) };
        [entry(seq, issued), entry(9, Body::GrantApplied(applied))]
    }

    #[test]
    fn a_cure_stays_when_a_later_grant_acknowledges_less() {
        let noted = entry(3, Body::ClockNoted(ClockNoted { expected: at(ISSUED), wall: at("2030-01-01") }));
        for (acks, expected) in [([3, 1], 0), ([1, 3], 0), ([2, 1], 1), ([1, 2], 1)] {
            let grants = (5..).zip(acks).flat_map(|(seq, ack)| granted(seq, ack));
            let history: Vec<HistoryEntry> = std::iter::once(noted.clone()).chain(grants).collect();
            assert_eq!(uncured(&history).len(), expected, "{acks:?}");
        }
    }

    #[test]
    fn another_chains_receipts_do_not_matter() {
        let received = at(ISSUED);
        let later = ChainId([255; 32]);
        assert!(chain() < later);
        let known = known([(chain(), 5, received + Seconds::days(9)), (later, 5, received)]);
        assert_eq!(flags(&[], &[end(5, received + Seconds::days(9))], &known, DAY), []);
    }

    #[test]
    fn what_was_received_twice_is_judged_by_its_first_receipt() {
        let first = at(ISSUED);
        for receipts in [[first, first + Seconds::days(9)], [first + Seconds::days(9), first]] {
            let known = known(receipts.map(|received| (chain(), 5, received)));
            assert_eq!(flags(&[], &[end(5, first + Seconds::days(2))], &known, DAY).len(), 1);
            assert_eq!(flags(&[], &[end(5, first)], &known, DAY), []);
        }
    }

    #[test]
    fn a_step_that_the_device_noted_is_flagged() {
        let (expected, wall) = (at(ISSUED), at("2030-01-01"));
        let entry = entry(3, Body::ClockNoted(ClockNoted { expected, wall }));
        let flags = flags(&[entry], &[], &KnownSince::default(), DAY);
        let doubt = Doubt::Stepped { expected, wall, cured: false };
        assert_eq!(flags.iter().map(|flag| (flag.seq, flag.doubt)).collect::<Vec<_>>(), [(Seq(3), doubt)]);
    }
}
