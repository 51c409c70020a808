//! Taking device runs into a licence: where a run attaches, and what follows from it.

use schemas::codes::Code;
use schemas::event::Body;
use schemas::event::device::Claim;
use schemas::grant::{Revocations, SeqRange, TookIn};
use schemas::ids::{ChainId, Link};
use schemas::numbers::Seq;
use schemas::run::{DeviceOrigin, Origin};

use crate::chain::Head;
use crate::draft::Draft;
use crate::evidence::claim_among;
use crate::grants;
use crate::license_key::KeySecret;
use crate::rows::BranchNumber;
use crate::run::VerifiedRun;
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
    /// It begins beyond the head.
    Gap {
        /// What is missing.
        missing: SeqRange,
    },
    /// It contradicts what is known.
    Fork,
}

/// Decides where a run attaches to a chain with the trunk's head `head`.
///
/// A run that starts at or before the head is compared once, at the overlap's end: an equal link there means equal
/// history before it. `link_at` gives the known link at a place up to the head.
///
/// # Errors
/// Those of `link_at`.
pub fn decide<E>(
    head: Head,
    link_at: impl FnOnce(Seq) -> Result<Option<Link>, E>,
    run: &VerifiedRun,
) -> Result<Plan, E> {
    let span = run.span();
    if span.first > head.seq.next() {
        return Ok(Plan::Gap { missing: SeqRange { first: head.seq.next(), last: Seq(span.first.0 - 1) } });
    }
    let overlap_end = span.last.min(head.seq);
    let known = if overlap_end == head.seq { Some(head.link) } else { link_at(overlap_end)? };
    if known.is_none() || run.link_at(overlap_end) != known {
        return Ok(Plan::Fork);
    }
    if span.last <= head.seq {
        return Ok(Plan::Known);
    }
    let from = usize::try_from(head.seq.0 + 1 - span.first.0).expect("an overlap is shorter than its run");
    Ok(Plan::Append { branch: 0, from })
}

/// What became of one chain's runs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ChainOutcome {
    /// Events that were new.
    pub events: u64,
    /// Runs that do not attach yet, by their number among those given, with what is missing before them.
    pub gaps: Vec<(usize, SeqRange)>,
    /// Runs that contradict what is known, by their number among those given.
    pub forks: Vec<usize>,
    /// Why nothing of the chain was taken.
    pub refused: Option<Code>,
    /// Whether the grant that would answer is too long to be signed: the evidence is taken, the answer stays the old one.
    pub unanswerable: bool,
}

/// Takes the runs of one device chain into a licence and decides what its device is told.
///
/// `runs` are in the order of their first places. A chain that is new to the ledger must prove its claim among the
/// runs that attach. Nothing is written for runs that are all known, unless a denial would come out differently now.
///
/// # Errors
/// Those of `link_at`, which gives the stored link of this chain's trunk at a place.
pub fn merge_chain<E>(
    draft: &mut Draft<'_>,
    chain: ChainId,
    runs: &[VerifiedRun],
    link_at: &mut dyn FnMut(Seq) -> Result<Option<Link>, E>,
    secret: &KeySecret,
    revocations: &Revocations,
) -> Result<ChainOutcome, E> {
    let mut outcome = ChainOutcome::default();
    let Some(origin) = device_origin(runs) else {
        outcome.refused = Some(Code::WrongWriter);
        return Ok(outcome);
    };
    let stored_head = draft.license().chains.get(&chain).map_or(Head::START, crate::evidence::Chain::head);
    if stored_head == Head::START
        && let Some(code) = refuse_newcomer(draft, &chain, runs, secret)
    {
        outcome.refused = Some(code);
        return Ok(outcome);
    }
    for (number, run) in runs.iter().enumerate() {
        let head = draft.license().chains.get(&chain).map_or(Head::START, crate::evidence::Chain::head);
        let link = |seq| draft.attached_link(&chain, seq).map_or_else(|| link_at(seq), |link| Ok(Some(link)));
        match decide(head, link, run)? {
            Plan::Known => {}
            Plan::Append { branch, from } => {
                draft.attach(chain, branch, &origin, run.suffix(from));
                outcome.events += (run.events().len() - from) as u64;
            }
            Plan::Gap { missing } => outcome.gaps.push((number, missing)),
            Plan::Fork => outcome.forks.push(number),
        }
    }
    outcome.unanswerable = tell(draft, chain, outcome.events, revocations).is_err();
    Ok(outcome)
}

/// Writes the grant that answers: always after new events, otherwise only where a denial is decided afresh.
fn tell(
    draft: &mut Draft<'_>,
    chain: ChainId,
    events: u64,
    revocations: &Revocations,
) -> Result<(), TooLong> {
    let license = draft.license();
    let Some(known) = license.chains.get(&chain) else { return Ok(()) };
    let undecided = license.activations.get(&chain).is_none_or(|activation| activation.granted_at.is_none());
    if events == 0 && !undecided {
        return Ok(());
    }
    let took_in = if events == 0 { Vec::new() } else { vec![took_in(chain, known.head())] };
    grants::issue_grant(draft, chain, took_in, revocations.clone())
}

fn took_in(chain: ChainId, head: Head) -> TookIn {
    TookIn { chain, first_seq: Seq(1), seq: head.seq, link: head.link }
}

/// Why a chain that the ledger does not know is not taken in: it must open for this licence's product and prove its
/// claim, both among the runs that attach.
fn refuse_newcomer(
    draft: &Draft<'_>,
    chain: &ChainId,
    runs: &[VerifiedRun],
    secret: &KeySecret,
) -> Option<Code> {
    let attaching = attaching(runs);
    let Some(first) = attaching.first() else {
        // Without its beginning nothing can be proved: the runs wait as a gap.
        return Some(Code::ChainGap);
    };
    let license = draft.license();
    match first.events().first().map(|linked| &linked.event.body) {
        Some(Body::ChainOpened(opened))
            if opened.product == license.product && opened.environment == license.environment => {}
        _ => return Some(Code::OriginMismatch),
    }
    let events = attaching.iter().flat_map(|run| run.events()).map(|linked| &linked.event);
    match claim_among(events) {
        Some(Claim::LicenseKey(claim)) if secret.license_key(license.key).proves(chain, &claim.proof) => None,
        Some(Claim::LicenseKey(_)) | None => Some(Code::ClaimInvalid),
        Some(Claim::Trial(_)) if license.is_trial() => None,
        Some(_) => Some(Code::ClaimUnsupported),
    }
}

/// The runs that follow each other from the chain's beginning on.
fn attaching(runs: &[VerifiedRun]) -> Vec<&VerifiedRun> {
    let mut head = Head::START;
    let mut attaching = Vec::new();
    for run in runs {
        let span = run.span();
        let known = span.last <= head.seq;
        if !known && run.link_at(head.seq) != Some(head.link) {
            break;
        }
        if !known {
            head = run.head();
        }
        attaching.push(run);
    }
    attaching
}

fn device_origin(runs: &[VerifiedRun]) -> Option<DeviceOrigin> {
    match &runs.first()?.header().origin {
        Origin::Device(origin) => Some(origin.clone()),
        Origin::Authority(_) | Origin::Catalog(_) => None,
    }
}

#[cfg(test)]
pub(crate) mod tests;
