//! Trials that one device was given twice: a restore had lost the first when the second was given, and then it came
//! back. Both stand, as all that was granted does.

use std::collections::BTreeSet;

use schemas::ids::ChainId;

use crate::authority::{Activation, License};
use crate::evidence::Chain;

/// Two trials of one device.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct TriedTwice {
    /// The chain that was given one first.
    pub first: ChainId,
    /// The chain that was given one when that was lost.
    pub second: ChainId,
}

/// The trials of a licence that devices were given twice, in the order of their chains.
pub fn tried_twice(license: &License) -> Vec<TriedTwice> {
    let back = license.activations.iter().filter(|(_, activation)| activation.taken_back);
    let pair = |chain: &ChainId| Some(in_order(license, *chain, other_trial(license, chain)?));
    let pairs: BTreeSet<TriedTwice> = back.filter_map(|(chain, _)| pair(chain)).collect();
    pairs.into_iter().collect()
}

/// Another trial that the device of a chain was given, where a restore had lost one of both.
pub fn other_trial(license: &License, chain: &ChainId) -> Option<ChainId> {
    let (own, device) = trial(license, chain)?;
    let rule = license.terms.rules.fingerprint;
    let is_other = |other: &ChainId| {
        let known = trial(license, other).filter(|(known, _)| own.taken_back || known.taken_back);
        let same = |(_, known): (_, &Chain)| device.fingerprints.is_same_device(rule, &known.fingerprints);
        other != chain && known.is_some_and(same)
    };
    license.activations.keys().find(|other| is_other(other)).copied()
}

/// The trial that a chain was given as its own: a successor goes on with that of the chain that it follows.
fn trial<'a>(license: &'a License, chain: &ChainId) -> Option<(&'a Activation, &'a Chain)> {
    let activation = license.activations.get(chain).filter(|_| license.is_trial())?;
    let evidence = license.chains.get(chain)?;
    (activation.granted_at.is_some() && evidence.follows.is_none()).then_some((activation, evidence))
}

fn in_order(license: &License, one: ChainId, other: ChainId) -> TriedTwice {
    let granted_at = |chain: ChainId| license.activations.get(&chain).map(|known| (known.granted_at, chain));
    let (first, second) = if granted_at(one) <= granted_at(other) { (one, other) } else { (other, one) };
    TriedTwice { first, second }
}
