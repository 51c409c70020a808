//! What the branches of a forked chain tell of how it forked.
//!
//! A copy of a device's state that is started again begins with `agent.started`; times are the device's own effective
//! time, which both copies carried on from one mark. So, as far as that can be told:
//!
//! | the two sides of a parting | verdict |
//! |---|---|
//! | both were at work in the same stretch of time | clone |
//! | one ended before the other began, and the later began with a start, or neither did | restored |
//! | one ended before the other began, and only the earlier began with a start | unknown |
//! | they touch in one instant, or a clock was stepped on either side | unknown |

use std::collections::BTreeMap;

use schemas::numbers::{Micros, Seq};
use serde::Serialize;

use crate::evidence::{Branch, Start};
use crate::rows::BranchNumber;

/// A chain whose histories part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fork {
    /// The earliest place at which two events stand.
    pub seq: Seq,
    /// How it came about.
    pub verdict: Verdict,
}

/// How a chain came to fork.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
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
        if branches.values().any(|branch| branch.noted.is_some_and(|noted| noted >= seq)) {
            return Some(Self { seq, verdict: Verdict::Unknown });
        }
        let paths: Vec<Vec<Step<'_>>> = branches.keys().map(|number| path(branches, *number)).collect();
        let pairs = paths
            .iter()
            .enumerate()
            .flat_map(|(number, one)| paths[number + 1..].iter().map(move |other| verdict(one, other)));
        Some(Self { seq, verdict: pairs.max()? })
    }
}

/// A branch on the way from the chain's beginning, and the last place on it before the way leaves it.
#[derive(Clone, Copy)]
struct Step<'a> {
    number: BranchNumber,
    branch: &'a Branch,
    left_after: Seq,
}

/// The way from the chain's beginning to the head of a branch.
fn path(branches: &BTreeMap<BranchNumber, Branch>, to: BranchNumber) -> Vec<Step<'_>> {
    let mut number = to;
    let mut left_after = branches[&to].head.seq;
    let mut path = Vec::new();
    loop {
        let branch = &branches[&number];
        path.push(Step { number, branch, left_after });
        if branch.parent == number {
            break;
        }
        left_after = Seq(branch.first_seq.0 - 1);
        number = branch.parent;
    }
    path.reverse();
    path
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
fn verdict(one: &[Step<'_>], other: &[Step<'_>]) -> Verdict {
    let shared = one.iter().zip(other).take_while(|(one, other)| one.number == other.number).count() - 1;
    let parted = one[shared].left_after.min(other[shared].left_after);
    let (Some(one), Some(other)) = (side(one, other, shared, parted), side(other, one, shared, parted))
    else {
        return Verdict::Unknown;
    };
    let in_turn = |earlier: Side, later: Side| (earlier.last_at < later.first.at).then_some((earlier, later));
    match in_turn(one, other).or_else(|| in_turn(other, one)) {
        Some((earlier, later)) if later.first.is_start || !earlier.first.is_start => Verdict::Restored,
        None if one.first.at < other.last_at && other.first.at < one.last_at => Verdict::Clone,
        _ => Verdict::Unknown,
    }
}

/// One side of a parting.
#[derive(Clone, Copy)]
struct Side {
    first: Start,
    last_at: Micros,
}

/// The side of `way` after the place `parted` on the branch that it shares with `other` up to there.
fn side(way: &[Step<'_>], other: &[Step<'_>], shared: usize, parted: Seq) -> Option<Side> {
    let first = if way[shared].left_after == parted {
        way.get(shared + 1)?.branch.first
    } else {
        other.get(shared + 1)?.branch.rival?
    };
    Some(Side { first, last_at: way.last()?.branch.last_at })
}

#[cfg(test)]
mod tests;
