//! Packing stored runs: short rows of one licence are replaced by full ones, a bounded number at a time.
//!
//! Which of them become one is decided by their lengths alone, so that the bytes of those that stay are not read.

use std::collections::BTreeSet;

use ledger::packing::{self, Length};
use schemas::canonical;
use schemas::ids::{ChainId, LicenseId};
use schemas::numbers::Seq;
use schemas::run::Origin;

use super::database::{Database, Row, Values, all, one};
use super::{StoreError, runs, statements};
use crate::store::views::{Packed, RunPlace, Tail};

/// How much one unit of work may do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Rows of which it looks at the lengths: at least two, or it comes to no end.
    rows: usize,
    /// Bytes that it writes, up to one run more.
    bytes: u64,
}

/// What a unit of work may do while others wait for the licence.
pub(super) const UNIT: Bounds = Bounds { rows: 4_096, bytes: 8 * 1024 * 1024 };
/// Rows at the end of a branch by which it is judged whether many of them are short.
const JUDGED: usize = 2 * packing::MANY_RUNS;

/// A stored run without its events.
#[derive(Clone, Debug)]
struct Stored {
    place: RunPlace,
    version: u8,
    origin: Vec<u8>,
    length: Length,
}

/// Runs that become one.
struct Group {
    place: RunPlace,
    last: Seq,
    runs: u64,
    length: Length,
}

/// What packing the licence's runs from a place on comes to, if there is nothing to be joined.
pub(super) fn nothing(
    db: &mut dyn Database,
    license: &LicenseId,
    from: &RunPlace,
    bounds: Bounds,
) -> Result<Option<Packed>, StoreError> {
    let stored = from_place(db, license, from, bounds.rows)?;
    let nothing = Packed { next: next(&stored, bounds)?, ..Packed::default() };
    Ok(groups(&stored)?.is_empty().then_some(nothing))
}

/// Packs the runs of a licence from a place on, as many as one unit of work may.
pub(super) fn pack(
    db: &mut dyn Database,
    license: &LicenseId,
    from: &RunPlace,
    bounds: Bounds,
) -> Result<Packed, StoreError> {
    if !lock(db, license)? {
        return Ok(Packed::default());
    }
    let stored = from_place(db, license, from, bounds.rows)?;
    replace_groups(db, license, &stored, bounds)
}

/// Packs the last runs of a branch, as many as one unit of work may.
pub(super) fn pack_tail(db: &mut dyn Database, tail: &Tail) -> Result<Packed, StoreError> {
    if !lock(db, &tail.license)? {
        return Ok(Packed::default());
    }
    let mut stored = Vec::new();
    db.query(&statements::TAIL_LENGTHS, &tail_values(tail, UNIT.rows), &mut |mut row| {
        stored.push(read(&mut row)?);
        Ok(())
    })?;
    stored.reverse();
    Ok(Packed { next: None, ..replace_groups(db, &tail.license, &stored, UNIT)? })
}

/// Those of the branches whose last runs are many short ones.
pub(super) fn long_tails(db: &mut dyn Database, tails: &BTreeSet<Tail>) -> Result<Vec<Tail>, StoreError> {
    let tails: Vec<Tail> = tails.iter().copied().collect();
    let sets: Vec<Values<'_>> = tails.iter().map(|tail| tail_values(tail, JUDGED)).collect();
    let mut found: Vec<Vec<Stored>> = vec![Vec::new(); tails.len()];
    db.query_each(&statements::TAIL_LENGTHS, &sets, &mut |number, mut row| {
        found[number].push(read(&mut row)?);
        Ok(())
    })?;
    let mut long = Vec::new();
    for (tail, mut stored) in tails.into_iter().zip(found) {
        stored.reverse();
        let Some(stretch) = stretches(&stored).last() else { continue };
        if packing::is_due(&lengths(stretch), full(&stretch[0])?) {
            long.push(tail);
        }
    }
    Ok(long)
}

fn lock(db: &mut dyn Database, license: &LicenseId) -> Result<bool, StoreError> {
    Ok(one(db, &statements::LOCKED_LICENSE, &[license.as_bytes().into()], |_| Ok(()))?.is_some())
}

