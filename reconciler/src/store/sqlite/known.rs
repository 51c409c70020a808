//! Since when the events of a licence's device chains are known.

use std::collections::BTreeMap;

use ledger::chain::Head;
use ledger::digest::BranchEvidence;
use ledger::known::{KnownPlace, KnownSince};
use ledger::rows::BranchNumber;
use rusqlite::{Connection, OptionalExtension as _, params};
use schemas::ids::{ChainId, LicenseId, Link};
use schemas::numbers::{Micros, Seq};

use super::{StoreError, int, micros, runs, uint};

/// The branches of a licence's chains.
type Branches = BTreeMap<ChainId, Vec<BranchEvidence>>;

/// Puts together what the heads tell that grants took in.
pub(super) fn since(connection: &Connection, license: &LicenseId) -> Result<KnownSince, StoreError> {
    let branches = branches(connection, license)?;
    let mut statement = connection.prepare_cached(
        "SELECT chain, seq, link, known_at FROM known WHERE license_id = ?1 ORDER BY chain, known_at, seq",
    )?;
    let mut rows = statement.query([license.as_bytes()])?;
    let mut heads = Vec::new();
    while let Some(row) = rows.next()? {
        let chain = ChainId(row.get(0)?);
        let (head, at) =
            (Head { seq: Seq(uint(row.get(1)?)?), link: Link(row.get(2)?) }, micros(row.get(3)?)?);
        let of_chain = branches.get(&chain).map_or(&[][..], Vec::as_slice);
        heads.extend(known_head(connection, license, (chain, of_chain), (head, at))?);
    }
    Ok(KnownSince::of(heads, &branches))
}

fn branches(connection: &Connection, license: &LicenseId) -> Result<Branches, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT chain, branch, parent, first_seq, seq, link FROM branches WHERE license_id = ?1 ORDER BY chain, branch",
    )?;
    let mut rows = statement.query([license.as_bytes()])?;
    let mut branches = Branches::new();
    while let Some(row) = rows.next()? {
        branches.entry(ChainId(row.get(0)?)).or_default().push(BranchEvidence {
            number: row.get(1)?,
            parent: row.get(2)?,
            first_seq: Seq(uint(row.get(3)?)?),
            head: Head { seq: Seq(uint(row.get(4)?)?), link: Link(row.get(5)?) },
        });
    }
    Ok(branches)
}

/// The branch that holds a head; none where the ledger does not have it any more. The link alone says which: numbers and
/// first places of branches depend on the order in which they came, and that was another one before a restore.
fn known_head(
    connection: &Connection,
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
        if holds && link_at(connection, license, (&chain, branch.number), head.seq)? == Some(head.link) {
            return Ok(known(branch.number));
        }
    }
    Ok(None)
}

/// The link after an event of a branch: mostly the last one of a stored run, which is read without its events.
fn link_at(
    connection: &Connection,
    license: &LicenseId,
    (chain, branch): (&ChainId, BranchNumber),
    seq: Seq,
) -> Result<Option<Link>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT head, first_seq + events - 1 FROM runs
         WHERE license_id = ?1 AND chain = ?2 AND branch = ?3 AND first_seq <= ?4 ORDER BY first_seq DESC LIMIT 1",
    )?;
    let run: Option<([u8; 32], i64)> = statement
        .query_row(params![license.as_bytes(), chain.as_bytes(), branch, int(seq.0)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    if let Some((link, last)) = run
        && uint(last)? == seq.0
    {
        return Ok(Some(Link(link)));
    }
    let run = runs::run_holding(connection, license, (chain, branch), seq)?;
    Ok(run.and_then(|run| run.link_at(seq)))
}
