//! Runs of licences: stored as they came, read whole, one link at a time, or one grant.

use ledger::chain::{self, Head};
use ledger::rows::{BranchNumber, StoredRun};
use ledger::trust;
use rusqlite::{Connection, OptionalExtension as _, params};
use schemas::event::Writer;
use schemas::grant::Grant;
use schemas::ids::{ChainId, LicenseId};
use schemas::numbers::Seq;
use schemas::run::{Origin, pairs};

use super::rows::{RUN_COLUMNS, bind_run, read_run};
use super::{StoreError, int, uint};

/// Stores a run.
pub(super) fn insert(
    connection: &Connection,
    license: &LicenseId,
    run: &StoredRun,
) -> Result<(), StoreError> {
    let (first_seq, version, origin, prev, events, head, last_at, bytes) = bind_run(run);
    connection
        .prepare_cached(&format!(
            "INSERT INTO runs (license_id, chain, branch, writer, {RUN_COLUMNS})
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
        ))?
        .execute(params![
            license.as_bytes(),
            run.chain.as_bytes(),
            run.branch,
            writer_number(run.origin.writer()),
            first_seq,
            version,
            origin,
            prev,
            events,
            head,
            last_at,
            bytes
        ])?;
    Ok(())
}

/// Hands the stored runs of one licence or of all to `each`, in the order of licence, chain, branch and place.
pub(super) fn each(
    connection: &Connection,
    license: Option<&LicenseId>,
    each: &mut dyn FnMut(&LicenseId, StoredRun) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let condition = if license.is_some() { "WHERE license_id = ?1" } else { "WHERE ?1 IS NULL" };
    let mut statement = connection.prepare(&format!(
        "SELECT license_id, branch, chain, {RUN_COLUMNS} FROM runs {condition}
         ORDER BY license_id, chain, branch, first_seq"
    ))?;
    let mut rows = statement.query([license.map(|license| license.as_bytes().to_vec())])?;
    while let Some(row) = rows.next()? {
        let run = read_run(row, 3, row.get(1)?)?;
        if run.chain.0 != row.get::<_, [u8; 32]>(2)? {
            return Err(StoreError::Damaged("chain"));
        }
        each(&LicenseId(row.get(0)?), run)?;
    }
    Ok(())
}

/// The newest grant of a device chain, in detached form.
pub(super) fn newest_grant(
    connection: &Connection,
    license: &LicenseId,
    chain: &ChainId,
) -> Result<Option<Grant>, StoreError> {
    let place = connection
        .prepare_cached(
            "SELECT a.grant_epoch, a.grant_seq, l.product, l.environment FROM activations a
             JOIN licenses l ON l.license_id = a.license_id WHERE a.license_id = ?1 AND a.chain = ?2",
        )?
        .query_row(params![license.as_bytes(), chain.as_bytes()], |row| {
            Ok((
                row.get::<_, u32>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, String>(3)?,
            ))
        })
        .optional()?;
    let Some((epoch, seq, product, environment)) = place else { return Ok(None) };
    let (product, environment) = (super::catalog::text(&product)?, super::catalog::text(&environment)?);
    let authority = chain::authority_chain(&product, &environment, license, schemas::numbers::Epoch(epoch));
    let seq = Seq(uint(seq)?);
    let run = run_holding(connection, license, (&authority, 0), seq)?.ok_or(StoreError::Damaged("grant"))?;
    let (before, _, pair) = walk(&run, seq)?.ok_or(StoreError::Damaged("grant"))?;
    let Origin::Authority(origin) = &run.origin else { return Err(StoreError::Damaged("grant")) };
    let certificate = connection
        .prepare_cached("SELECT certificate FROM issuers WHERE certificate_id = ?1")?
        .query_row([origin.signer.as_bytes()], |row| row.get(0))?;
    Ok(Some(trust::detach(authority, (seq, before.link), pair.0, pair.1, certificate)))
}

/// The run of a branch that holds the event at `seq`.
pub(super) fn run_holding(
    connection: &Connection,
    license: &LicenseId,
    (chain, branch): (&ChainId, BranchNumber),
    seq: Seq,
) -> Result<Option<StoredRun>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {RUN_COLUMNS} FROM runs
         WHERE license_id = ?1 AND chain = ?2 AND branch = ?3 AND first_seq <= ?4 ORDER BY first_seq DESC LIMIT 1"
    ))?;
    let mut rows = statement.query(params![license.as_bytes(), chain.as_bytes(), branch, int(seq.0)])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let run = read_run(row, 0, branch)?;
    Ok((seq <= run.head.seq).then_some(run))
}

type Walked = (Head, Head, (Vec<u8>, schemas::ids::Signature));

/// Hashes a run up to the event at `seq`: the heads before and after it, its core and signature.
fn walk(run: &StoredRun, seq: Seq) -> Result<Option<Walked>, StoreError> {
    let mut head = Head { seq: Seq(run.first_seq.0 - 1), link: run.prev };
    for pair in pairs(&run.pairs) {
        let pair = pair?;
        let before = head;
        (_, head) = before.after(&run.chain, pair.core, &pair.signature);
        if head.seq == seq {
            return Ok(Some((before, head, (pair.core.to_vec(), pair.signature))));
        }
    }
    Ok(None)
}

/// How a run's writer is stored: by the number of its origin on the wire.
pub(super) fn writer_number(writer: Writer) -> u8 {
    match writer {
        Writer::Device => 0,
        Writer::Authority => 1,
        Writer::Catalog => 2,
    }
}
