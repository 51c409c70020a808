//! The floor: the same events as rows of one plain table, with nothing checked, folded or answered.

use std::path::Path;

use counterfoil_benches::device::{CORE, SIGNATURE};
use rusqlite::{Connection, params};

use crate::measure::{Spent, Watch};

/// Events a transaction, as the importer's.
const PER_COMMIT: u64 = 20_000;

/// Inserts so many events, `bundle` of each chain after the other, and says what that took and how large it is.
pub(crate) fn rows(path: &Path, events: u64, bundle: u64) -> anyhow::Result<(Spent, u64)> {
    let mut db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.execute_batch(
        "CREATE TABLE events (chain BLOB, seq INTEGER, core BLOB, signature BLOB, PRIMARY KEY (chain, seq))
         STRICT, WITHOUT ROWID",
    )?;
    let watch = Watch::start()?;
    for first in (0..events).step_by(usize::try_from(PER_COMMIT)?) {
        let transaction = db.transaction()?;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3, ?4)")?;
            for event in first..events.min(first + PER_COMMIT) {
                let mut chain = [0_u8; 32];
                chain[..8].copy_from_slice(&(event / bundle).to_be_bytes());
                insert.execute(params![chain, i64::try_from(event % bundle)?, CORE, SIGNATURE])?;
            }
        }
        transaction.commit()?;
    }
    let spent = watch.stop()?;
    db.pragma_update(None, "wal_checkpoint", "TRUNCATE")?;
    Ok((spent, std::fs::metadata(path)?.len()))
}
