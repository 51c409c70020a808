//! Quarantine: bytes that were refused, kept with their reason until they are retried or dropped.

use rusqlite::{Connection, OptionalExtension as _, params};
use schemas::grant::SeqRange;
use schemas::ids::{ChainId, Digest};
use schemas::numbers::Micros;
use sha2::{Digest as _, Sha256};

use super::evidence::optional_seq;
use super::{NewQuarantine, QuarantineEntry, StoreError, int, micros, uint};

/// Keeps entries; the same bytes for the same chain are kept once, with the newest reason.
pub(super) fn put(connection: &Connection, entries: &[NewQuarantine], now: Micros) -> Result<(), StoreError> {
    for entry in entries {
        let digest: [u8; 32] = Sha256::digest(&entry.bytes).into();
        let chain = entry.chain.map(|chain| chain.0);
        let first = entry.span.map(|span| int(span.first.0));
        let last = entry.span.map(|span| int(span.last.0));
        let known = connection
            .prepare_cached(
                "UPDATE quarantine SET code = ?1, first_seq = ?4, last_seq = ?5 WHERE digest = ?2 AND chain IS ?3",
            )?
            .execute(params![entry.code.word(), digest, chain, first, last])?;
        if known == 0 {
            connection
                .prepare_cached(
                    "INSERT INTO quarantine (code, source, chain, received_at, digest, size, bytes, first_seq, last_seq)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                )?
                .execute(params![
                    entry.code.word(),
                    entry.source,
                    chain,
                    int(now.get()),
                    digest,
                    int(entry.bytes.len() as u64),
                    entry.bytes,
                    first,
                    last
                ])?;
        }
    }
    Ok(())
}

/// Every entry without its bytes, in the order of arrival.
pub(super) fn list(connection: &Connection) -> Result<Vec<QuarantineEntry>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, code, source, chain, received_at, digest, size, first_seq, last_seq FROM quarantine ORDER BY id",
    )?;
    let mut rows = statement.query([])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(QuarantineEntry {
            id: row.get(0)?,
            code: row.get(1)?,
            source: row.get(2)?,
            chain: row.get::<_, Option<[u8; 32]>>(3)?.map(ChainId),
            received_at: micros(row.get(4)?)?,
            digest: Digest(row.get(5)?),
            size: uint(row.get(6)?)?,
            span: optional_seq(row.get(7)?)?
                .zip(optional_seq(row.get(8)?)?)
                .map(|(first, last)| SeqRange { first, last }),
        });
    }
    Ok(entries)
}

/// The bytes of one entry.
pub(super) fn bytes(connection: &Connection, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT bytes FROM quarantine WHERE id = ?1")?;
    Ok(statement.query_row([id], |row| row.get(0)).optional()?)
}

/// Takes entries out.
pub(super) fn remove(connection: &Connection, ids: &[i64]) -> Result<(), StoreError> {
    for id in ids {
        connection.prepare_cached("DELETE FROM quarantine WHERE id = ?1")?.execute([id])?;
    }
    Ok(())
}
