//! Packing the ledger: all of it, or the ends of the branches that a merge wrote short runs onto.
//!
//! Nothing that was signed is changed by it. Each step is one commit, so that it may be ended at any time, and done again.

use std::collections::BTreeMap;

use ledger::packing::{self, Length};
use ledger::rows::StoredRun;
use schemas::ids::LicenseId;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::store::{RunPlace, Store, StoreError, Tail};

/// One more unit of work is done for so many looks: each stands for about 32 runs, and a unit looks at 4,096.
const LOOKS_A_UNIT: u64 = 2_048 / packing::MANY_RUNS as u64;
/// Branches that are noted at one time.
const MOST: usize = 65_536;
/// Branches of which the ends are looked at together.
const JUDGED_TOGETHER: usize = 1_024;

/// What packing did.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct PackReport {
    /// Licences of which runs were joined.
    pub licenses: u64,
    /// Runs that were joined.
    pub runs: u64,
    /// Runs that they became.
    pub into: u64,
    /// Events of these.
    pub events: u64,
}

/// Packs every run of the ledger. `progress` hears of runs that were joined since it was last told.
///
/// # Errors
/// When the ledger cannot be read or written; what was packed by then stays so. `audit_failed`, after all else was packed,
/// where runs of a licence do not follow each other.
pub fn pack_all(store: &mut dyn Store, progress: &mut dyn FnMut(u64)) -> Result<PackReport, Refusal> {
    let mut report = PackReport::default();
    let mut damaged = None;
    let mut after = LicenseId([0; 16]);
    loop {
        let page = store.licenses_after(&after)?;
        let Some(last) = page.last() else { break };
        after = *last;
        for license in &page {
            match pack_license(store, license, &mut report, progress) {
                Err(error @ StoreError::Damaged(_)) => {
                    damaged.get_or_insert_with(|| Refusal::from(error).at(license));
                }
                done => done?,
            }
        }
    }
    damaged.map_or(Ok(report), Err)
}

fn pack_license(
    store: &mut dyn Store,
    license: &LicenseId,
    report: &mut PackReport,
    progress: &mut dyn FnMut(u64),
) -> Result<(), StoreError> {
    let before = report.runs;
    let mut from = Some(RunPlace::START);
    while let Some(place) = from {
        let packed = store.pack(license, &place)?;
        report.runs += packed.runs;
        report.into += packed.into;
        report.events += packed.events;
        progress(packed.runs);
        from = packed.next;
    }
    report.licenses += u64::from(report.runs > before);
    Ok(())
}

/// The ends of branches that short runs made worth a look, and how often.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tails(BTreeMap<Tail, u64>);

impl Tails {
    /// Those that the runs of a licence were written onto by one unit of work.
    pub(crate) fn of(license: LicenseId, runs: &[StoredRun]) -> Self {
        let mut tails = Self::default();
        let is_short = |run: &&StoredRun| Length::of(run).is_short(run.origin.writer());
        for run in runs.iter().filter(is_short).filter(|run| packing::is_milestone(run.first_seq, run.count))
        {
            let tail = Tail { license, chain: run.chain, branch: run.branch };
            *tails.0.entry(tail).or_default() += 1;
        }
        tails
    }

    /// Notes what another unit of work wrote.
    pub(crate) fn add(&mut self, others: Self) {
        for (tail, looks) in others.0 {
            *self.0.entry(tail).or_default() += looks;
        }
    }

    /// Whether there are so many that they are packed before more are noted.
    pub(crate) fn are_many(&self) -> bool {
        self.0.len() >= MOST
    }

    /// Packs those that end in many short runs by now: how many runs were joined, and the first fault, if there was one. The
    /// work is bounded by what was written: a unit for each branch, and one more for about every 2,048 runs that it was given.
    pub(crate) fn pack(self, store: &mut dyn Store) -> (u64, Option<StoreError>) {
        let mut joined = 0;
        let mut damaged = None;
        let tails: Vec<Tail> = self.0.keys().copied().collect();
        for some in tails.chunks(JUDGED_TOGETHER) {
            let long = match store.long_tails(&some.iter().copied().collect()) {
                Ok(long) => long,
                Err(error) => return (joined, Some(error)),
            };
            for tail in long {
                match pack_tail(store, &tail, self.0[&tail], &mut joined) {
                    Ok(()) => {}
                    // What is wrong with one branch keeps no other one from being packed.
                    Err(error @ StoreError::Damaged(_)) => {
                        damaged.get_or_insert(error);
                    }
                    Err(error) => return (joined, Some(error)),
                }
            }
        }
        (joined, damaged)
    }
}

fn pack_tail(store: &mut dyn Store, tail: &Tail, looks: u64, joined: &mut u64) -> Result<(), StoreError> {
    for _ in 0..=looks / LOOKS_A_UNIT {
        let packed = store.pack_tail(tail)?;
        if packed.runs == 0 {
            break;
        }
        *joined += packed.runs;
    }
    Ok(())
}
