//! Attaching the runs of one chain: what fits goes in, what waited for it follows, the rest waits.

use std::collections::BTreeSet;
use std::ops::Range;

use schemas::codes::Code;
use schemas::event::Body;
use schemas::event::authority::ChainForked;
use schemas::ids::{ChainId, Digest, Link};
use schemas::limits;
use schemas::numbers::Seq;
use schemas::run::DeviceOrigin;

use super::admission::{Admission, Admitted};
use super::{ChainOutcome, Plan, Stored, decide};
use crate::digest::BranchEvidence;
use crate::draft::Draft;
use crate::evidence::{Chain, Parting, Told};
use crate::license_key::KeySecret;
use crate::parking;
use crate::proof;
use crate::rows::{BranchNumber, StoredRun};
use crate::run::{VerifiedRun, verify_device};

/// A chain while runs are attached to it.
pub(super) struct Attaching<'a, 'd, E> {
    draft: &'a mut Draft<'d>,
    chain: ChainId,
    origin: DeviceOrigin,
    stored: &'a mut dyn Stored<E>,
    secret: &'a KeySecret,
    /// The links of the stored run that was looked at last.
    seen: Option<(BranchNumber, Seq, Vec<Link>)>,
    /// Branches that moved, the one that moved last at the end.
    pub(super) moved: Vec<BranchNumber>,
    pub(super) outcome: ChainOutcome,
}

/// A run that is to be attached.
enum Candidate<'r> {
    /// Given, by its number.
    Given(usize, &'r VerifiedRun),
    /// One that was parked.
    Parked(Digest, Box<VerifiedRun>),
}

impl Candidate<'_> {
    fn run(&self) -> &VerifiedRun {
        match self {
            Self::Given(_, run) => run,
            Self::Parked(_, run) => run,
        }
    }
}

impl<'a, 'd, E> Attaching<'a, 'd, E> {
    pub(super) fn new(
        draft: &'a mut Draft<'d>,
        chain: ChainId,
        origin: DeviceOrigin,
        stored: &'a mut dyn Stored<E>,
        secret: &'a KeySecret,
    ) -> Self {
        let (moved, outcome) = (Vec::new(), ChainOutcome::default());
        Self { draft, chain, origin, stored, secret, seen: None, moved, outcome }
    }

    /// Attaches what can be attached, of `runs` and of what waited for them, parks the rest, and records what of it is
    /// proof of a fork.
    pub(super) fn take(&mut self, runs: &[VerifiedRun]) -> Result<(), E> {
        let mut waiting: Vec<Candidate<'_>> =
            runs.iter().enumerate().map(|(number, run)| Candidate::Given(number, run)).collect();
        waiting = self.pass(waiting)?;
        let mut tried = BTreeSet::new();
        while self.outcome.events > 0 {
            waiting.extend(self.parked(&mut tried)?);
            let before = (waiting.len(), self.outcome.events);
            waiting.sort_by_key(|candidate| candidate.run().span().first);
            waiting = self.pass(waiting)?;
            if (waiting.len(), self.outcome.events) == before {
                break;
            }
        }
        self.draft.settle(&self.chain);
        for candidate in waiting {
            if let Candidate::Given(number, run) = candidate {
                self.park(number, run)?;
            }
        }
        self.outcome.missing = self.known().map_or_else(Vec::new, Chain::missing);
        self.record_parting()
    }

    fn known(&self) -> Option<&Chain> {
        self.draft.license().chains.get(&self.chain)
    }

    fn branches(&self) -> Vec<BranchEvidence> {
        let branches = self.known().into_iter().flat_map(|known| &known.branches);
        branches.map(|(number, branch)| BranchEvidence::of(*number, branch)).collect()
    }

    /// The runs that are parked, may attach now, and were not tried yet.
    fn parked<'r>(&mut self, tried: &mut BTreeSet<Digest>) -> Result<Vec<Candidate<'r>>, E> {
        let mut runs = Vec::new();
        for name in self.known().map_or_else(Vec::new, Chain::may_attach) {
            if !tried.insert(name) {
                continue;
            }
            let parked = match self.draft.parked(&self.chain, &name) {
                Some(bytes) => Some(bytes.clone()),
                None => self.stored.parked(&self.chain, &name)?,
            };
            // They were believed before they were parked.
            let run = parked.and_then(|bytes| verify_device(&bytes).ok());
            runs.extend(run.map(|run| Candidate::Parked(name, Box::new(run))));
        }
        Ok(runs)
    }

