//! Packing: short runs that follow each other on a branch become full ones, without a change to a signed byte.
//!
//! Only whole runs are joined. The last signature of each was checked when it came, so that the last one of a joined run
//! is good too; a cut anywhere else could end a run with an event whose own signature is not the signer's, and nobody
//! would believe that run by itself. No two runs that follow each other are left that would fit into one, so that packed
//! runs are more than half full together, and runs that are short against a full one fill it almost whole.

use std::ops::Range;

use schemas::event::Writer;
use schemas::limits;
use schemas::numbers::Seq;
use thiserror::Error;

use crate::chain::Head;
use crate::rows::StoredRun;

/// Room for what stands before a run's events.
const HEADER_BYTES: u64 = 1_024;
/// How many short runs at the end of a branch are worth packing as soon as they are there.
pub const MANY_RUNS: usize = 32;
/// A run with fewer events than this is short: an eighth of a full one.
const SHORT_EVENTS: u64 = limits::RUN_EVENTS as u64 / 8;

/// Why runs were not joined.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum PackError {
    /// One does not begin where the one before it ends, or is of another chain, branch, writer or version.
    #[error("the run that begins with event {0} does not follow the one before it")]
    Apart(Seq),
    /// Together they are longer than a run may be.
    #[error("the runs are together longer than a run may be")]
    TooLong,
}

/// How long a run is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Length {
    /// Its events.
    pub events: u64,
    /// The bytes of their pairs.
    pub bytes: u64,
}

impl Length {
    /// The longest run that packing makes of a writer's runs: what a run may be at most. Of the vendor's own it is the length
    /// of the longest grant, because a whole run is read whenever a device asks for a grant again.
    pub fn full(writer: Writer) -> Self {
        let bytes = match writer {
            Writer::Device => limits::RUN_BYTES,
            Writer::Authority | Writer::Catalog => limits::GRANT_BYTES,
        };
        Self { events: limits::RUN_EVENTS as u64, bytes: bytes as u64 - HEADER_BYTES }
    }

    /// The length of a stored run.
    pub fn of(run: &StoredRun) -> Self {
        Self { events: run.count, bytes: run.pairs.len() as u64 }
    }

    /// Whether a run of a device or the vendor is so short that many of them are packed as soon as they are there.
    pub fn is_short(self, writer: Writer) -> bool {
        self.events < SHORT_EVENTS && self.bytes < Self::full(writer).bytes / 8
    }

    /// The length of runs together.
    pub fn sum(lengths: impl IntoIterator<Item = Self>) -> Self {
        lengths.into_iter().fold(Self { events: 0, bytes: 0 }, Self::with)
    }

    fn fits(self, full: Self) -> bool {
        self.events <= full.events && self.bytes <= full.bytes
    }

    fn with(self, next: Self) -> Self {
        Self { events: self.events + next.events, bytes: self.bytes + next.bytes }
    }
}

/// Which of the runs of one branch that follow each other become one: from the first on, as many as fit into a full run.
/// Runs that stay as they are, are in none of the ranges.
pub fn plan(lengths: &[Length], full: Length) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let mut open: Option<(usize, Length)> = None;
    for (at, length) in lengths.iter().enumerate() {
        let joined = open.map(|(start, together)| (start, together.with(*length)));
        if let Some(longer) = joined.filter(|(_, together)| together.fits(full)) {
            open = Some(longer);
        } else {
            groups.extend(open.map(|(start, _)| start..at));
            open = Some((at, *length));
        }
    }
    groups.extend(open.map(|(start, _)| start..lengths.len()));
    groups.retain(|group| group.len() > 1);
    groups
}

/// Whether the last runs of a branch are so many short ones that they are packed now: whether that leaves 31 fewer.
///
/// A branch that is packed whenever this holds is rewritten in O(n) over its life. After a packing no two of the runs that
/// were looked at fit into one, so that only the last of them is ever rewritten again; and that happens once for every 31
/// runs or more that came since. Of n events that come in runs of e each, at most n (1 + 4,096 / 31 e) are therefore written
/// by packing: 14 n for ten at a time, and never more than 134 n.
pub fn is_due(lengths: &[Length], full: Length) -> bool {
    let saved: usize = plan(lengths, full).iter().map(|group| group.len() - 1).sum();
    saved + 1 >= MANY_RUNS
}

/// Whether the end of a branch is worth a look now that a run of `count` events was written onto it: about once in
/// [`MANY_RUNS`] to twice as many, so that lengths need be neither kept nor read for each. A branch of short runs of one length is
/// found due before it ends in a hundred of them; one of mixed lengths when 16,384 events were added at the latest.
pub fn is_milestone(first: Seq, count: u64) -> bool {
    // Powers of two divide each other: whatever crosses the place of a longer stride is seen by a shorter one too.
    let stride = count.max(1).next_power_of_two().saturating_mul(MANY_RUNS as u64);
    first.0.saturating_sub(1) / stride < (first.0.saturating_sub(1) + count) / stride
}

/// One run of all of these, which follow each other: the same pairs, and so the same events, signatures and links.
///
/// # Errors
/// When one does not follow the one before it, or they would be longer than a run may be.
///
/// # Panics
/// If there is none.
pub fn join(runs: &[StoredRun]) -> Result<StoredRun, PackError> {
    let (first, last) = (runs.first().expect("at least one run"), runs.last().expect("at least one run"));
    for pair in runs.windows(2) {
        if !follows(&pair[0], &pair[1]) {
            return Err(PackError::Apart(pair[1].first_seq));
        }
    }
    let length = Length::sum(runs.iter().map(Length::of));
    if runs.len() > 1 && !length.fits(Length::full(Writer::Device)) {
        return Err(PackError::TooLong);
    }
    let pairs = runs.iter().flat_map(|run| &run.pairs).copied().collect();
    Ok(StoredRun { count: length.events, head: last.head, last_at: last.last_at, pairs, ..first.clone() })
}

/// Whether `next` goes on where `run` ends, and under the same header.
fn follows(run: &StoredRun, next: &StoredRun) -> bool {
    let begins = Head { seq: Seq(next.first_seq.0.saturating_sub(1)), link: next.prev };
    let header = |run: &StoredRun| (run.chain, run.branch, run.version);
    run.head == begins && header(run) == header(next) && run.origin == next.origin
}

#[cfg(test)]
pub(crate) mod tests;
