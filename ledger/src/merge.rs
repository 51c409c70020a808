//! Taking device runs into a licence: where a run attaches, and what follows from it.

mod admission;
mod attaching;

use schemas::codes::Code;
use schemas::event::Kind;
use schemas::event::authority::ReleaseReason;
use schemas::grant::{Revocations, SeqRange, TookIn};
use schemas::ids::{ChainId, Digest, Link};
use schemas::numbers::Seq;
use schemas::run::{DeviceOrigin, Origin};

use self::admission::Admission;
use self::attaching::Attaching;
use crate::authority::License;
use crate::digest::BranchEvidence;
use crate::draft::Draft;
use crate::grants;
use crate::license_key::KeySecret;
use crate::rows::{BranchNumber, HistoryEntry, StoredRun};
use crate::run::VerifiedRun;
use crate::seats;
use crate::writer::TooLong;

/// What becomes of a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Plan {
    /// Every event of it is known.
    Known,
    /// It extends `branch`, from its event number `from` on.
    Append {
        /// The branch.
        branch: BranchNumber,
        /// The first event that is new.
        from: usize,
    },
    /// Its event number `from` stands beside another at the same place of `parent`: there a new branch begins.
    Part {
        /// The branch that it parts from.
        parent: BranchNumber,
        /// The first event that is new.
        from: usize,
    },
    /// It follows an event that is not known.
    Wait {
        /// A branch that holds another event at the place before the run's first.
        against: Option<BranchNumber>,
    },
}

/// Decides where a run attaches to a chain with `branches`: at the last of its places whose link is known there.
///
/// A run that overlaps a branch is compared once, at the overlap's end: an equal link there means equal history before
/// it. Only where it differs is the place of the parting searched for, in as many steps as the overlap has binary
/// digits.
///
/// # Errors
/// Those of `link_at`, which gives the link after a place that is a branch's own, or 0.
pub fn decide<E>(
    branches: &[BranchEvidence],
    mut link_at: impl FnMut(BranchNumber, Seq) -> Result<Link, E>,
    run: &VerifiedRun,
) -> Result<Plan, E> {
    let span = run.span();
    let before = Seq(span.first.0 - 1);
    let mut best: Option<(Seq, BranchNumber, Seq)> = None;
    let mut against = None;
    for branch in branches {
        let number = branch.number;
        let own = if number == 0 { Seq(0) } else { branch.first_seq };
        let (first, last) = (own.max(before), branch.head.seq.min(span.last));
        if first > last {
            continue;
        }
        let mut agrees = |seq| {
            let known = if seq == branch.head.seq { branch.head.link } else { link_at(number, seq)? };
            Ok(run.link_at(seq) == Some(known))
        };
        match last_agreed(first, last, &mut agrees)? {
            Some(seq) => best = best.max(Some((seq, number, branch.head.seq))),
            None => against = against.or(Some(number)),
        }
    }
    if branches.is_empty() && before == Seq(0) {
        return Ok(Plan::Append { branch: 0, from: 0 });
    }
    let Some((seq, branch, end)) = best else { return Ok(Plan::Wait { against }) };
    let from = usize::try_from(seq.0 + 1 - span.first.0).expect("an overlap is shorter than its run");
    Ok(if seq == span.last {
        Plan::Known
    } else if seq == end {
        Plan::Append { branch, from }
    } else {
        Plan::Part { parent: branch, from }
    })
}

/// The last place from `first` to `last` at which `agrees`; it agrees at no place after one where it does not.
fn last_agreed<E>(
    first: Seq,
    last: Seq,
    agrees: &mut impl FnMut(Seq) -> Result<bool, E>,
) -> Result<Option<Seq>, E> {
    if agrees(last)? {
        return Ok(Some(last));
    }
    if first == last || !agrees(first)? {
        return Ok(None);
    }
    let (mut same, mut differs) = (first.0, last.0);
    while differs - same > 1 {
        let middle = same.midpoint(differs);
        if agrees(Seq(middle))? {
            same = middle;
        } else {
            differs = middle;
        }
    }
    Ok(Some(Seq(same)))
}

/// What is stored of one licence's device chains beyond its fold state.
pub trait Stored<E> {
    /// The run that holds the event at `seq`, which is a place of that branch's own.
    ///
    /// # Errors
    /// When it cannot be read or is not there.
    fn run_holding(&mut self, chain: &ChainId, branch: BranchNumber, seq: Seq) -> Result<StoredRun, E>;

    /// The link after the event at `seq` of one of the licence's authority chains, if it is there.
    ///
    /// # Errors
    /// When it cannot be read.
    fn authority_link(&mut self, chain: &ChainId, seq: Seq) -> Result<Option<Link>, E>;

