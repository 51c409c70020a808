//! Rows of `runs` and `catalog_runs`, which have the same shape.

use ledger::chain::{self, Head};
use ledger::rows::StoredRun;
use rusqlite::Row;
use schemas::canonical;
use schemas::ids::Link;
use schemas::numbers::Seq;
use schemas::run::Origin;

use super::{StoreError, int, micros, uint};

/// The columns that [`read_run`] reads, in its order.
pub(super) const RUN_COLUMNS: &str = "first_seq, version, origin, prev, events, head, last_at, pairs";

/// Reads [`RUN_COLUMNS`] from column `at` on.
pub(super) fn read_run(row: &Row<'_>, at: usize, branch: u16) -> Result<StoredRun, StoreError> {
    let origin: Origin =
        canonical::from_bytes(row.get_ref(at + 2)?.as_blob().map_err(rusqlite::Error::from)?)?;
    let first_seq = Seq(uint(row.get(at)?)?);
    let count = uint(row.get(at + 4)?)?;
    Ok(StoredRun {
        chain: chain::chain_of(&origin),
        branch,
        version: row.get(at + 1)?,
        origin,
        first_seq,
        prev: Link(row.get(at + 3)?),
        count,
        head: Head { seq: Seq((first_seq.0 + count).saturating_sub(1)), link: Link(row.get(at + 5)?) },
        last_at: micros(row.get(at + 6)?)?,
        pairs: row.get(at + 7)?,
    })
}

/// The values of [`RUN_COLUMNS`] in their order.
pub(super) type RunValues<'a> = (i64, u8, Vec<u8>, [u8; 32], i64, [u8; 32], i64, &'a [u8]);

/// The values of [`RUN_COLUMNS`], to be bound in their order.
pub(super) fn bind_run(run: &StoredRun) -> RunValues<'_> {
    (
        int(run.first_seq.0),
        run.version,
        canonical::to_bytes(&run.origin),
        run.prev.0,
        int(run.count),
        run.head.link.0,
        int(run.last_at.get()),
        &run.pairs,
    )
}
