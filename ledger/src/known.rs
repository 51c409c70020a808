//! Since when the events of device chains are known: from the first grant that took in a head at or beyond them, on the
//! way to which they stand.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use schemas::ids::ChainId;
use schemas::numbers::{Micros, Seq};

use crate::digest::BranchEvidence;
use crate::rows::BranchNumber;

/// A place on a branch of a device chain that a grant took in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KnownPlace {
    /// The chain.
    pub chain: ChainId,
    /// The branch.
    pub branch: BranchNumber,
    /// The place.
    pub seq: Seq,
    /// The `at` of the grant.
    pub at: Micros,
}

/// Since when the events of the device chains of one licence are known.
#[derive(Clone, Debug, Default)]
pub struct KnownSince(BTreeMap<(ChainId, BranchNumber), BTreeMap<Seq, Micros>>);

impl KnownSince {
    /// Puts together what the heads, in any order, tell of chains with these branches.
    pub fn of(
        heads: impl IntoIterator<Item = KnownPlace>,
        branches: &BTreeMap<ChainId, Vec<BranchEvidence>>,
    ) -> Self {
        let mut known = Self::default();
        for head in heads {
            known.take(head, branches.get(&head.chain).map_or(&[], Vec::as_slice));
        }
        // A head that became known later is passed over where one beyond it was known before.
        for heads in known.0.values_mut() {
            let mut earliest = Micros::MAX;
            for at in heads.values_mut().rev() {
                earliest = earliest.min(*at);
                *at = earliest;
            }
        }
        known
    }

    /// Since when an event is known, if a grant took it in.
    pub fn of_event(&self, chain: &ChainId, branch: BranchNumber, seq: Seq) -> Option<Micros> {
        self.0.get(&(*chain, branch))?.range(seq..).next().map(|(_, at)| *at)
    }

    /// The places on a branch, in their order, up to which grants took events in.
    pub fn places(
        &self,
        chain: &ChainId,
        branch: BranchNumber,
        within: RangeInclusive<Seq>,
    ) -> impl Iterator<Item = Seq> {
        self.0
            .get(&(*chain, branch))
            .into_iter()
            .flat_map(move |places| places.range(within.clone()))
            .map(|(seq, _)| *seq)
    }

    /// Notes a head, on each branch of the way to it as far as the way goes there.
    fn take(&mut self, head: KnownPlace, branches: &[BranchEvidence]) {
        let (mut branch, mut last) = (head.branch, head.seq);
        loop {
            let known = self.0.entry((head.chain, branch)).or_default().entry(last).or_insert(head.at);
            *known = head.at.min(*known);
            let Some(on) = branches.iter().find(|on| on.number == branch && on.parent != branch) else {
                break;
            };
            (branch, last) = (on.parent, Seq(on.first_seq.0 - 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Head;
    use crate::fixture::chain;

    fn branch(number: BranchNumber, parent: BranchNumber, first: u64) -> BranchEvidence {
        BranchEvidence { number, parent, first_seq: Seq(first), head: Head::START }
    }

    fn head(branch: BranchNumber, seq: u64, at: u64) -> KnownPlace {
        KnownPlace { chain: chain(), branch, seq: Seq(seq), at: Micros::new(at) }
    }

    fn since(heads: &[KnownPlace], branch: BranchNumber, seq: u64) -> Option<u64> {
        let branches = BTreeMap::from([(
            chain(),
            vec![self::branch(0, 0, 1), self::branch(1, 0, 5), self::branch(2, 1, 8)],
        )]);
        let known = KnownSince::of(heads.iter().copied(), &branches);
        known.of_event(&chain(), branch, Seq(seq)).map(Micros::get)
    }

    #[test]
    fn an_event_is_known_from_the_first_head_at_or_beyond_it() {
        let heads = [head(0, 9, 30), head(0, 4, 10), head(0, 6, 40)];
        for (seq, at) in [(1, Some(10)), (4, Some(10)), (5, Some(30)), (9, Some(30)), (10, None)] {
            assert_eq!(since(&heads, 0, seq), at, "{seq}");
        }
    }

    #[test]
    fn a_head_that_was_taken_in_again_later_and_other_chains_move_nothing() {
        let other = ChainId([2; 32]);
        let heads =
            [head(0, 9, 10), head(0, 5, 20), head(0, 9, 30), KnownPlace { chain: other, ..head(0, 20, 1) }];
        for seq in [4, 9] {
            assert_eq!(since(&heads, 0, seq), Some(10), "{seq}");
        }
        assert_eq!(since(&heads, 0, 10), None);
    }

    #[test]
    fn a_branch_is_known_from_its_own_heads_and_those_beyond_it() {
        let heads = [head(0, 20, 10), head(1, 9, 30), head(2, 10, 20)];
        // What both histories share was known with the trunk; the trunk's later events tell nothing of the branch.
        assert_eq!(since(&heads, 0, 4), Some(10));
        assert_eq!(since(&heads, 1, 5), Some(20), "on the way to the head of the branch that parts from it");
        assert_eq!(since(&heads, 1, 8), Some(30));
        assert_eq!(since(&heads, 2, 8), Some(20));
        assert_eq!(since(&heads, 2, 11), None);
    }

    #[test]
    fn what_both_share_is_known_from_the_first_of_either() {
        let heads = [head(1, 6, 10), head(0, 20, 30)];
        assert_eq!((since(&heads, 0, 4), since(&heads, 0, 5)), (Some(10), Some(30)));
    }
}