    /// Tells the lifecycle events of one kind on a device chain, at least each branch's in order.
    ///
    /// # Errors
    /// When they cannot be read.
    fn history(&mut self, chain: &ChainId, kind: Kind, hear: &mut dyn FnMut(&HistoryEntry)) -> Result<(), E>;

    /// The bytes of a run that is parked, if it is there.
    ///
    /// # Errors
    /// When they cannot be read.
    fn parked(&mut self, chain: &ChainId, name: &Digest) -> Result<Option<Vec<u8>>, E>;
}

/// What became of one chain's runs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ChainOutcome {
    /// Events that were new.
    pub events: u64,
    /// Runs that are parked now, by their number among those given.
    pub parked: Vec<usize>,
    /// Runs that may not even wait, by their number among those given, with the reason.
    pub left_out: Vec<(usize, Code)>,
    /// What is missing before runs that are parked, these or earlier ones.
    pub missing: Vec<SeqRange>,
    /// Whether the runs contradict what was known.
    pub forked: bool,
    /// Whether what is new came after the activation was taken away, or while the licence does not stand.
    pub late: bool,
    /// Why nothing of the chain was taken.
    pub refused: Option<Code>,
    /// Whether the grant that would answer is too long to be signed: the evidence is taken, the answer stays the old one.
    pub unanswerable: bool,
}

/// Takes the runs of one device chain into a licence and decides what its device is told.
///
/// `runs` are in the order of their first places. A chain that is new to the ledger must prove its claim among the
/// runs that attach. What waited for one of them attaches with it. Nothing is written for runs that are all known,
/// unless a denial would come out differently now or the last answer can no longer be applied: then the device, which
/// may have nothing else to say, is answered anew.
///
/// # Errors
/// Those of `stored`.
pub fn merge_chain<E>(
    draft: &mut Draft<'_>,
    chain: ChainId,
    runs: &[VerifiedRun],
    stored: &mut dyn Stored<E>,
    secret: &KeySecret,
    revocations: &Revocations,
) -> Result<ChainOutcome, E> {
    let refused = |code| ChainOutcome { refused: Some(code), ..ChainOutcome::default() };
    let Some(origin) = device_origin(runs) else { return Ok(refused(Code::WrongWriter)) };
    if !draft.license().chains.contains_key(&chain)
        && let Some(code) =
            (Admission { license: draft.license(), chain: &chain, secret }).refuse_newcomer(&origin, runs)
    {
        let mut outcome = refused(code);
        if code == Code::ChainGap {
            outcome.unanswerable = tell(draft, chain, &[], &outcome, revocations).is_err();
        }
        return Ok(outcome);
    }
    let mut attaching = Attaching::new(draft, chain, origin, stored, secret);
    attaching.take(runs)?;
    let Attaching { moved, outcome, .. } = attaching;
    let mut outcome = outcome;
    outcome.unanswerable = tell(draft, chain, &moved, &outcome, revocations).is_err();
    outcome.late = outcome.events > 0 && is_late(draft.license(), &chain);
    Ok(outcome)
}

/// Writes the grant that answers: always after something new, otherwise only where a denial is decided afresh, or where
/// the last answer comes too late or from before a restore. Where nothing was taken in, an old report or one that only
/// waits, the deadline stays what it was. A chain of which nothing is known has an answer only where that was taken back.
fn tell(
    draft: &mut Draft<'_>,
    chain: ChainId,
    moved: &[BranchNumber],
    outcome: &ChainOutcome,
    revocations: &Revocations,
) -> Result<(), TooLong> {
    let license = draft.license();
    let known = license.chains.get(&chain);
    let decided = license.activations.get(&chain).filter(|activation| activation.granted_at.is_some());
    let took_in: Vec<TookIn> = known.map_or_else(Vec::new, |known| {
        moved.iter().map(|branch| known.branches[branch].took_in(chain)).collect()
    });
    if !took_in.is_empty() {
        return grants::issue_grant(draft, chain, took_in, revocations.clone());
    }
    match decided {
        Some(activation)
            if !outcome.parked.is_empty()
                || activation.is_answer_late(draft.now())
                || activation.grant.epoch < license.epoch =>
        {
            grants::answer_again(draft, chain, revocations.clone())
        }
        None if known.is_some() => grants::issue_grant(draft, chain, took_in, revocations.clone()),
        _ => Ok(()),
    }
}

fn is_late(license: &License, chain: &ChainId) -> bool {
    license.activations.get(chain).is_some_and(|activation| {
        let taken_away = activation.released.is_some_and(|released| released.why != ReleaseReason::Closed);
        seats::is_late(activation.status, taken_away)
    })
}

fn device_origin(runs: &[VerifiedRun]) -> Option<DeviceOrigin> {
    match &runs.first()?.header().origin {
        Origin::Device(origin) => Some(origin.clone()),
        Origin::Authority(_) | Origin::Catalog(_) => None,
    }
}

#[cfg(test)]
pub(crate) mod tests;
