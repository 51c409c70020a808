//! What the branches of a forked chain tell of how it forked.
//!
//! A copy of a device's state that is started again begins with `agent.started`, and with `clock.noted` where the clock
//! went on meanwhile; times are the device's own effective time, which both copies carried on from one mark. So, as far
//! as that can be told:
//!
//! | the two sides of a parting | verdict |
//! |---|---|
//! | both were at work in the same stretch of time, even if no step forward since the parting was true | clone |
//! | one ended before the other began, and the later began with a start, or neither did | restored |
//! | one ended before the other began, and only the earlier began with a start | unknown |
//! | they touch in one instant, or overlap only if a step forward was true | unknown |
//! | a clock was set back or a time runs backwards on either side, or the clock stood behind when they parted | unknown |
//!
//! A step forward is what power-off leaves, and is believed as far as it says how late a side began: a device that is
//! put back after three days wakes with one. It is not believed as far as it would prove that a side was at work for
//! longer: a clock that stands years ahead is what a backup may have been put back for.
//!
//! That is where it ends: a copy whose clock is set far ahead before its first event looks like one that began after
//! the other had ended, until the other is seen at work beyond that time. And a clock that is wrong by less than the
//! tolerance is never noted: of a device that was put back within that time, and its clock set right, the two sides may
//! overlap by as much, and look like copies at work. Nothing in the chain tells more; whoever knows
//! when it came sees a time that lies after its receipt ([`crate::clocks`]). Names of program and machine starts tell
//! nothing: a machine that is set back resumes under the names that it had.

use std::collections::BTreeMap;

use schemas::numbers::{Micros, Seq};
use serde::{Deserialize, Serialize};

use crate::evidence::{Branch, Start, Stretch, way};
use crate::rows::BranchNumber;

/// A chain whose histories part.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Fork {
    /// The earliest place at which two events stand.
    pub seq: Seq,
    /// How it came about.
    pub verdict: Verdict,
}

/// How a chain came to fork.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// An older state was put back; the state that it replaced says nothing more.
    Restored,
    /// It cannot be told.
    Unknown,
    /// Two copies were at work at a time.
    Clone,
}

impl Verdict {
    /// The word that people read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Restored => "restored",
            Self::Unknown => "unknown",
            Self::Clone => "clone",
        }
    }

    /// Reads the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Restored, Self::Unknown, Self::Clone].into_iter().find(|verdict| verdict.word() == word)
    }
}

impl Fork {
    /// The fork among branches, if they part: the worst that any two histories tell. Which branch is called the trunk
    /// does not matter.
    pub fn among(branches: &BTreeMap<BranchNumber, Branch>) -> Option<Self> {
        let parting = branches.values().filter(|branch| branch.rival.is_some());
        let seq = parting.map(|branch| branch.first_seq).min()?;
        if times_are_in_doubt(branches, seq) {
            return Some(Self { seq, verdict: Verdict::Unknown });
        }
        let paths: Vec<Vec<Stretch<'_>>> =
            branches.iter().map(|(number, branch)| way(branches, *number, branch.head.seq)).collect();
        let pairs = paths
            .iter()
            .enumerate()
            .flat_map(|(number, one)| paths[number + 1..].iter().map(move |other| verdict(one, other)));
        Some(Self { seq, verdict: pairs.max()? })
    }
}

/// Whether times after the first parting, at `seq`, tell no order: one runs backwards, or they may be held by a clock
/// that stands behind.
fn times_are_in_doubt(branches: &BTreeMap<BranchNumber, Branch>, seq: Seq) -> bool {
    branches.values().any(|branch| {
        let parts_first = branch.rival.is_some() && branch.first_seq == seq;
        branch.unsteady.is_some_and(|unsteady| unsteady >= seq) || parts_first && branch.steps_before.behind
    })
}

/// When a chain was closed: where it was restored, by the copy that went on; otherwise by every copy that is known.
pub(crate) fn closed_at(branches: &BTreeMap<BranchNumber, Branch>, fork: Option<&Fork>) -> Option<Micros> {
    let restored = fork.is_some_and(|fork| fork.verdict == Verdict::Restored);
    if restored {
        let live = branches.values().max_by_key(|branch| branch.last_at)?;
        return live.closed.map(|closed| closed.at);
    }
    let closed: Option<Vec<Micros>> =
        branches.values().map(|branch| branch.closed.map(|closed| closed.at)).collect();
    closed?.into_iter().max()
}

/// What two histories tell, from where they part.
fn verdict(one: &[Stretch<'_>], other: &[Stretch<'_>]) -> Verdict {
    let Some((one, other)) = sides(one, other) else { return Verdict::Unknown };
    let in_turn = |earlier: Side, later: Side| (earlier.last_at < later.first.at).then_some((earlier, later));
    match in_turn(one, other).or_else(|| in_turn(other, one)) {
        Some((earlier, later)) if later.first.is_start || !earlier.first.is_start => Verdict::Restored,
        None if one.first.at < other.surely_at_work() && other.first.at < one.surely_at_work() => {
            Verdict::Clone
        }
        _ => Verdict::Unknown,
    }
}

/// One side of a parting.
#[derive(Clone, Copy)]
struct Side {
    first: Start,
    last_at: Micros,
    /// How far the steps of its clock forward come to, in microseconds.
    ahead: u64,
}

impl Side {
    /// When it was last at work, if none of its steps forward was true.
    fn surely_at_work(&self) -> Micros {
        Micros::new(self.last_at.get().saturating_sub(self.ahead))
    }
}

/// The two sides after the last place that both ways share.
fn sides(one: &[Stretch<'_>], other: &[Stretch<'_>]) -> Option<(Side, Side)> {
    let shared = one.iter().zip(other).take_while(|(one, other)| one.number == other.number).count() - 1;
    let parted = one[shared].left_after.min(other[shared].left_after);
    let leaves = |way: &[Stretch<'_>]| {
        let next = way.get(shared + 1).filter(|_| way[shared].left_after == parted)?;
        Some((next.branch.first, next.branch.rival?, next.branch.steps_before.ahead))
    };
    let (leaving, staying) = (leaves(one), leaves(other));
    let (_, rival, before) = leaving.or(staying)?;
    let side = |way: &[Stretch<'_>], leaves: Option<(Start, Start, u64)>| {
        let last = way.last()?.branch;
        let first = leaves.map_or(rival, |(first, ..)| first);
        Some(Side { first, last_at: last.last_at, ahead: last.steps.ahead.saturating_sub(before) })
    };
    Some((side(one, leaving)?, side(other, staying)?))
}

#[cfg(test)]
mod tests;
