//! Since when the events of a licence's device chains are known.

use std::collections::BTreeMap;

use ledger::chain::Head;
use ledger::digest::BranchEvidence;
use ledger::known::{KnownPlace, KnownSince};
use ledger::{refold, state};
use schemas::event::Body;
use schemas::ids::{ChainId, LicenseId};
use schemas::numbers::Micros;

use super::database::Database;
use super::{StoreError, runs, statements};

/// Puts together what the heads tell that grants took in.
pub(super) fn since(db: &mut dyn Database, license: &LicenseId) -> Result<KnownSince, StoreError> {
    let branches = branches(db, license)?;
    let mut heads = Vec::new();
    for run in runs::of_authority(db, license)? {
        for (_, event) in refold::events(&run)? {
            let Body::GrantIssued(grant) = &event.body else { continue };
            for took_in in &grant.took_in {
                let of_chain = branches.get(&took_in.chain).map_or(&[][..], Vec::as_slice);
                let head = Head { seq: took_in.seq, link: took_in.link };
                heads.extend(known_head(db, license, (took_in.chain, of_chain), (head, event.at))?);
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
    license: &LicenseId,
    (chain, branches): (ChainId, &[BranchEvidence]),
    (head, at): (Head, Micros),
) -> Result<Option<KnownPlace>, StoreError> {
    let known = |branch| Some(KnownPlace { chain, branch, seq: head.seq, at });
    if let [only] = branches {
        return Ok(known(only.number).filter(|_| head.seq <= only.head.seq));
    }
    for branch in branches {
        let holds = (branch.first_seq..=branch.head.seq).contains(&head.seq);
        if holds && runs::link_at(db, license, (&chain, branch.number), head.seq)? == Some(head.link) {
            return Ok(known(branch.number));
        }
    }
    Ok(None)
}
