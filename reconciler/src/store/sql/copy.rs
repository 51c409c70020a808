//! A ledger copied from one database into another: the sources row by row, and the projections folded from them there.

use schemas::ids::LicenseId;

use super::database::{Database, Row, Value, all};
use super::statements::{self, Insert, Statement};
use super::{StoreError, rebuild, runs};

/// Rows of quarantine that are read at once.
const PAGE: u64 = 4;

/// Copies every source of `from` into the empty ledger `to`, and folds them there with `jobs` threads.
///
/// # Errors
/// When one of them cannot be read or written. What was written goes with the transaction of `to`.
pub(super) fn everything(
    from: &mut dyn Database,
    to: &mut dyn Database,
    jobs: usize,
    progress: &mut dyn FnMut(u64),
) -> Result<(), StoreError> {
    copy(from, to, &statements::CATALOG_RUNS, &[], &statements::NEW_CATALOG_RUN)?;
    copy(from, to, &statements::CATALOG_ATTACHMENTS, &[], &statements::NEW_CATALOG_ATTACHMENT)?;
    copy(from, to, &statements::TOKENS, &[], &statements::NEW_TOKEN)?;
    copy(from, to, &statements::REQUESTS, &[], &statements::NEW_REQUEST)?;
    copy(from, to, &statements::HOOKS, &[], &statements::NEW_HOOK)?;
    copy_quarantine(from, to)?;
    let mut page = runs::licenses_after(from, &LicenseId([0; 16]))?;
    while let Some(last) = page.last().copied() {
        for license in &page {
            copy_license(from, to, license)?;
            progress(1);
        }
        page = runs::licenses_after(from, &last)?;
    }
    rebuild::in_place(to, jobs, &mut |_| {})?;
    Ok(())
}

fn copy_license(
    from: &mut dyn Database,
    to: &mut dyn Database,
    license: &LicenseId,
) -> Result<(), StoreError> {
    let key = [license.as_bytes().into()];
    copy(from, to, &statements::RUN_ROWS, &key, &statements::RUN)?;
    copy(from, to, &statements::ATTACHMENT_ROWS, &key, &statements::NEW_ATTACHMENT)?;
    copy(from, to, &statements::PARKED_ROWS, &key, &statements::PARK)?;
    copy(from, to, &statements::DELIVERY_ROWS, &key, &statements::NEW_DELIVERY)
}

fn copy_quarantine(from: &mut dyn Database, to: &mut dyn Database) -> Result<(), StoreError> {
    let mut after = 0_u64;
    loop {
        let rows = all(from, &statements::QUARANTINED, &[after.into(), PAGE.into()], |row| Ok(row.rest()))?;
        let Some(last) = rows.last() else { break };
        after = Row::new(last.clone()).uint()?;
        to.insert(&statements::NEW_QUARANTINE, &rows)?;
    }
    for (value, name) in all(from, &statements::COUNTERS, &[], |row| Ok((row.uint()?, row.string()?)))? {
        to.query(&statements::NEXT_NUMBER, &[value.into(), name.as_str().into()], &mut |_| Ok(()))?;
    }
    Ok(())
}

fn copy(
    from: &mut dyn Database,
    to: &mut dyn Database,
    read_all: &'static Statement,
    key: &[Value<'_>],
    into: &'static Insert,
) -> Result<(), StoreError> {
    let rows = all(from, read_all, key, |row| Ok(row.rest()))?;
    if !rows.is_empty() {
        to.insert(into, &rows)?;
    }
    Ok(())
}
