//! Merging: bundles are read and verified on several threads, grouped into commits, answered, and what is refused
//! goes into quarantine while the rest goes in.
//!
//! ```text
//! paths -> readers (unpack, verify) -> bounded channel -> one committer -> answers, quarantine -> retry of what waits
//!       -> packing
//! ```
//!
//! While commits become durable the next ones are worked on; nothing is answered before its own is. Bundles that are handed
//! in one by one by callers who wait take the same way from the commit on (`desk.rs`).

mod archive;
mod batch;
mod desk;
mod intake;
mod paths;
mod room;
mod waiting;

use std::collections::{BTreeMap, VecDeque};

use schemas::bundle::{Answer, encode_answers};
use schemas::codes::{Code, Exit};
use schemas::ids::ChainId;
use schemas::refusal::Refusal;
use serde::Serialize;
use utoipa::ToSchema;

pub use self::archive::Format;
use self::batch::{Batch, Outcome};
pub(crate) use self::desk::{EXCHANGE, Handed, PORTAL, Submission, work};
pub(crate) use self::intake::guarded;
use self::intake::{Decode, Parcel, Read, Unread, parse_bytes};
pub use self::paths::{AnswerTo, Source, sources};
use self::room::Room;
use self::waiting::{Asker, Retried, Waiting};
use crate::packing::Tails;
use crate::store::{Durable, NewQuarantine};
use crate::vendor::Vendor;

/// Commits that may be made before the earliest of them is durable, and bytes for quarantine that they may hold, about.
const IN_FLIGHT: usize = 8;
const IN_FLIGHT_BYTES: usize = 64 * 1024 * 1024;

/// What a merge did, in bundles counted once for each chain that they hold.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct MergeReport {
    /// Brought something new.
    pub merged: u64,
    /// Held nothing new.
    pub known: u64,
    /// Wait for events before them.
    pub parked: u64,
    /// Contradict a known history; both are kept.
    pub forked: u64,
    /// Were refused; kept in quarantine.
    pub refused: u64,
    /// Of a device that asks for an activation and is denied one.
    pub denied: u64,
    /// Events that were new.
    pub events: u64,
    /// Files that were read, those in archives among them.
    pub files: u64,
    /// Short runs, stored before or now, that were joined into full ones at the end.
    pub packed: u64,
    /// Why short runs were left as they are, if they could not be joined. All else was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub not_packed: Option<Refusal>,
    /// What was not simply taken in, file by file.
    pub findings: Vec<MergeFinding>,
}

/// How far a merge has come: what is committed, answered or in quarantine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Merged {
    /// Files, those in archives among them.
    pub files: u64,
    /// Events that were new.
    pub events: u64,
    /// Bytes of the sources, of archives as they are packed.
    pub bytes: u64,
}

/// A bundle that was not simply taken in.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MergeFinding {
    /// The file.
    pub source: String,
    /// The device chain, where that is known.
    #[schema(value_type = Option<String>)]
    pub chain: Option<ChainId>,
    /// Why.
    #[schema(value_type = String)]
    pub code: Code,
    /// What happened, where there is more to say.
    pub detail: String,
    /// Whether something of it waits.
    #[serde(skip)]
    waits: bool,
}

/// Takes in every bundle of `sources`; the order does not matter and a bundle may come again.
///
/// A crash at any moment loses nothing that was answered: run it again. `progress` is told after each commit.
///
/// # Errors
/// When the ledger or an answer cannot be written. Refused bundles are no error: see the report.
pub fn merge(
    vendor: &mut Vendor,
    sources: &[Source],
    jobs: usize,
    progress: &mut dyn FnMut(Merged),
) -> Result<MergeReport, Refusal> {
    merge_while(vendor, sources, jobs, &mut |merged| {
        progress(merged);
        Ok(())
    })
}

