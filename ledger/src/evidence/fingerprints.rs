//! The fingerprints that a chain ever recorded, so that a device is known again after its parts were changed. A set:
//! the order in which the events arrived does not matter.

use std::collections::BTreeMap;

use schemas::event::device::FingerprintComponent;
use schemas::numbers::Seq;
use schemas::terms::FingerprintRule;
use serde::{Deserialize, Serialize};

use crate::fingerprint;

/// Fingerprints that are kept of one chain, at most.
const KEPT: usize = 16;

/// Different fingerprints of one device: where there are too many, those that were recorded first.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Fingerprints(BTreeMap<Vec<FingerprintComponent>, Seq>);

impl Fingerprints {
    /// Remembers the fingerprint that the event at `seq` records. One without any component says nothing.
    pub fn record(&mut self, seq: Seq, fingerprint: &[FingerprintComponent]) {
        if fingerprint.is_empty() {
            return;
        }
        let first = self.0.entry(fingerprint.to_vec()).or_insert(seq);
        *first = seq.min(*first);
        if self.0.len() > KEPT {
            let latest = self.0.iter().max_by_key(|(fingerprint, seq)| (**seq, *fingerprint));
            let latest = latest.map(|(fingerprint, _)| fingerprint.clone());
            latest.and_then(|latest| self.0.remove(&latest));
        }
    }

    /// Each with the place that recorded it first, in one order.
    pub fn iter(&self) -> impl Iterator<Item = (Seq, &[FingerprintComponent])> {
        self.0.iter().map(|(fingerprint, seq)| (*seq, fingerprint.as_slice()))
    }

    /// Whether nothing was recorded that tells devices apart.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any of these is a fingerprint of the device that recorded one of `others`.
    pub fn is_same_device(&self, rule: FingerprintRule, others: &Self) -> bool {
        let is_same = |current: &[FingerprintComponent]| {
            others.iter().any(|(_, recorded)| fingerprint::is_same(rule, recorded, current))
        };
        self.iter().any(|(_, current)| is_same(current))
    }
}

impl FromIterator<(Seq, Vec<FingerprintComponent>)> for Fingerprints {
    fn from_iter<T: IntoIterator<Item = (Seq, Vec<FingerprintComponent>)>>(recorded: T) -> Self {
        let mut fingerprints = Self::default();
        for (seq, fingerprint) in recorded {
            fingerprints.record(seq, &fingerprint);
        }
        fingerprints
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixture::fingerprint;

    fn recorded(values: &[[u8; 5]]) -> Fingerprints {
        (1..).map(Seq).zip(values.iter().map(|values| fingerprint(*values))).collect()
    }

    #[test]
    fn a_device_is_known_by_any_fingerprint_that_it_ever_had() {
        let known = recorded(&[[1, 1, 1, 1, 1], [1, 1, 1, 2, 2], [3, 3, 1, 2, 2]]);
        for (values, expected) in [
            ([1, 1, 1, 9, 9], true),
            ([9, 9, 1, 2, 2], true),
            ([3, 3, 9, 9, 2], true),
            ([3, 3, 9, 9, 1], false),
            ([0, 0, 0, 0, 0], false),
        ] {
            let current = recorded(&[values]);
            assert_eq!(current.is_same_device(FingerprintRule::default(), &known), expected, "{values:?}");
        }
        assert!(
            !known.is_same_device(FingerprintRule::default(), &recorded(&[])),
            "nothing is like no other"
        );
    }

    #[test]
    fn the_first_are_kept_and_the_same_again_takes_no_room() {
        let mut known = Fingerprints::default();
        for seq in 1..=200 {
            known.record(Seq(u64::from(seq)), &fingerprint([seq.min(100); 5]));
            known.record(Seq(u64::from(seq)), &fingerprint([1; 5]));
        }
        let places: Vec<u64> = known.iter().map(|(seq, _)| seq.0).collect();
        assert_eq!(places, (1..=16).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_does_not_matter(
            events in prop::collection::vec((1..40_u64, 1..30_u8), 0..60).prop_shuffle(),
            seed in any::<prop::sample::Index>(),
        ) {
            let fold = |events: &[(u64, u8)]| -> Fingerprints {
                events.iter().map(|(seq, value)| (Seq(*seq), fingerprint([*value; 5]))).collect()
            };
            let mut turned = events.clone();
            turned.reverse();
            turned.rotate_left(if events.is_empty() { 0 } else { seed.index(events.len()) });
            prop_assert_eq!(fold(&events), fold(&turned));
        }
    }
}
