//! Making the projections anew from the sources, and comparing them with what is there.

use ledger::rows::StoredRun;
use ledger::{refold, rows::Rows};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, TransactionBehavior};
use schemas::event::Writer;
use schemas::ids::LicenseId;

use super::rows::{RUN_COLUMNS, read_run};
use super::runs::writer_number;
use super::{Mismatch, StoreError, catalog, license};

/// Every projection with its key, in the order in which rows are compared.
const PROJECTIONS: &[(&str, &str)] = &[
    ("products", "product"),
    ("policies", "policy"),
    ("customers", "customer_id"),
    ("issuers", "certificate_id"),
    ("catalog_history", "seq"),
    ("license_keys", "reference"),
    ("licenses", "license_id"),
    ("activations", "license_id, chain"),
    ("quotas", "license_id, chain, feature, period"),
    ("periods", "license_id, feature, period"),
    ("chains", "license_id, chain"),
    ("chain_licenses", "chain"),
    ("branches", "license_id, chain, branch"),
    ("branch_sums", "license_id, chain, branch, feature, period"),
    ("forks", "license_id, chain"),
    ("meters", "license_id, chain, feature, period"),
    ("usage", "license_id, chain, feature, period, day"),
    ("variables", "license_id, chain, name"),
    ("history", "license_id, chain, branch, seq"),
    ("known", "license_id, chain, first_seq, seq, link"),
    ("findings", "license_id, chain, branch, seq, code"),
];

/// Empties every projection and folds the sources into them again: one commit.
pub(super) fn in_place(
    connection: &mut Connection,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (table, _) in PROJECTIONS {
        transaction.execute(&format!("DELETE FROM {table}"), [])?;
    }
    let events = fold(&transaction, &transaction, progress)?;
    transaction.commit()?;
    Ok(events)
}

/// Folds the sources of `first` into the empty `second` and compares their projections.
pub(super) fn compare(
    first: &mut Connection,
    second: &mut Connection,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Mismatch>, StoreError> {
    // One read transaction: a writer that goes on beside it is not seen.
    let source = first.transaction()?;
    let target = second.transaction()?;
    fold(&source, &target, progress)?;
    let mut mismatches = Vec::new();
    for (table, key) in PROJECTIONS {
        mismatches.extend(compare_table(&source, &target, table, key)?);
    }
    target.commit()?;
    Ok(mismatches)
}

/// Folds every run of `source` into the projections of `target`; returns the number of events.
fn fold(source: &Connection, target: &Connection, progress: &mut dyn FnMut(u64)) -> Result<u64, StoreError> {
    let mut events = catalog::refold(source, target)?;
    let mut statement = source.prepare(&format!(
        "SELECT license_id, branch, writer, {RUN_COLUMNS} FROM runs
         ORDER BY license_id, writer DESC, chain, branch, first_seq"
    ))?;
    let mut rows = statement.query([])?;
    let mut gathered = Gathered::default();
    while let Some(row) = rows.next()? {
        let license = LicenseId(row.get(0)?);
        if gathered.license != Some(license) {
            gathered.write(target)?;
            gathered = Gathered { license: Some(license), ..Gathered::default() };
        }
        let run = read_run(row, 3, row.get(1)?)?;
        events += run.count;
        gathered.push(row.get(2)?, run);
        progress(events);
    }
    gathered.write(target)?;
    Ok(events)
}

/// The runs of one licence.
#[derive(Default)]
struct Gathered {
    license: Option<LicenseId>,
    authority: Vec<StoredRun>,
    device: Vec<StoredRun>,
}

impl Gathered {
    fn push(&mut self, writer: u8, run: StoredRun) {
        if writer == writer_number(Writer::Authority) {
            self.authority.push(run);
        } else {
            self.device.push(run);
        }
    }

    fn write(&self, target: &Connection) -> Result<(), StoreError> {
        if self.license.is_none() {
            return Ok(());
        }
        let (folded, rows): (_, Rows) = refold::license(&self.authority, &self.device)?;
        license::claim_key(target, &folded)?;
        license::project(target, &folded, &rows)
    }
}

/// Walks both tables in the order of their key, as a merge does.
fn compare_table(
    first: &Connection,
    second: &Connection,
    table: &'static str,
    key: &str,
) -> Result<Option<Mismatch>, StoreError> {
    let query = format!("SELECT {key}, * FROM {table} ORDER BY {key}");
    let (mut first, mut second) = (first.prepare(&query)?, second.prepare(&query)?);
    let keys = key.split(',').count();
    let (mut left, mut right) = (first.query([])?, second.query([])?);
    let (mut there, mut follows) = (encoded(left.next()?, keys)?, encoded(right.next()?, keys)?);
    let mut mismatch = Mismatch { table, unexpected: 0, missing: 0 };
    loop {
        match (&there, &follows) {
            (None, None) => break,
            (Some(a), Some(b)) if a == b => {
                there = encoded(left.next()?, keys)?;
                follows = encoded(right.next()?, keys)?;
            }
            (Some(a), Some(b)) if a.0 == b.0 => {
                mismatch.unexpected += 1;
                mismatch.missing += 1;
                there = encoded(left.next()?, keys)?;
                follows = encoded(right.next()?, keys)?;
            }
            (Some(a), b) if b.as_ref().is_none_or(|b| a.0 < b.0) => {
                mismatch.unexpected += 1;
                there = encoded(left.next()?, keys)?;
            }
            _ => {
                mismatch.missing += 1;
                follows = encoded(right.next()?, keys)?;
            }
        }
    }
    Ok((mismatch.unexpected + mismatch.missing > 0).then_some(mismatch))
}

/// The bytes of a row's key, ordered as SQLite orders them, and of the whole row.
type Encoded = Option<(Vec<Vec<u8>>, Vec<u8>)>;

fn encoded(row: Option<&Row<'_>>, keys: usize) -> Result<Encoded, StoreError> {
    let Some(row) = row else { return Ok(None) };
    let columns = row.as_ref().column_count();
    let mut key = Vec::with_capacity(keys);
    let mut whole = Vec::new();
    for column in 0..columns {
        let (tag, bytes) = match row.get_ref(column)? {
            ValueRef::Null => (0, Vec::new()),
            // Flipping the sign bit makes the order of bytes the order of numbers.
            ValueRef::Integer(number) => (1, (number ^ i64::MIN).to_be_bytes().to_vec()),
            ValueRef::Real(number) => (2, number.to_bits().to_be_bytes().to_vec()),
            ValueRef::Text(text) => (3, text.to_vec()),
            ValueRef::Blob(blob) => (4, blob.to_vec()),
        };
        if column < keys {
            key.push(bytes);
        } else {
            whole.push(tag);
            whole.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            whole.extend_from_slice(&bytes);
        }
    }
    Ok(Some((key, whole)))
}
