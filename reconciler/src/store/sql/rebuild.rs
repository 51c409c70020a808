//! Making the projections anew from the sources, and comparing them with what is there: licence by licence, so that no
//! more is in memory than some of them.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use ledger::authority::License;
use ledger::catalog::Catalog;
use ledger::refold;
use ledger::rows::{Rows, StoredRun};
use schemas::event::Writer;
use schemas::ids::LicenseId;

use super::database::{Database, Value, Values};
use super::license::Moved;
use super::runs::{licenses_after, read_stored, writer_number};
use super::statements::{self, CATALOG_PROJECTIONS, KEYED_PROJECTIONS, LICENSE_PROJECTIONS, Projection};
use super::{StoreError, catalog};
use crate::store::views::Mismatch;

/// Bytes of runs that are folded together, about.
const BATCH_BYTES: usize = 32 * 1024 * 1024;
/// Licences that are folded together, at most.
const BATCH_LICENSES: usize = 128;

/// What a licence's runs fold to.
type Folded = (License, Rows);

/// Empties every projection and folds the sources into them again.
pub(super) fn in_place(
    db: &mut dyn Database,
    jobs: usize,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, StoreError> {
    db.lock_licenses()?;
    for projection in every_projection() {
        db.execute(projection.clear, &[])?;
    }
    let (folded, history) = catalog::refold(db)?;
    for (into, rows) in catalog::tables(&Catalog::default(), &folded, &history) {
        if !rows.is_empty() {
            db.insert(into, &rows)?;
        }
    }
    let mut events = history.len() as u64;
    progress(events);
    each_batch(db, jobs, &mut |db, batch, count| {
        let mut moved = Moved::default();
        for (license, rows) in batch {
            moved.add_all(license, rows);
        }
        moved.write(db)?;
        events += count;
        progress(events);
        Ok(())
    })?;
    Ok(events)
}

/// Compares every projection with what follows from the sources.
pub(super) fn compare(
    db: &mut dyn Database,
    jobs: usize,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Mismatch>, StoreError> {
    let mut comparison = Comparison::default();
    let (folded, history) = catalog::refold(db)?;
    let empty = Catalog::default();
    let follows = catalog::tables(&empty, &folded, &history);
    for (projection, (_, rows)) in CATALOG_PROJECTIONS.iter().zip(follows) {
        comparison.whole(db, projection, &[], rows)?;
    }
    let mut events = history.len() as u64;
    each_batch(db, jobs, &mut |db, batch, count| {
        for (license, rows) in batch {
            comparison.license(db, license, rows)?;
        }
        events += count;
        progress(events);
        Ok(())
    })?;
    comparison.finish(db)
}

fn every_projection() -> impl Iterator<Item = &'static Projection> {
    CATALOG_PROJECTIONS.iter().chain(LICENSE_PROJECTIONS).chain(KEYED_PROJECTIONS)
}

/// Takes licences as they fold, and the number of their events.
type TakeFolded<'a> = dyn FnMut(&mut dyn Database, &[Folded], u64) -> Result<(), StoreError> + 'a;

/// Folds the runs of all licences with `jobs` threads, and hands them on in the order of their identifiers.
fn each_batch(db: &mut dyn Database, jobs: usize, take: &mut TakeFolded<'_>) -> Result<(), StoreError> {
    let mut after = LicenseId([0; 16]);
    loop {
        let ids = licenses_after(db, &after)?;
        let Some(last) = ids.last() else { return Ok(()) };
        after = *last;
        let mut batch = Vec::new();
        let mut bytes = 0;
        for id in &ids {
            let gathered = Gathered::read(db, id)?;
            bytes += gathered.bytes();
            batch.push(gathered);
            if bytes >= BATCH_BYTES || batch.len() == BATCH_LICENSES {
                take_batch(db, jobs, &std::mem::take(&mut batch), take)?;
                bytes = 0;
            }
        }
        take_batch(db, jobs, &batch, take)?;
    }
}

fn take_batch(
    db: &mut dyn Database,
    jobs: usize,
    batch: &[Gathered],
    take: &mut TakeFolded<'_>,
) -> Result<(), StoreError> {
    if batch.is_empty() {
        return Ok(());
    }
    let folded = fold(batch, jobs)?;
    take(db, &folded, batch.iter().map(Gathered::events).sum())
}

/// Folds licences with `jobs` threads, each a part of about as many bytes.
fn fold(batch: &[Gathered], jobs: usize) -> Result<Vec<Folded>, StoreError> {
    let share = batch.iter().map(Gathered::bytes).sum::<usize>() / jobs.max(1) + 1;
    let fold_part = |part: &[Gathered]| part.iter().map(Gathered::fold).collect::<Result<Vec<_>, _>>();
    let parts = parts(batch, share);
    let (first, others) = parts.split_first().expect("a batch has licences");
    thread::scope(|scope| {
        let others: Vec<_> = others.iter().map(|part| scope.spawn(|| fold_part(part))).collect();
        let mut folded = fold_part(first)?;
        for other in others {
            folded.extend(other.join().expect("a fold does not panic")?);
        }
        Ok(folded)
    })
}

/// Cuts a batch into parts of at least `share` bytes.
fn parts(batch: &[Gathered], share: usize) -> Vec<&[Gathered]> {
    let mut parts = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, gathered) in batch.iter().enumerate() {
        bytes += gathered.bytes();
        if bytes >= share {
            parts.push(&batch[start..=at]);
            (start, bytes) = (at + 1, 0);
        }
    }
    if start < batch.len() {
        parts.push(&batch[start..]);
    }
    parts
}