/// As [`merge`], until `progress` refuses to go on: what was committed then stays, and the same merged again goes on.
///
/// # Errors
/// Those of [`merge`]; what `progress` refused with.
pub fn merge_while(
    vendor: &mut Vendor,
    sources: &[Source],
    jobs: usize,
    progress: &mut dyn FnMut(Merged) -> Result<(), Refusal>,
) -> Result<MergeReport, Refusal> {
    merge_decoded(vendor, sources, jobs, parse_bytes, progress)
}

fn merge_decoded(
    vendor: &mut Vendor,
    sources: &[Source],
    jobs: usize,
    decode: Decode,
    progress: &mut dyn FnMut(Merged) -> Result<(), Refusal>,
) -> Result<MergeReport, Refusal> {
    let mut room = Room::UNBOUNDED;
    let mut merging = Merging::new(vendor, Files, &mut room);
    let mut bytes = 0;
    intake::read_all(sources, jobs, decode, |read, share| {
        merging.take(read)?;
        bytes += share;
        progress(merging.so_far(bytes))
    })?;
    merging.finish_all()?;
    progress(merging.so_far(bytes))?;
    merging.retry()?;
    Ok(merging.finished())
}

/// Tries again what waits in quarantine: all of it, or the entries that are named.
///
/// # Errors
/// When the ledger cannot be written.
pub fn retry_quarantine(vendor: &mut Vendor, only: Option<&[i64]>) -> Result<MergeReport, Refusal> {
    let mut room = Room::UNBOUNDED;
    let mut merging = Merging::new(vendor, Files, &mut room);
    merging.waiting.note_all(merging.vendor, only)?;
    for Retried { outcome, askers } in merging.waiting.retry(merging.vendor)? {
        merging.report.count(&outcome);
        merging.report.tell(askers.first().map_or("quarantine", |asker| asker.source.as_str()), &outcome);
        merging.tails.add(outcome.tails);
    }
    Ok(merging.finished())
}

/// Who passes answers on.
trait Teller {
    /// Told what is answered to a source, or why it was refused: when all that this rests on is durable. Where something
    /// that waited went in after all, the same is told once more with the new answers.
    fn tell(&mut self, to: &AnswerTo, answers: Result<Vec<Answer>, &Refusal>) -> Result<(), Refusal>;
}

struct Merging<'a, T> {
    vendor: &'a mut Vendor,
    teller: T,
    /// Where what cannot be merged is kept.
    room: &'a mut Room,
    report: MergeReport,
    waiting: Waiting,
    /// What is committed and not finished, the earliest first.
    committed: VecDeque<Committed>,
    /// What became so far of bundles that come in pieces, by file and chain.
    begun: BTreeMap<String, BTreeMap<ChainId, Outcome>>,
    /// The answers to sources of which something waits, so that one of them can be given anew.
    given: BTreeMap<AnswerTo, BTreeMap<ChainId, Answer>>,
    /// Branches whose ends short runs made worth a look.
    tails: Tails,
}

/// What is committed and not finished. Of the evidence it holds only what goes into quarantine.
struct Committed {
    bundles: Vec<Taken>,
    unread: Vec<Unread>,
    durable: Durable,
}

impl Committed {
    /// What goes into quarantine.
    fn bytes(&self) -> usize {
        let kept = self.bundles.iter().flat_map(|bundle| &bundle.chains).flat_map(|(_, kept)| kept);
        let unread = self.unread.iter().filter_map(|unread| unread.bytes.as_ref());
        kept.map(|entry| entry.bytes.len()).chain(unread.map(Vec::len)).sum()
    }
}

/// A bundle, or a piece of one, that is committed.
struct Taken {
    source: Source,
    /// Whether more pieces follow.
    more: bool,
    /// Its attachments that do not open their commitments.
    false_attachments: Option<NewQuarantine>,
    /// What became of each chain, with what of it goes into quarantine.
    chains: Vec<(Outcome, Vec<NewQuarantine>)>,
    /// Whether there was room in quarantine for what goes there.
    fits: bool,
}

