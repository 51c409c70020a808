//! Devices whose clocks cannot be trusted, as the vendor sees them: steps that they noted themselves, and events whose
//! time lies beyond the moment at which the vendor received them.

use std::collections::{BTreeMap, BTreeSet};

use schemas::canonical::DecodeError;
use schemas::event::device::ClockNoted;
use schemas::event::{Body, Event, Kind};
use schemas::ids::ChainId;
use schemas::numbers::{Epoch, Micros, Seq};
use schemas::run::pairs;
use serde::Serialize;

use crate::authority::License;
use crate::evidence::way;
use crate::known::KnownSince;
use crate::rows::{BranchNumber, HistoryEntry, StoredRun};

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

/// The last event that a grant took in, or the last one before a parting on the way to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TakenIn {
    /// The chain.
    pub chain: ChainId,
    /// The branch.
    pub branch: BranchNumber,
    /// Its place.
    pub seq: Seq,
    /// Its time.
    pub at: Micros,
}

/// The events of a stored run up to which grants took the chain in: what is known of the time of their receipt does not
/// depend on how the runs are cut.
///
/// # Errors
/// When one of them does not decode.
pub fn taken_in(run: &StoredRun, known: &KnownSince) -> Result<Vec<TakenIn>, DecodeError> {
    let StoredRun { chain, branch, first_seq, .. } = *run;
    let mut places = known.places(&chain, branch, first_seq..=run.head.seq).peekable();
    let mut found = Vec::new();
    for (seq, pair) in (first_seq.0..).map(Seq).zip(pairs(&run.pairs)) {
        let pair = pair?;
        if places.next_if_eq(&seq).is_some() {
            let at = Event::decode(pair.core)?.at;
            found.push(TakenIn { chain, branch, seq, at });
        }
    }
    Ok(found)
}

/// The doubts about the clocks of a licence's devices, in the order of chains and places.
///
/// Times up to the licence's tolerance ahead of the moment since which their event is known are believed.
pub fn flags(
    license: &License,
    history: &[HistoryEntry],
    taken_in: &[TakenIn],
    known: &KnownSince,
) -> Vec<ClockFlag> {
    let tolerance = license.terms.rules.clock_tolerance;
    let mut flags: Vec<ClockFlag> = stepped(license, history).collect();
    flags.extend(taken_in.iter().filter_map(|last| {
        let TakenIn { chain, branch, seq, at } = *last;
        let received_at = known.of_event(&chain, branch, seq)?;
        let doubt = Doubt::AheadOfReceipt { received_at };
        (at > received_at + tolerance).then_some(ClockFlag { chain, branch, seq, at, doubt })
    }));
    flags.sort_unstable();
    flags
}

/// The device chains with a clock that was stepped and, in the same history, not set right since, from a licence's
/// lifecycle events.
pub fn uncured(license: &License, history: &[HistoryEntry]) -> BTreeSet<ChainId> {
    let uncured =
        stepped(license, history).filter(|flag| matches!(flag.doubt, Doubt::Stepped { cured: false, .. }));
    uncured.map(|flag| flag.chain).collect()
}

fn stepped(license: &License, history: &[HistoryEntry]) -> impl Iterator<Item = ClockFlag> {
    let cured = cured(license, history);
    bodies(history, Kind::CLOCK_NOTED).filter_map(move |(entry, body)| {
        let Body::ClockNoted(ClockNoted { expected, wall }) = body else { return None };
        let (chain, branch, seq, at) = (entry.chain, entry.branch, entry.seq, entry.at);
        let cured = cured.get(&(chain, branch)).is_some_and(|cured| seq <= *cured);
        Some(ClockFlag { chain, branch, seq, at, doubt: Doubt::Stepped { expected, wall, cured } })
    })
}

/// The place of each branch up to which a grant acknowledged it that was applied on the way to the branch's head or on
/// one that parts from it later: notes up to it are cured. Of a branch that the licence does not hold, nothing is.
fn cured(license: &License, history: &[HistoryEntry]) -> BTreeMap<(ChainId, BranchNumber), Seq> {
    let acknowledged = acknowledged(history);
    let mut cured: BTreeMap<(ChainId, BranchNumber), Seq> = BTreeMap::new();
    for (entry, body) in bodies(history, Kind::GRANT_APPLIED) {
        let Body::GrantApplied(applied) = body else { continue };
        let Some(ack) = acknowledged.get(&(entry.chain, applied.epoch, applied.seq)) else { continue };
        let Some(chain) = license.chains.get(&entry.chain) else { continue };
        if !chain.branches.contains_key(&entry.branch) {
            continue;
        }
        for stretch in way(&chain.branches, entry.branch, entry.seq) {
            let known = cured.entry((entry.chain, stretch.number)).or_default();
            *known = stretch.left_after.min(*ack).max(*known);
        }
    }
    cured
}

/// How far each grant acknowledges its device's chain, by the place of the grant.
fn acknowledged(history: &[HistoryEntry]) -> BTreeMap<(ChainId, Epoch, Seq), Seq> {
    let issued = bodies(history, Kind::GRANT_ISSUED).filter_map(|(entry, body)| match body {
        Body::GrantIssued(grant) => Some(((grant.device, grant.epoch, entry.seq), grant.ack.seq)),
        _ => None,
    });
    issued.collect()
}

