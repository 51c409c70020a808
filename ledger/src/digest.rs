//! The evidence digest: equal for equal evidence, whatever the order, the store or the machine.
//!
//! ```text
//! licence = SHA-256("cf/evidence/1" || licence || chain…)       chains in ascending order
//! chain   = chain id || branches || (first seq || seq || link)… || fork points || seq…
//! all     = SHA-256("cf/evidence/all/1" || (licence || its digest)…)      licences in ascending order
//! ```
//!
//! Counts are 4 bytes and places 8 bytes, big endian; heads and fork points are in ascending order. A head's first place
//! is the one after the last parting on the way to it. Licences without evidence do not count. Parked and quarantined runs, authority events and attachments are outside.

use std::collections::BTreeSet;

use schemas::ids::{ChainId, Digest, LicenseId, Link};
use schemas::numbers::Seq;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::chain::Head;
use crate::evidence::{Branch, Chain};
use crate::rows::BranchNumber;

/// What is attached of one device chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChainEvidence {
    /// The chain.
    pub chain: ChainId,
    /// The branch heads: the first place after the last parting on the way, last place, link.
    pub heads: Vec<(Seq, Seq, Link)>,
    /// The places at which branches part, one for each event that they part after.
    pub fork_points: Vec<Seq>,
}

/// One branch of a chain: its number and its parent's are those of one ledger.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BranchEvidence {
    /// Its number.
    pub number: BranchNumber,
    /// The branch that it parts from; itself for the trunk.
    pub parent: BranchNumber,
    /// Its first place.
    pub first_seq: Seq,
    /// Its head.
    pub head: Head,
}

impl BranchEvidence {
    /// What is attached of a branch.
    pub fn of(number: BranchNumber, branch: &Branch) -> Self {
        Self { number, parent: branch.parent, first_seq: branch.first_seq, head: branch.head }
    }
}

impl ChainEvidence {
    /// What is attached of a folded chain.
    pub fn of_chain(chain: ChainId, known: &Chain) -> Self {
        let branches: Vec<BranchEvidence> =
            known.branches.iter().map(|(number, branch)| BranchEvidence::of(*number, branch)).collect();
        Self::of(chain, &branches)
    }

    /// What branches come to, whichever of them came first and was called the trunk.
    pub fn of(chain: ChainId, branches: &[BranchEvidence]) -> Self {
        let parting = |branch: &&BranchEvidence| branch.number != branch.parent;
        let fork_points: BTreeSet<(BranchNumber, Seq)> =
            branches.iter().filter(parting).map(|branch| (branch.parent, branch.first_seq)).collect();
        let heads = branches.iter().map(|branch| {
            let own = fork_points.iter().filter(|(parent, _)| *parent == branch.number);
            let first = own.map(|(_, seq)| *seq).max().unwrap_or(branch.first_seq);
            (first.max(branch.first_seq), branch.head.seq, branch.head.link)
        });
        Self { chain, heads: heads.collect(), fork_points: fork_points.iter().map(|(_, seq)| *seq).collect() }
    }
}

/// The evidence digest of one licence. The order in which chains, heads and fork points are given does not matter.
pub fn of_license(license: &LicenseId, chains: &[ChainEvidence]) -> Digest {
    let mut chains: Vec<ChainEvidence> = chains.to_vec();
    chains.sort_by_key(|evidence| evidence.chain);
    let mut hash = Sha256::new_with_prefix(b"cf/evidence/1");
    hash.update(license.as_bytes());
    for evidence in &mut chains {
        evidence.heads.sort_unstable();
        evidence.fork_points.sort_unstable();
        hash.update(evidence.chain.as_bytes());
        hash.update(count(evidence.heads.len()));
        for (first_seq, seq, link) in &evidence.heads {
            hash.update(first_seq.0.to_be_bytes());
            hash.update(seq.0.to_be_bytes());
            hash.update(link.as_bytes());
        }
        hash.update(count(evidence.fork_points.len()));
        for seq in &evidence.fork_points {
            hash.update(seq.0.to_be_bytes());
        }
    }
    Digest(hash.finalize().into())
}

/// The evidence digest of a whole ledger, from those of its licences in any order.
pub fn of_ledger(licenses: impl IntoIterator<Item = (LicenseId, Digest)>) -> Digest {
    let mut licenses: Vec<_> = licenses.into_iter().collect();
    licenses.sort_unstable_by_key(|(license, _)| *license);
    let mut hash = Sha256::new_with_prefix(b"cf/evidence/all/1");
    for (license, digest) in licenses {
        hash.update(license.as_bytes());
        hash.update(digest.as_bytes());
    }
    Digest(hash.finalize().into())
}

fn count(len: usize) -> [u8; 4] {
    u32::try_from(len).expect("a chain has a bounded number of branches").to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(number: u8, seq: u64) -> ChainEvidence {
        let heads = vec![(Seq(1), Seq(seq), Link([number; 32])), (Seq(3), Seq(4), Link([9; 32]))];
        ChainEvidence { chain: ChainId([number; 32]), heads, fork_points: vec![Seq(3)] }
    }

    #[test]
    fn the_order_does_not_matter_and_everything_else_does() {
        let license = LicenseId([1; 16]);
        let mut turned = chain(2, 7);
        turned.heads.reverse();
        let digest = of_license(&license, &[chain(1, 5), chain(2, 7)]);
        assert_eq!(digest, of_license(&license, &[turned, chain(1, 5)]));
        assert_ne!(digest, of_license(&license, &[chain(1, 5), chain(2, 8)]));
        assert_ne!(digest, of_license(&license, &[chain(1, 5)]));
        assert_ne!(digest, of_license(&LicenseId([2; 16]), &[chain(1, 5), chain(2, 7)]));
        let mut other_fork = chain(2, 7);
        other_fork.fork_points = vec![Seq(2)];
        assert_ne!(digest, of_license(&license, &[chain(1, 5), other_fork]));
    }
}
