//! Quarantine: bytes that were refused, kept with their reason until they are retried or dropped.

use schemas::codes::Code;
use schemas::grant::SeqRange;
use schemas::ids::{ChainId, Digest};
use schemas::numbers::Micros;
use sha2::{Digest as _, Sha256};

use super::database::{Database, Row, Value, all, one};
use super::{StoreError, statements};
use crate::store::views::{NewQuarantine, QuarantineEntry};

/// The counter that numbers the entries.
const COUNTER: &str = "quarantine";

/// Keeps entries; the same bytes for the same chain are kept once, with the newest reason.
pub(super) fn put(db: &mut dyn Database, entries: &[NewQuarantine], now: Micros) -> Result<(), StoreError> {
    // Whoever takes a number holds the counter until the end: nobody keeps the same bytes in between.
    if !entries.is_empty() {
        number(db, 0)?;
    }
    for entry in entries {
        let digest: [u8; 32] = Sha256::digest(&entry.bytes).into();
        let digest = Value::from(&digest[..]);
        let chain = Value::from(entry.chain.as_ref().map(ChainId::as_bytes));
        let first = Value::from(entry.span.map(|span| span.first));
        let last = Value::from(entry.span.map(|span| span.last));
        let code = Value::from(entry.code.word());
        let follows = Value::from(entry.follows.as_ref().map(ChainId::as_bytes));
        let again =
            [code.clone(), first.clone(), last.clone(), follows.clone(), digest.clone(), chain.clone()];
        if db.execute(&statements::QUARANTINED_AGAIN, &again)? > 0 {
            continue;
        }
        let new = vec![
            number(db, 1)?.into(),
            code,
            entry.source.as_str().into(),
            chain,
            now.into(),
            digest,
            (entry.bytes.len() as u64).into(),
            first,
            last,
            follows,
            entry.bytes.as_slice().into(),
        ];
        db.insert(&statements::NEW_QUARANTINE, &[new])?;
    }
    Ok(())
}

/// The counter after it went on by `step`.
fn number(db: &mut dyn Database, step: u8) -> Result<u64, StoreError> {
    let mut number = None;
    db.query(&statements::NEXT_NUMBER, &[step.into(), COUNTER.into()], &mut |mut row| {
        number = Some(row.uint()?);
        Ok(())
    })?;
    number.ok_or(StoreError::Damaged("counter"))
}

/// Every entry without its bytes, in the order of arrival.
pub(super) fn list(db: &mut dyn Database) -> Result<Vec<QuarantineEntry>, StoreError> {
    all(db, &statements::QUARANTINE, &[], entry)
}

/// The entries after one, with a code, and a number of them at most.
pub(super) fn page(
    db: &mut dyn Database,
    after: i64,
    code: Option<&str>,
    limit: u64,
) -> Result<Vec<QuarantineEntry>, StoreError> {
    all(db, &statements::QUARANTINE_AFTER, &[after.into(), code.into(), limit.into()], entry)
}

/// The entry of a number.
pub(super) fn one_of(db: &mut dyn Database, id: i64) -> Result<Option<QuarantineEntry>, StoreError> {
    one(db, &statements::QUARANTINE_ENTRY, &[id.into()], entry)
}

/// The entries of a chain, in the order of arrival.
pub(super) fn of_chain(db: &mut dyn Database, chain: &ChainId) -> Result<Vec<QuarantineEntry>, StoreError> {
    all(db, &statements::QUARANTINE_OF_CHAIN, &[chain.as_bytes().into()], entry)
}

/// The chains with entries that say that they follow this one, and wait since it was not known.
pub(super) fn followers(db: &mut dyn Database, chain: &ChainId) -> Result<Vec<ChainId>, StoreError> {
    let key = [chain.as_bytes().into(), Code::ChainGap.word().into()];
    all(db, &statements::QUARANTINED_FOLLOWERS, &key, |row| Ok(ChainId(row.fixed()?)))
}

/// The reasons and sizes of the entries that came from these sources.
pub(super) fn sizes(db: &mut dyn Database, sources: &[&str]) -> Result<Vec<(String, u64)>, StoreError> {
    let mut sizes = Vec::new();
    for source in sources {
        let of_source = all(db, &statements::QUARANTINED_FROM, &[(*source).into()], |row| {
            Ok((row.string()?, row.uint()?))
        });
        sizes.extend(of_source?);
    }
    Ok(sizes)
}

fn entry(row: &mut Row) -> Result<QuarantineEntry, StoreError> {
    Ok(QuarantineEntry {
        id: row.small::<u64>().and_then(|id| i64::try_from(id).map_err(|_| StoreError::Damaged("number")))?,
        code: row.string()?,
        source: row.string()?,
        chain: row.optional_fixed()?.map(ChainId),
        received_at: row.micros()?,
        digest: Digest(row.fixed()?),
        size: row.uint()?,
        span: row.optional_seq()?.zip(row.optional_seq()?).map(|(first, last)| SeqRange { first, last }),
    })
}

/// The bytes of one entry.
pub(super) fn bytes(db: &mut dyn Database, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
    one(db, &statements::QUARANTINED_BYTES, &[id.into()], Row::bytes)
}

/// Takes entries out.
pub(super) fn remove(db: &mut dyn Database, ids: &[i64]) -> Result<(), StoreError> {
    for id in ids {
        db.execute(&statements::LEAVE_QUARANTINE, &[(*id).into()])?;
    }
    Ok(())
}