fn bodies(history: &[HistoryEntry], kind: Kind) -> impl Iterator<Item = (&HistoryEntry, Body)> {
    let of_kind = history.iter().filter(move |entry| entry.kind == kind);
    of_kind.filter_map(|entry| Some((entry, Event::decode(&entry.core).ok()?.body)))
}

#[cfg(test)]
mod tests {
    use schemas::event::device::GrantApplied;
    use schemas::grant::{Ack, GrantBody};
    use schemas::ids::{EventId, Link};
    use schemas::numbers::Seconds;

    use super::*;
    use crate::fixture::{ISSUED, at, chain, grant_body};
    use crate::known::KnownPlace;
    use crate::merge::tests::world::{Device, World};

    const DAY: Seconds = Seconds::days(1);

    /// A licence whose device went two ways after its second event, the other one from its third on.
    fn forked() -> License {
        let mut world = World::new(|terms| terms.rules.clock_tolerance = DAY);
        let device = Device::new(1);
        for n in [1, 2] {
            let mut copy = device.clone();
            (0..9).for_each(|_| copy.consume(n));
            world.merge(&copy);
        }
        let known = world.license.chains.remove(&device.chain()).expect("it was merged");
        assert_eq!(known.branches[&1].first_seq, Seq(3));
        world.license.chains.insert(chain(), known);
        world.license
    }

    fn end(seq: u64, at: Micros) -> TakenIn {
        TakenIn { chain: chain(), branch: 0, seq: Seq(seq), at }
    }

    #[test]
    fn a_time_beyond_its_receipt_is_flagged_and_a_late_report_is_not() {
        let received = at(ISSUED);
        let known = known([(chain(), 5, received + Seconds::days(3)), (chain(), 9, received)]);
        let license = forked();
        for (at, flagged) in [
            (received - Seconds::days(700), false),
            (received, false),
            (received + DAY, false),
            (received + DAY + Seconds(1), true),
        ] {
            let flags = flags(&license, &[], &[end(4, at)], &known);
            assert_eq!(!flags.is_empty(), flagged, "{at}");
        }
        let end = end(10, received + Seconds::days(9));
        assert_eq!(flags(&license, &[], &[end], &known), [], "not known yet");
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
        let license = forked();
        for (acks, expected) in [([3, 1], 0), ([1, 3], 0), ([2, 1], 1), ([1, 2], 1)] {
            let grants = (5..).zip(acks).flat_map(|(seq, ack)| granted(seq, ack));
            let history: Vec<HistoryEntry> = std::iter::once(noted.clone()).chain(grants).collect();
            assert_eq!(uncured(&license, &history).len(), expected, "{acks:?}");
        }
    }

    /// A grant that the copy with the right clock applied passed for a cure of the other one's.
    #[test]
    fn a_grant_cures_the_notes_of_the_history_in_which_it_was_applied() {
        let license = forked();
        let noted = |branch, seq| {
            let body = Body::ClockNoted(ClockNoted { expected: at(ISSUED), wall: at("2030-01-01") });
            HistoryEntry { branch, ..entry(seq, body) }
        };
        for (note, applied_on, expected) in [
            (noted(0, 4), 0, 0),
            (noted(0, 4), 1, 1),
            (noted(1, 4), 0, 1),
            (noted(1, 4), 1, 0),
            (noted(0, 2), 0, 0),
            (noted(0, 2), 1, 0),
        ] {
            let (branch, seq) = (note.branch, note.seq);
            let [issued, applied] = granted(5, 4);
            let history = [note, issued, HistoryEntry { branch: applied_on, ..applied }];
            assert_eq!(uncured(&license, &history).len(), expected, "{branch}/{seq}, on {applied_on}");
        }
    }

    #[test]
    fn another_chains_receipts_do_not_matter() {
        let received = at(ISSUED);
        let later = ChainId([255; 32]);
        assert!(chain() < later);
        let known = known([(chain(), 5, received + Seconds::days(9)), (later, 5, received)]);
        assert_eq!(flags(&forked(), &[], &[end(5, received + Seconds::days(9))], &known), []);
    }

    #[test]
    fn what_was_received_twice_is_judged_by_its_first_receipt() {
        let first = at(ISSUED);
        let license = forked();
        for receipts in [[first, first + Seconds::days(9)], [first + Seconds::days(9), first]] {
            let known = known(receipts.map(|received| (chain(), 5, received)));
            let later = end(5, first + Seconds::days(2));
            assert_eq!(flags(&license, &[], &[later], &known).len(), 1);
            assert_eq!(flags(&license, &[], &[end(5, first)], &known), []);
        }
    }

    #[test]
    fn a_step_that_the_device_noted_is_flagged() {
        let (expected, wall) = (at(ISSUED), at("2030-01-01"));
        let entry = entry(3, Body::ClockNoted(ClockNoted { expected, wall }));
        let flags = flags(&forked(), &[entry], &[], &KnownSince::default());
        let doubt = Doubt::Stepped { expected, wall, cured: false };
        assert_eq!(flags.iter().map(|flag| (flag.seq, flag.doubt)).collect::<Vec<_>>(), [(Seq(3), doubt)]);
    }
}