impl Taken {
    fn new(parcel: Parcel) -> Self {
        Self {
            false_attachments: waiting::false_attachments(&parcel),
            source: parcel.source,
            more: parcel.more,
            chains: Vec::new(),
            fits: true,
        }
    }

    /// Takes out what goes into quarantine.
    fn set_aside(&mut self) -> Vec<NewQuarantine> {
        let of_chains = self.chains.iter_mut().flat_map(|(_, kept)| std::mem::take(kept));
        self.false_attachments.take().into_iter().chain(of_chains).collect()
    }
}

impl<'a, T: Teller> Merging<'a, T> {
    fn new(vendor: &'a mut Vendor, teller: T, room: &'a mut Room) -> Self {
        Self {
            vendor,
            teller,
            room,
            report: MergeReport::default(),
            waiting: Waiting::default(),
            committed: VecDeque::new(),
            begun: BTreeMap::new(),
            given: BTreeMap::new(),
            tails: Tails::default(),
        }
    }

    /// Commits what was read together. While that becomes durable, the next is worked on; what is durable is finished.
    fn take(&mut self, read: Vec<Read>) -> Result<(), Refusal> {
        let (mut parcels, mut unread) = (Vec::new(), Vec::new());
        for parcel in read {
            match parcel {
                Ok(parcel) => parcels.push(parcel),
                Err(refused) => unread.push(*refused),
            }
        }
        let (outcomes, durable) = match Batch::new(&parcels).commit(self.vendor) {
            Ok(committed) => committed,
            Err(error) => return self.finish_all().and(Err(error)),
        };
        let kept: Vec<_> =
            outcomes.iter().map(|outcome| waiting::runs_to_keep(&parcels[outcome.parcel], outcome)).collect();
        let mut bundles: Vec<Taken> = parcels.into_iter().map(Taken::new).collect();
        for (outcome, kept) in outcomes.into_iter().zip(kept) {
            bundles[outcome.parcel].chains.push((outcome, kept));
        }
        self.committed.push_back(Committed { bundles, unread, durable });
        while let Some(first) = self.committed.front_mut()
            && (first.durable.is_settled() || self.is_much_in_flight())
        {
            self.finish_first()?;
        }
        Ok(())
    }

    fn is_much_in_flight(&self) -> bool {
        let bytes: usize = self.committed.iter().map(Committed::bytes).sum();
        self.committed.len() > IN_FLIGHT || (self.committed.len() > 1 && bytes > IN_FLIGHT_BYTES)
    }

    /// Finishes all that is committed, when it is durable.
    fn finish_all(&mut self) -> Result<(), Refusal> {
        while !self.committed.is_empty() {
            self.finish_first()?;
        }
        Ok(())
    }

    /// Finishes what was committed first, when it is durable: what was refused goes into quarantine in one more commit;
    /// then all is answered.
    fn finish_first(&mut self) -> Result<(), Refusal> {
        let Some(Committed { mut bundles, unread, durable }) = self.committed.pop_front() else {
            return Ok(());
        };
        durable.wait()?;
        let mut kept = Vec::new();
        // Whoever waits for a chain is answered after the bundles of this commit, some of which may wait themselves.
        let mut moved: BTreeMap<ChainId, Option<Answer>> = BTreeMap::new();
        for bundle in &mut bundles {
            if bundle.false_attachments.is_some() {
                // Values that are not what their commitments stand for are refused; the runs beside them are not.
                self.report.refuse(&bundle.source, &Code::AttachmentMismatch.into());
            }
            for (outcome, of_chain) in &mut bundle.chains {
                self.tails.add(std::mem::take(&mut outcome.tails));
                self.waiting.note(&bundle.source, outcome, of_chain);
                if outcome.waits {
                    moved.remove(&outcome.chain);
                } else if outcome.events > 0 && self.waiting.is_parked(&outcome.chain) {
                    moved.insert(outcome.chain, outcome.answer.clone());
                }
            }
            let set_aside = bundle.set_aside();
            bundle.fits = self.room.take(&set_aside);
            kept.extend(set_aside.into_iter().filter(|_| bundle.fits));
        }
        let mut refused: Vec<(Source, Refusal)> = Vec::new();
        for unread in unread {
            let (source, refusal) = (unread.source.clone(), unread.refusal.clone());
            let file = waiting::file(unread);
            let fits = self.room.take(file.as_slice());
            refused.push((source, if fits { refusal } else { Code::QuarantineFull.into() }));
            kept.extend(file.filter(|_| fits));
        }
        self.vendor.store.put_in_quarantine(&kept, self.vendor.now)?;
        for bundle in bundles {
            self.finish(bundle)?;
        }
        for (source, refusal) in &refused {
            self.refuse(source, refusal)?;
        }
        for (chain, answer) in moved {
            let askers = self.waiting.no_longer_parked(&chain);
            self.tell_askers(&chain, answer.as_ref(), askers)?;
        }
        if self.tails.are_many() {
            self.pack();
        }
        Ok(())
    }

