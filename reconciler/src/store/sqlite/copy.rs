//! A copy of the ledger while others use it: one snapshot, page by page.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::StoreError;

/// Pages that are copied between two reports of progress: 8 MiB of a new ledger's.
const PAGES_A_STEP: i32 = 1_024;

/// Copies the ledger into a new file at `path`, which is complete and durable afterwards.
///
/// The source is read in one transaction: whoever writes meanwhile is not stopped, and nothing of it is seen.
pub(super) fn into(
    source: &mut Connection,
    path: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<(), StoreError> {
    let snapshot = source.transaction()?;
    // A transaction begins with its first read; from there on the copy never starts over.
    snapshot.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let mut target = Connection::open(path)?;
    target.pragma_update(None, "synchronous", "FULL")?;
    let page_bytes: u32 = snapshot.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let copying = Backup::new(&snapshot, &mut target)?;
    let mut told = 0;
    loop {
        let step = copying.step(PAGES_A_STEP)?;
        let pages = copying.progress();
        let copied = u64::try_from(pages.pagecount - pages.remaining).unwrap_or(told);
        progress(copied.saturating_sub(told) * u64::from(page_bytes));
        told = copied;
        match step {
            StepResult::Done => break,
            StepResult::Busy | StepResult::Locked => return Err(StoreError::Busy),
            _ => {}
        }
    }
    drop(copying);
    // One file, without a log beside it.
    target.pragma_update(None, "journal_mode", "DELETE")?;
    target.close().map_err(|(_, error)| error)?;
    Ok(())
}