/// The runs of one licence.
#[derive(Default)]
struct Gathered {
    authority: Vec<StoredRun>,
    device: Vec<StoredRun>,
}

impl Gathered {
    fn read(db: &mut dyn Database, license: &LicenseId) -> Result<Self, StoreError> {
        let mut gathered = Self::default();
        db.query(&statements::RUNS, &[license.as_bytes().into()], &mut |mut row| {
            let (run, writer) = read_stored(&mut row)?;
            let is_authority = writer == writer_number(Writer::Authority);
            if is_authority { &mut gathered.authority } else { &mut gathered.device }.push(run);
            Ok(())
        })?;
        Ok(gathered)
    }

    fn fold(&self) -> Result<Folded, StoreError> {
        Ok(refold::license(&self.authority, &self.device)?)
    }

    fn runs(&self) -> impl Iterator<Item = &StoredRun> {
        self.authority.iter().chain(&self.device)
    }

    fn bytes(&self) -> usize {
        self.runs().map(|run| run.pairs.len()).sum()
    }

    fn events(&self) -> u64 {
        self.runs().map(|run| run.count).sum()
    }
}

/// How projections differ from what follows, and how many rows were looked at.
#[derive(Default)]
struct Comparison {
    tables: BTreeMap<&'static str, Mismatch>,
    seen: BTreeMap<&'static str, u64>,
}

impl Comparison {
    fn license(&mut self, db: &mut dyn Database, license: &License, rows: &Rows) -> Result<(), StoreError> {
        let mut moved = Moved::default();
        moved.add_all(license, rows);
        let mut follows: BTreeMap<&str, Vec<Values<'_>>> =
            moved.by_table().into_iter().map(|(into, rows)| (into.table(), rows)).collect();
        for projection in LICENSE_PROJECTIONS {
            let rows = follows.remove(projection.table).unwrap_or_default();
            self.whole(db, projection, &[license.id.as_bytes().into()], rows)?;
        }
        for projection in KEYED_PROJECTIONS {
            for row in follows.remove(projection.table).unwrap_or_default() {
                let key = [row[0].clone()];
                self.whole(db, projection, &key, vec![row])?;
            }
        }
        Ok(())
    }

    /// Compares what `projection` reads with `key` with the rows that follow.
    fn whole(
        &mut self,
        db: &mut dyn Database,
        projection: &'static Projection,
        key: &[Value<'_>],
        follows: Vec<Values<'_>>,
    ) -> Result<(), StoreError> {
        let mut there = BTreeSet::new();
        let seen = self.seen.entry(projection.table).or_default();
        db.query(projection.read, key, &mut |mut row| {
            *seen += 1;
            there.insert(row.rest());
            Ok(())
        })?;
        let follows: BTreeSet<Values<'static>> =
            follows.into_iter().map(|row| row.into_iter().map(Value::into_owned).collect()).collect();
        let mismatch = self.of(projection.table);
        mismatch.unexpected += there.difference(&follows).count() as u64;
        mismatch.missing += follows.difference(&there).count() as u64;
        Ok(())
    }

    fn of(&mut self, table: &'static str) -> &mut Mismatch {
        self.tables.entry(table).or_insert(Mismatch { table, unexpected: 0, missing: 0 })
    }

    /// Rows that no licence and no key led to do not follow from anything.
    fn finish(mut self, db: &mut dyn Database) -> Result<Vec<Mismatch>, StoreError> {
        for projection in every_projection() {
            let mut rows = 0;
            db.query(projection.count, &[], &mut |mut row| {
                rows = row.uint()?;
                Ok(())
            })?;
            let seen = self.seen.get(projection.table).copied().unwrap_or_default();
            self.of(projection.table).unexpected += rows.saturating_sub(seen);
        }
        let mut found = self.tables;
        let in_order = every_projection().filter_map(|projection| found.remove(projection.table));
        Ok(in_order.filter(|mismatch| mismatch.unexpected + mismatch.missing > 0).collect())
    }
}