    /// Tells a file that cannot be read, to its end at least: what was taken in of it before stays and counts.
    fn refuse(&mut self, source: &Source, refusal: &Refusal) -> Result<(), Refusal> {
        self.report.files += 1;
        for outcome in self.begun.remove(&source.name).unwrap_or_default().into_values() {
            self.report.count(&outcome);
            self.report.tell(&source.name, &outcome);
        }
        self.report.refuse(source, refusal);
        source.answer.as_ref().map_or(Ok(()), |to| self.teller.tell(to, Err(refusal)))
    }

    /// Counts and answers a bundle, when its last piece is in.
    fn finish(&mut self, Taken { source, more, chains, fits, .. }: Taken) -> Result<(), Refusal> {
        let Source { name, answer, .. } = &source;
        let mut of_chain = self.begun.remove(name).unwrap_or_default();
        for (outcome, _) in chains {
            let joined = match of_chain.remove(&outcome.chain) {
                Some(earlier) => earlier.followed_by(outcome),
                None => outcome,
            };
            of_chain.insert(joined.chain, joined);
        }
        if more || !fits {
            self.begun.insert(name.clone(), of_chain);
            return if fits { Ok(()) } else { self.refuse(&source, &Code::QuarantineFull.into()) };
        }
        self.report.files += 1;
        let waits = of_chain.values().any(|outcome| outcome.is_parked() || !outcome.codes.is_empty());
        for outcome in of_chain.values() {
            self.report.count(outcome);
            self.report.tell(name, outcome);
        }
        let answers: BTreeMap<ChainId, Answer> =
            of_chain.into_iter().filter_map(|(chain, outcome)| Some((chain, outcome.answer?))).collect();
        if answers.is_empty() {
            return Ok(());
        }
        let Some(to) = answer else { return Ok(()) };
        self.teller.tell(to, Ok(answers.values().cloned().collect()))?;
        if waits {
            self.given.insert(to.clone(), answers);
        }
        Ok(())
    }

    /// Tries again what waits for a chain that moved; it was counted when it came.
    fn retry(&mut self) -> Result<(), Refusal> {
        for Retried { mut outcome, askers } in self.waiting.retry(self.vendor)? {
            self.tails.add(std::mem::take(&mut outcome.tails));
            self.report.events += outcome.events;
            if outcome.codes.is_empty() {
                self.tell_askers(&outcome.chain, outcome.answer.as_ref(), askers)?;
            }
        }
        Ok(())
    }

    /// Packs what has become many short runs. What they hold is merged: a fault of it is told and no more.
    fn pack(&mut self) {
        let (runs, fault) = std::mem::take(&mut self.tails).pack(self.vendor.store.as_mut());
        self.report.packed += runs;
        if let Some(fault) = fault {
            self.report.not_packed = Some(fault.into());
        }
    }