    /// Attaches what can be attached, in order, and gives back what cannot.
    fn pass<'r>(&mut self, candidates: Vec<Candidate<'r>>) -> Result<Vec<Candidate<'r>>, E> {
        let mut waiting = Vec::new();
        for candidate in candidates {
            if !self.attach(&candidate)? {
                waiting.push(candidate);
            } else if let Candidate::Parked(name, _) = candidate {
                self.draft.unpark(self.chain, name);
            }
        }
        Ok(waiting)
    }

    /// Whether the run is attached now, or was.
    fn attach(&mut self, candidate: &Candidate<'_>) -> Result<bool, E> {
        let run = candidate.run();
        let branches = self.branches();
        let plan = decide(&branches, |branch, seq| self.link_at(branch, seq), run)?;
        match plan {
            Plan::Known => Ok(true),
            Plan::Append { branch, from } => {
                let Admitted { numbers, refused } = self.admit(run, from);
                if !numbers.is_empty() {
                    self.extend(branch, None, run, numbers);
                }
                Ok(self.leave_out_rest(candidate, refused))
            }
            Plan::Part { parent, from } => self.part(candidate, parent, from, branches.len()),
            Plan::Wait { .. } => Ok(false),
        }
    }

    /// What of a run may attach from its event number `from` on.
    fn admit(&self, run: &VerifiedRun, from: usize) -> Admitted {
        let admission = Admission { license: self.draft.license(), chain: &self.chain, secret: self.secret };
        admission.admit(&self.origin, run, from)
    }

    /// Records that a run which may not attach from its event number `from` on contradicts what is known.
    fn tell_apart(&mut self, parent: BranchNumber, run: &VerifiedRun, from: usize) -> Result<(), E> {
        let place = Seq(run.span().first.0 + from as u64);
        if !self.is_recorded(place) {
            self.outcome.forked = true;
            let one = proof::from_stored(&self.run_holding(parent, place)?, place);
            self.record(place, one, proof::from_run(run, place));
        }
        Ok(())
    }

    /// Says of a run that it may not even wait, unless it was parked: there it stays. Gives whether it waits no longer.
    fn leave_out(&mut self, candidate: &Candidate<'_>, code: Code) -> bool {
        let Candidate::Given(number, _) = candidate else { return false };
        self.outcome.left_out.push((*number, code));
        true
    }

    /// The same of what of a run is refused, if anything is.
    fn leave_out_rest(&mut self, candidate: &Candidate<'_>, refused: Option<Code>) -> bool {
        refused.is_none_or(|code| self.leave_out(candidate, code))
    }

    fn part(
        &mut self,
        candidate: &Candidate<'_>,
        parent: BranchNumber,
        from: usize,
        branches: usize,
    ) -> Result<bool, E> {
        let run = candidate.run();
        let Admitted { numbers, refused } = self.admit(run, from);
        if numbers.is_empty() {
            self.tell_apart(parent, run, from)?;
            return Ok(self.leave_out_rest(candidate, refused));
        }
        if branches == limits::BRANCHES {
            return Ok(self.leave_out(candidate, Code::BranchesFull));
        }
        let place = Seq(run.span().first.0 + from as u64);
        let rival = self.run_holding(parent, place)?;
        let Some(rival) = rival.start_at(place) else { return Ok(false) };
        let before = Seq(place.0 - 1);
        let before = if before == Seq(0) { None } else { self.run_holding(parent, before)?.start_at(before) };
        let before = before.map(|start| start.at);
        let parting = Parting { parent, rival, before, told: self.told(parent, place)? };
        let branch = self.known().map_or(0, Chain::next_branch);
        self.extend(branch, Some(parting), run, numbers);
        self.outcome.forked = true;
        Ok(self.leave_out_rest(candidate, refused))
    }

    fn extend(
        &mut self,
        branch: BranchNumber,
        parting: Option<Parting>,
        run: &VerifiedRun,
        numbers: Range<usize>,
    ) {
        self.outcome.events += numbers.len() as u64;
        self.draft.attach(self.chain, branch, parting, &self.origin, run.section(numbers));
        self.moved.retain(|moved| *moved != branch);
        self.moved.push(branch);
    }

    fn park(&mut self, number: usize, run: &VerifiedRun) -> Result<(), E> {
        let Some(known) = self.known() else {
            self.outcome.left_out.push((number, Code::ChainGap));
            return Ok(());
        };
        let (name, bytes) = parking::name(run);
        if known.parked.contains_key(&name) {
            return Ok(());
        }
        if !parking::has_room(&known.parked, bytes.len() as u64) {
            self.outcome.left_out.push((number, Code::ParkingFull));
            return Ok(());
        }
        let branches = self.branches();
        if let Plan::Wait { against: Some(branch) } =
            decide(&branches, |branch, seq| self.link_at(branch, seq), run)?
        {
            self.outcome.forked = true;
            self.record_contradiction(branch, run)?;
        }
        self.draft.park(self.chain, name, run.span(), bytes);
        self.outcome.parked.push(number);
        Ok(())
    }

    /// The link after a branch's own place.
    fn link_at(&mut self, branch: BranchNumber, seq: Seq) -> Result<Link, E> {
        if seq == Seq(0) {
            return Ok(Link::START);
        }
        if let Some(link) = self.draft.attached_link(&self.chain, branch, seq) {
            return Ok(link);
        }
        if let Some((of, first, links)) = &self.seen
            && *of == branch
            && let Some(link) = seq.0.checked_sub(first.0).and_then(|at| links.get(usize::try_from(at).ok()?))
        {
            return Ok(*link);
        }
        let run = self.stored.run_holding(&self.chain, branch, seq)?;
        let links = run.links();
        let link = links.get(run.index(seq)).copied();
        self.seen = Some((branch, run.first_seq, links));
        Ok(link.unwrap_or(run.head.link))
    }

    fn run_holding(&mut self, branch: BranchNumber, seq: Seq) -> Result<StoredRun, E> {
        match self.draft.attached_run(&self.chain, branch, seq) {
            Some(run) => Ok(run.clone()),
            None => self.stored.run_holding(&self.chain, branch, seq),
        }
    }

    /// What was told before `place` on the way to it.
    fn told(&mut self, parent: BranchNumber, place: Seq) -> Result<Told, E> {
        let known = &self.draft.license().chains[&self.chain];
        let mut told = Told::before(&known.branches, parent, place);
        for kind in Told::KINDS {
            self.stored.history(&self.chain, kind, &mut |entry| told.hear(entry))?;
        }
        self.draft.attached_history(&self.chain).for_each(|entry| told.hear(entry));
        Ok(told)
    }

    /// Two signed events at one place.
    fn record_parting(&mut self) -> Result<(), E> {
        let branches = self.branches();
        let parted = branches.iter().filter(|branch| branch.parent != branch.number);
        let Some(first) = parted.min_by_key(|branch| branch.first_seq) else { return Ok(()) };
        let BranchEvidence { number, parent, first_seq: place, .. } = *first;
        if self.is_recorded(place) {
            return Ok(());
        }
        let one = proof::from_stored(&self.run_holding(parent, place)?, place);
        let other = proof::from_stored(&self.run_holding(number, place)?, place);
        self.record(place, one, other);
        Ok(())
    }

    /// A signed event whose link is not the one that its signed successor claims.
    fn record_contradiction(&mut self, branch: BranchNumber, run: &VerifiedRun) -> Result<(), E> {
        let place = Seq(run.span().first.0 - 1);
        if self.is_recorded(place) {
            return Ok(());
        }
        let one = proof::from_stored(&self.run_holding(branch, place)?, place);
        self.record(place, one, proof::from_run(run, run.span().first));
        Ok(())
    }

    fn is_recorded(&self, place: Seq) -> bool {
        self.draft.license().forks.get(&self.chain).is_some_and(|known| known.seq <= place)
    }

    /// A proof that no reader would take, because so many signatures in it are bad, is not recorded: the branches tell
    /// of the fork all the same.
    fn record(&mut self, seq: Seq, one: Option<Vec<u8>>, other: Option<Vec<u8>>) {
        let (Some(one), Some(other)) = (one, other) else { return };
        let proof = proof::join(one, other);
        let forked = ChainForked { chain: self.chain, seq, proof };
        self.draft.write(Body::ChainForked(Box::new(forked))).ok();
    }
}
