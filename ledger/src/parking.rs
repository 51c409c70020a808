//! Runs that do not attach yet wait beside their chain, so many and no more, until what is missing before them comes.

use std::collections::BTreeMap;

use schemas::grant::SeqRange;
use schemas::ids::Digest;
use schemas::limits;
use schemas::numbers::Seq;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::run::VerifiedRun;

/// A run that waits.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Parked {
    /// The places of its events.
    pub span: SeqRange,
    /// Its size in bytes.
    pub size: u64,
}

/// What names a run that waits: the SHA-256 of its bytes.
pub fn name(run: &VerifiedRun) -> (Digest, Vec<u8>) {
    let bytes = run.to_bytes();
    (Digest(Sha256::digest(&bytes).into()), bytes)
}

/// Whether one more run of `size` bytes may wait.
pub fn has_room(parked: &BTreeMap<Digest, Parked>, size: u64) -> bool {
    let bytes: u64 = parked.values().map(|parked| parked.size).sum();
    parked.len() < limits::PARKED_RUNS && bytes.saturating_add(size) <= limits::PARKED_BYTES as u64
}

/// Of runs that wait, by their places, how many can attach to a chain that is known up to `head`, when they are in the
/// order of their first places: each begins at most one place beyond what is known or those before it reach. The others
/// have a gap before them.
pub fn within_reach(head: Seq, spans: impl IntoIterator<Item = SeqRange>) -> usize {
    let mut reach = head;
    let within = spans.into_iter().take_while(|span| {
        let attaches = span.first <= reach.next();
        if attaches {
            reach = reach.max(span.last);
        }
        attaches
    });
    within.count()
}

/// The stretches that are missing before the runs that wait, in order; `head` is the last place that is attached. A
/// run that waits although its place is known belongs to another history: of that, the event before it is missing.
pub fn missing(head: Seq, parked: &BTreeMap<Digest, Parked>) -> Vec<SeqRange> {
    let mut spans: Vec<SeqRange> = parked.values().map(|parked| parked.span).collect();
    spans.sort_by_key(|span| (span.first, span.last));
    let mut missing = Vec::new();
    let mut known = head;
    for span in spans {
        let last = Seq(span.first.0 - 1);
        if span.first <= head.next() {
            missing.push(SeqRange { first: last, last });
        } else if known < last {
            missing.push(SeqRange { first: known.next(), last });
        }
        known = known.max(span.last);
    }
    missing.dedup();
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parked(spans: &[(u64, u64)]) -> BTreeMap<Digest, Parked> {
        let named = spans.iter().enumerate().map(|(number, (first, last))| {
            let name = Digest([u8::try_from(number).expect("few"); 32]);
            (name, Parked { span: SeqRange { first: Seq(*first), last: Seq(*last) }, size: 1_000 })
        });
        named.collect()
    }

    #[test]
    fn what_is_missing_is_what_lies_between() {
        for (spans, expected) in [
            (&[][..], &[][..]),
            (&[(12, 20)], &[(11, 11)]),
            (&[(11, 12)], &[(10, 10)]),
            (&[(21, 30), (15, 18)], &[(11, 14), (19, 20)]),
            (&[(15, 30), (16, 20), (31, 32)], &[(11, 14)]),
            (&[(9, 12)], &[(8, 8)]),
        ] {
            let found: Vec<(u64, u64)> =
                missing(Seq(10), &parked(spans)).iter().map(|range| (range.first.0, range.last.0)).collect();
            assert_eq!(found, expected, "{spans:?}");
        }
    }

    #[test]
    fn so_many_may_wait_and_no_more() {
        let mut full = parked(&[(20, 20)]);
        assert!(has_room(&full, 1));
        assert!(!has_room(&full, limits::PARKED_BYTES as u64));
        for number in 0..limits::PARKED_RUNS {
            let name = Digest([u8::try_from(number).expect("few"); 32]);
            full.insert(name, full[&Digest([0; 32])]);
        }
        assert!(!has_room(&full, 1));
    }

    #[test]
    fn what_has_a_gap_before_it_is_not_within_reach() {
        let within = |head, spans: &[(u64, u64)]| {
            let spans = spans.iter().map(|(first, last)| SeqRange { first: Seq(*first), last: Seq(*last) });
            within_reach(Seq(head), spans)
        };
        assert_eq!(within(4, &[(6, 9)]), 0);
        assert_eq!(within(5, &[(6, 9)]), 1);
        assert_eq!(within(20, &[(6, 9), (8, 30), (31, 31), (33, 40)]), 3);
        assert_eq!(within(0, &[(1, 1), (2, 5), (2, 9), (10, 10)]), 4);
        assert_eq!(within(7, &[]), 0);
    }
}