    fn so_far(&self, bytes: u64) -> Merged {
        Merged { files: self.report.files, events: self.report.events, bytes }
    }

    fn finished(mut self) -> MergeReport {
        self.pack();
        // The same whichever reader was first.
        self.report.findings.sort_by(|left, right| left.source.cmp(&right.source));
        self.report
    }

    /// What waited of a chain is attached: whoever waited for that is answered again.
    fn tell_askers(
        &mut self,
        chain: &ChainId,
        told: Option<&Answer>,
        askers: Vec<Asker>,
    ) -> Result<(), Refusal> {
        for Asker { source, answer } in askers {
            self.report.settle(&source, chain);
            let (Some(to), Some(told)) = (answer, told) else { continue };
            let answers = self.given.entry(to.clone()).or_default();
            answers.insert(*chain, told.clone());
            self.teller.tell(&to, Ok(answers.values().cloned().collect()))?;
        }
        Ok(())
    }
}

impl MergeReport {
    /// The exit code: findings where anything was refused. Evidence of a fork is taken in like any other.
    pub fn exit(&self) -> Exit {
        if self.refused > 0 { Exit::Findings } else { Exit::Done }
    }

    /// Counts and tells a file, or a part of one, that was refused.
    fn refuse(&mut self, source: &Source, refusal: &Refusal) {
        self.refused += 1;
        self.findings.push(MergeFinding {
            source: source.name.clone(),
            chain: None,
            code: refusal.code(),
            detail: refusal.detail().to_owned(),
            waits: true,
        });
    }

    /// Counts a chain of a bundle, its events included.
    fn count(&mut self, outcome: &Outcome) {
        self.events += outcome.events;
        let waits_for_beginning = outcome.codes.contains(&Code::ChainGap);
        self.parked += u64::from(outcome.is_parked() || waits_for_beginning);
        self.forked += u64::from(outcome.told.contains(&Code::ChainFork));
        self.refused += u64::from(outcome.codes.iter().any(|code| *code != Code::ChainGap));
        self.denied += u64::from(outcome.denied.is_some());
        self.merged += u64::from(outcome.events > 0);
        let nothing_new = outcome.events == 0 && outcome.codes.is_empty() && !outcome.is_parked();
        self.known += u64::from(nothing_new);
    }

    /// Tells what of a bundle was not simply taken in.
    fn tell(&mut self, source: &str, outcome: &Outcome) {
        let codes = outcome.codes.union(&outcome.told).copied().chain(outcome.denied);
        self.findings.extend(codes.map(|code| {
            let waits = code == Code::ChainGap || outcome.codes.contains(&code);
            MergeFinding {
                source: source.to_owned(),
                chain: Some(outcome.chain),
                code,
                detail: if waits { outcome.detail.clone() } else { String::new() },
                waits,
            }
        }));
    }

    /// A bundle that waited went in after all.
    fn settle(&mut self, source: &str, chain: &ChainId) {
        let of_bundle = |finding: &MergeFinding| {
            finding.source == source && finding.chain.as_ref() == Some(chain) && finding.waits
        };
        let Some(at) = self.findings.iter().position(of_bundle) else { return };
        match self.findings.remove(at).code {
            Code::ChainGap => self.parked -= 1,
            _ => self.refused -= 1,
        }
        self.merged += 1;
    }
}

/// Answers that go into files. They can be made again, so they are renamed into place without waiting for the disk.
struct Files;

impl Teller for Files {
    fn tell(&mut self, to: &AnswerTo, answers: Result<Vec<Answer>, &Refusal>) -> Result<(), Refusal> {
        let (AnswerTo::File(path), Ok(answers)) = (to, answers) else { return Ok(()) };
        let failed = |error: std::io::Error| Refusal::from_error(Code::IoFailed, &error).at(path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        ledger::durable::write_derived(path, &encode_answers(&answers)).map_err(failed)
    }
}

#[cfg(test)]
mod tests;
