//! Since when the events of a licence's device chains are known.

use std::collections::{BTreeMap, VecDeque};

use ledger::chain::Head;
use ledger::digest::BranchEvidence;
use ledger::known::{KnownPlace, KnownSince};
use ledger::rows::BranchNumber;
use ledger::{refold, state};
use schemas::event::Body;
use schemas::ids::{ChainId, LicenseId, Link};
use schemas::numbers::{Micros, Seq};

use super::database::Database;
use super::{StoreError, runs, statements};

/// Puts together what the heads tell that grants took in.
pub(super) fn since(db: &mut dyn Database, license: &LicenseId) -> Result<KnownSince, StoreError> {
    let branches = branches(db, license)?;
    let mut heads = Vec::new();
    let mut links = Links { license, held: VecDeque::new() };
    for run in runs::of_authority(db, license)? {
        for (_, event) in refold::events(&run)? {
            let Body::GrantIssued(grant) = &event.body else { continue };
            for took_in in &grant.took_in {
                let of_chain = branches.get(&took_in.chain).map_or(&[][..], Vec::as_slice);
                let head = Head { seq: took_in.seq, link: took_in.link };
                heads.extend(known_head(db, &mut links, (took_in.chain, of_chain), (head, event.at))?);
            }
        }
    }
    Ok(KnownSince::of(heads, &branches))
}

fn branches(
    db: &mut dyn Database,
    license: &LicenseId,
) -> Result<BTreeMap<ChainId, Vec<BranchEvidence>>, StoreError> {
    let mut branches = BTreeMap::new();
    db.query(&statements::BRANCHES_OF_LICENSE, &[license.as_bytes().into()], &mut |mut row| {
        branches.insert(ChainId(row.fixed()?), state::branches(&row.bytes()?)?);
        Ok(())
    })?;
    Ok(branches)
}

/// The branch that holds a head; none where the ledger does not have it any more. The link alone says which: numbers and
/// first places of branches depend on the order in which they came, and that was another one before a restore.
fn known_head(
    db: &mut dyn Database,
    links: &mut Links<'_>,
    (chain, branches): (ChainId, &[BranchEvidence]),
    (head, at): (Head, Micros),
) -> Result<Option<KnownPlace>, StoreError> {
    let known = |branch| Some(KnownPlace { chain, branch, seq: head.seq, at });
    if let [only] = branches {
        return Ok(known(only.number).filter(|_| head.seq <= only.head.seq));
    }
    for branch in branches {
        let holds = (branch.first_seq..=branch.head.seq).contains(&head.seq);
        if holds && links.at(db, (chain, branch.number), head.seq)? == Some(head.link) {
            return Ok(known(branch.number));
        }
    }
    Ok(None)
}

/// Runs of which the links are held at one time: of a full one they take 128 KiB.
const HELD: usize = 16;

/// The links of the stored runs that were looked at last: many heads that grants took in stand within one run.
struct Links<'a> {
    license: &'a LicenseId,
    held: VecDeque<((ChainId, BranchNumber), Seq, Vec<Link>)>,
}

impl Links<'_> {
    /// The link after an event of a branch.
    fn at(
        &mut self,
        db: &mut dyn Database,
        branch: (ChainId, BranchNumber),
        seq: Seq,
    ) -> Result<Option<Link>, StoreError> {
        let held = |(of, first, links): &((ChainId, BranchNumber), Seq, Vec<Link>)| {
            let at = usize::try_from(seq.0.checked_sub(first.0)?).ok()?;
            links.get(at).copied().filter(|_| *of == branch)
        };
        if let Some(link) = self.held.iter().find_map(held) {
            return Ok(Some(link));
        }
        let (chain, number) = branch;
        let Some(run) = runs::run_holding(db, self.license, (&chain, number), seq)? else { return Ok(None) };
        self.held.truncate(HELD - 1);
        self.held.push_front((branch, run.first_seq, run.links()));
        Ok(self.held.front().and_then(held))
    }
}