fn from_place(
    db: &mut dyn Database,
    license: &LicenseId,
    RunPlace { chain, branch, seq }: &RunPlace,
    rows: usize,
) -> Result<Vec<Stored>, StoreError> {
    let values = [
        license.as_bytes().into(),
        chain.as_bytes().into(),
        (*branch).into(),
        (*seq).into(),
        (rows as u64).into(),
    ];
    all(db, &statements::RUN_LENGTHS, &values, read)
}

fn tail_values(tail: &Tail, rows: usize) -> Values<'_> {
    vec![
        tail.license.as_bytes().into(),
        tail.chain.as_bytes().into(),
        tail.branch.into(),
        (rows as u64).into(),
    ]
}

fn read(row: &mut Row) -> Result<Stored, StoreError> {
    let place = RunPlace { chain: ChainId(row.fixed()?), branch: row.small()?, seq: row.seq()? };
    let (version, origin, events) = (row.small()?, row.bytes()?, row.uint()?);
    // The number of events stands on top of the bytes: see the statement.
    let bytes = row.uint()?.saturating_sub(events);
    Ok(Stored { place, version, origin, length: Length { events, bytes } })
}

/// Runs that follow each other under the same header, as far as that can be told without their events.
fn stretches(stored: &[Stored]) -> impl Iterator<Item = &[Stored]> {
    let header = |run: &Stored| (run.place.chain, run.place.branch, run.version);
    stored.chunk_by(move |run, next| header(run) == header(next) && run.origin == next.origin)
}

fn lengths(stretch: &[Stored]) -> Vec<Length> {
    stretch.iter().map(|run| run.length).collect()
}

fn full(run: &Stored) -> Result<Length, StoreError> {
    let origin: Origin = canonical::from_bytes(&run.origin)?;
    Ok(Length::full(origin.writer()))
}

fn groups(stored: &[Stored]) -> Result<Vec<Group>, StoreError> {
    let mut groups = Vec::new();
    for stretch in stretches(stored) {
        for group in packing::plan(&lengths(stretch), full(&stretch[0])?) {
            let runs = &stretch[group];
            let last = runs.last().expect("a group has runs").place.seq;
            let length = Length::sum(runs.iter().map(|run| run.length));
            groups.push(Group { place: runs[0].place, last, runs: runs.len() as u64, length });
        }
    }
    Ok(groups)
}

/// Where the next unit of work looks on: at the last run, or the group that it belongs to, because what follows may fit into
/// it; nowhere if these are the last runs of the licence.
fn next(stored: &[Stored], bounds: Bounds) -> Result<Option<RunPlace>, StoreError> {
    let Some(last) = stored.last().filter(|_| stored.len() == bounds.rows) else { return Ok(None) };
    let group = groups(stored)?.pop().filter(|group| group.holds(&last.place));
    Ok(Some(group.map_or(last.place, |group| group.place)))
}

fn replace_groups(
    db: &mut dyn Database,
    license: &LicenseId,
    stored: &[Stored],
    bounds: Bounds,
) -> Result<Packed, StoreError> {
    let mut packed = Packed { next: next(stored, bounds)?, ..Packed::default() };
    let mut bytes = 0;
    for group in groups(stored)? {
        if bytes >= bounds.bytes {
            packed.next = Some(group.place);
            break;
        }
        bytes += group.length.bytes;
        replace(db, license, &group)?;
        packed.runs += group.runs;
        packed.into += 1;
        packed.events += group.length.events;
    }
    Ok(packed)
}

/// Replaces the runs of a group by one.
fn replace(db: &mut dyn Database, license: &LicenseId, group: &Group) -> Result<(), StoreError> {
    let RunPlace { chain, branch, seq } = group.place;
    let values =
        [license.as_bytes().into(), chain.as_bytes().into(), branch.into(), seq.into(), group.last.into()];
    let apart = all(db, &statements::RUNS_BETWEEN, &values, |row| runs::read(row, branch))?;
    let joined = packing::join(&apart).map_err(|_| StoreError::Damaged("run"))?;
    if joined.chain != chain || db.execute(&statements::DROP_RUNS, &values)? != group.runs {
        return Err(StoreError::Damaged("run"));
    }
    db.insert(&statements::RUN, &[runs::values(license, &joined)])?;
    Ok(())
}

impl Group {
    fn holds(&self, place: &RunPlace) -> bool {
        (place.chain, place.branch) == (self.place.chain, self.place.branch) && place.seq <= self.last
    }
}

#[cfg(test)]
mod tests;
