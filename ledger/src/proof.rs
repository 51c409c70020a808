//! Proof that a device's chain has two histories: two believed runs of it that state different links at one place.
//!
//! That is what both forms of a fork come to: two signed events at one place, or a signed event whose link is not the
//! one that its signed successor claims. The runs name the device's public key themselves, so whoever has them needs
//! nothing else. A proof travels as a bundle that holds the two runs, and may be merged like any other.

use schemas::bundle::Bundle;
use schemas::ids::{ChainId, PublicKey};
use schemas::numbers::Seq;
use schemas::run::{Origin, RunHeader, append_pair, assemble, pairs};

use crate::chain::{self, Head};
use crate::rows::StoredRun;
use crate::run::VerifiedRun;

/// Two histories of one chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Contradiction {
    /// The chain.
    pub chain: ChainId,
    /// The device's public key, which signed both.
    pub signer: PublicKey,
    /// The first place at which the runs state different links.
    pub seq: Seq,
}

/// The contradiction among believed runs, if there is one: the first one, in the order of chains and places.
pub fn contradiction(runs: &[VerifiedRun]) -> Option<Contradiction> {
    let pairs = runs
        .iter()
        .enumerate()
        .flat_map(|(number, one)| runs[number + 1..].iter().map(move |other| (one, other)));
    pairs.filter_map(|(one, other)| between(one, other)).min_by_key(|found| (found.chain, found.seq))
}

fn between(one: &VerifiedRun, other: &VerifiedRun) -> Option<Contradiction> {
    let Origin::Device(origin) = &one.header().origin else { return None };
    if one.chain() != other.chain() {
        return None;
    }
    let first = one.span().first.max(other.span().first).0 - 1;
    let last = one.span().last.min(other.span().last).0;
    let seq = (first..=last).map(Seq).find(|seq| one.link_at(*seq) != other.link_at(*seq))?;
    Some(Contradiction { chain: one.chain(), signer: origin.signer, seq })
}

/// The shortest run of a stored one's events from `place` on that is believed by itself.
pub(crate) fn from_stored(run: &StoredRun, place: Seq) -> Option<Vec<u8>> {
    shortest(&run.header(), &run.pairs, place)
}

/// The shortest run of a believed one's events from `place` on that is believed by itself.
pub(crate) fn from_run(run: &VerifiedRun, place: Seq) -> Option<Vec<u8>> {
    shortest(run.header(), run.suffix(0).pairs, place)
}

/// Puts two runs together: the file that proves.
pub(crate) fn join(one: Vec<u8>, other: Vec<u8>) -> Vec<u8> {
    let mut runs = vec![one, other];
    runs.sort();
    Bundle { runs, ..Bundle::default() }.encode()
}

/// Inner signatures are not checked when a run is taken in: a bad one proves nothing, the next good one commits to it.
fn shortest(header: &RunHeader, signed: &[u8], place: Seq) -> Option<Vec<u8>> {
    let Origin::Device(origin) = &header.origin else { return None };
    let mut head = Head { seq: Seq(header.first_seq.0 - 1), link: header.prev };
    let mut before = head;
    let mut kept = Vec::new();
    for pair in pairs(signed) {
        let pair = pair.ok()?;
        if head.seq.next() == place {
            before = head;
        }
        let (id, next) = head.after(&header.chain, pair.core, &pair.signature);
        head = next;
        if head.seq < place {
            continue;
        }
        append_pair(&mut kept, pair.core, &pair.signature);
        if chain::verify(&origin.signer, &id, &pair.signature) {
            let header = RunHeader { first_seq: place, prev: before.link, ..header.clone() };
            return Some(assemble(&header, head.seq.0 - before.seq.0, &kept));
        }
    }
    None
}
