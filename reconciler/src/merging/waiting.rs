//! What waits in quarantine: kept run by run, and tried again when its chain moves or its licence appears.

use std::collections::{BTreeMap, BTreeSet};

use ledger::parking;
use ledger::recovery::Enclosed;
use schemas::bundle::{Attachment, Bundle};
use schemas::codes::{Code, Exit};
use schemas::grant::SeqRange;
use schemas::ids::ChainId;
use schemas::numbers::Seq;
use schemas::refusal::Refusal;

use super::batch::{Batch, Outcome, follows};
use super::intake::{Parcel, Unread, parse_bytes};
use super::paths::{AnswerTo, Source};
use crate::store::{NewQuarantine, QuarantineEntry};
use crate::vendor::Vendor;

/// Chains whose quarantined runs may go in now, and who waits for an answer.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Those of which something came, known or new: what was merged just before a crash left its entries behind.
    touched: BTreeSet<ChainId>,
    /// Chains of which everything is looked at, whether or not it can attach.
    asked_for: BTreeSet<ChainId>,
    askers: BTreeMap<ChainId, Vec<Asker>>,
    /// Whose runs are parked beside their chain.
    parked: BTreeMap<ChainId, Vec<Asker>>,
}

/// A bundle whose chain waits.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    /// The file.
    pub(super) source: String,
    /// Where it is answered.
    pub(super) answer: Option<AnswerTo>,
}

/// What became of a chain that was tried again.
#[derive(Debug)]
pub(super) struct Retried {
    /// What came out.
    pub(super) outcome: Outcome,
    /// Who waited for it.
    pub(super) askers: Vec<Asker>,
}

impl Waiting {
    /// Notes a chain of a bundle of `source`, and what of it waits in quarantine.
    pub(super) fn note(&mut self, source: &Source, outcome: &Outcome, kept: &[NewQuarantine]) {
        let asker = Asker { source: source.name.clone(), answer: source.answer.clone() };
        if outcome.is_parked() {
            self.parked.entry(outcome.chain).or_default().push(asker.clone());
        }
        if !kept.is_empty() {
            self.askers.entry(outcome.chain).or_default().push(asker);
        }
        // Where nothing came of it and its licence, or the chain that it follows, is not known, nothing comes of trying again
        // before that appears. Anybody can send such chains, as many as they like.
        let is_for_nobody = outcome.codes.contains(&Code::LicenseUnknown);
        let follows_another = !kept.is_empty() && kept.iter().all(|entry| entry.follows.is_some());
        if outcome.events > 0 || !(is_for_nobody || follows_another) {
            self.touched.insert(outcome.chain);
        }
    }

    /// Whether anybody waits for a chain of which runs are parked.
    pub(super) fn is_parked(&self, chain: &ChainId) -> bool {
        self.parked.contains_key(chain)
    }

    /// Who waited for the runs of a chain of which none is parked any more.
    pub(super) fn no_longer_parked(&mut self, chain: &ChainId) -> Vec<Asker> {
        self.parked.remove(chain).unwrap_or_default()
    }

    /// Notes every chain that has entries in quarantine, or those of the entries that are named.
    pub(super) fn note_all(&mut self, vendor: &mut Vendor, only: Option<&[i64]>) -> Result<(), Refusal> {
        for entry in vendor.store.quarantine()? {
            let Some(chain) = entry.chain else { continue };
            if only.is_none_or(|only| only.contains(&entry.id)) {
                self.asked_for.insert(chain);
                self.askers.entry(chain).or_default().push(Asker { source: entry.source, answer: None });
            }
        }
        Ok(())
    }

    /// Tries again what waits for chains that were touched, as far as it can attach now, and the chains that follow them. A
    /// successor may wait for another one: there are as many rounds as bring something in.
    pub(super) fn retry(&self, vendor: &mut Vendor) -> Result<Vec<Retried>, Refusal> {
        let mut outcomes: BTreeMap<ChainId, Outcome> = BTreeMap::new();
        let mut round: BTreeSet<ChainId> = self.touched.union(&self.asked_for).copied().collect();
        while !round.is_empty() {
            let mut moved = BTreeSet::new();
            for (chain, entries) in entries_for(vendor, &round)? {
                let everything = self.asked_for.contains(&chain);
                let Some(outcome) = retry_in_pieces(vendor, chain, entries, everything)? else { continue };
                if outcome.events > 0 {
                    moved.insert(chain);
                }
                let joined = match outcomes.remove(&chain) {
                    Some(earlier) => Outcome { codes: outcome.codes.clone(), ..earlier.followed_by(outcome) },
                    None => outcome,
                };
                outcomes.insert(chain, joined);
            }
            round = moved;
        }
        // Of those that still wait for another chain nobody asked.
        let is_asked = |chain: &ChainId| self.touched.contains(chain) || self.asked_for.contains(chain);
        outcomes.retain(|chain, outcome| outcome.events > 0 || is_asked(chain));
        let askers = |chain: ChainId| self.askers.get(&chain).cloned().unwrap_or_default();
        let retried = outcomes.into_iter().map(|(chain, outcome)| Retried { outcome, askers: askers(chain) });
        Ok(retried.collect())
    }
}

/// What may go in after chains moved: what waits for them, and the chains that follow them.
fn entries_for(
    vendor: &mut Vendor,
    moved: &BTreeSet<ChainId>,
) -> Result<BTreeMap<ChainId, Vec<QuarantineEntry>>, Refusal> {
    let mut chains = moved.clone();
    for chain in moved {
        chains.extend(vendor.store.followers_in_quarantine(chain)?);
    }
    let mut entries = BTreeMap::new();
    for chain in chains {
        let of_chain = vendor.store.quarantine_of(&chain)?;
        if !of_chain.is_empty() {
            entries.insert(chain, of_chain);
        }
    }
    Ok(entries)
}

/// Bytes of entries that are read at a time, about.
const PIECE_BYTES: u64 = 16 * 1024 * 1024;

/// Merges the quarantined runs of a chain that can attach, or `everything`, piece by piece in the order of their places.
/// Runs with a gap before them are not read, so that a long backlog out of order is read once and not each time that the
/// chain moves.
fn retry_in_pieces(
    vendor: &mut Vendor,
    chain: ChainId,
    mut entries: Vec<QuarantineEntry>,
    everything: bool,
) -> Result<Option<Outcome>, Refusal> {
    let mut tried: Option<Outcome> = None;
    // What does not verify waits to be looked at by people.
    entries.retain(|entry| everything || !does_not_verify(entry));
    while !entries.is_empty() {
        let head = vendor.store.last_place(&chain)?;
        entries.sort_by_key(|entry| (span(entry, head).first, entry.id));
        let near = if everything {
            entries.len()
        } else {
            parking::within_reach(head, entries.iter().map(|entry| span(entry, head)))
        };
        if near == 0 {
            break;
        }
        let beyond = entries.split_off(piece(&entries[..near]));
        let read = std::mem::replace(&mut entries, beyond);
        let Some(outcome) = retry_chain(vendor, chain, &read)? else { continue };
        tried = Some(match tried {
            Some(earlier) => earlier.followed_by(outcome),
            None => outcome,
        });
    }
    // What was not read waits as it did.
    Ok(tried.map(|outcome| outcome.beside(entries.iter().filter_map(|entry| entry.code.parse().ok()))))
}

fn does_not_verify(entry: &QuarantineEntry) -> bool {
    let code = entry.code.parse::<Code>();
    entry.span.is_none() && code.is_ok_and(|code| code.exit() == Exit::Verification)
}

/// How many of the first entries are read together: at least one, and no more than memory is to hold.
fn piece(entries: &[QuarantineEntry]) -> usize {
    let mut bytes = 0;
    let within = entries.iter().take_while(|entry| {
        let fits = bytes <= PIECE_BYTES;
        bytes += entry.size;
        fits
    });
    within.count()
}

/// The places of an entry's events, for a chain that is known up to `head`. Before all others comes what is looked at
/// wherever it stands: what is of unknown places, and what waited only for the chain to be known, which is parked then.
fn span(entry: &QuarantineEntry, head: Seq) -> SeqRange {
    let may_be_parked = head > Seq(0) && entry.code == Code::ChainGap.word();
    entry.span.filter(|_| !may_be_parked).unwrap_or(SeqRange { first: Seq(0), last: Seq(0) })
}

/// What goes into quarantine of a file that cannot be read as a bundle: all of it, if it was kept.
pub(super) fn file(unread: Unread) -> Option<NewQuarantine> {
    let Unread { source, refusal, bytes } = unread;
    let (code, source, bytes) = (refusal.code(), source.name, bytes?);
    Some(NewQuarantine { code, source, chain: None, span: None, follows: None, bytes })
}

/// What goes into quarantine of attachments that do not open their commitments, if there are any.
pub(super) fn false_attachments(parcel: &Parcel) -> Option<NewQuarantine> {
    if parcel.false_attachments.is_empty() {
        return None;
    }
    let bundle = Bundle { attachments: parcel.false_attachments.clone(), ..Bundle::default() };
    let source = parcel.source.name.clone();
    let (code, bytes) = (Code::AttachmentMismatch, bundle.encode());
    Some(NewQuarantine { code, source, chain: None, span: None, follows: None, bytes })
}

/// Merges all quarantined runs of a chain together; those that went in leave the quarantine.
fn retry_chain(
    vendor: &mut Vendor,
    chain: ChainId,
    entries: &[QuarantineEntry],
) -> Result<Option<Outcome>, Refusal> {
    let (parcel, of_run) = gather(vendor, chain, entries)?;
    if parcel.deliveries.is_empty() {
        return Ok(None);
    }
    let (mut outcomes, durable) = Batch::new(std::slice::from_ref(&parcel)).answering_all().commit(vendor)?;
    durable.wait()?;
    let Some(outcome) = outcomes.pop() else { return Ok(None) };
    let still: BTreeSet<i64> = outcome.waiting.iter().map(|(run, _)| of_run[*run]).collect();
    let done: Vec<i64> = of_run.iter().copied().filter(|id| !still.contains(id)).collect();
    vendor.store.drop_from_quarantine(&done)?;
    // What still waits may wait for another reason now; the bytes are the same, so the entry stays the same.
    let before: BTreeMap<i64, &str> = entries.iter().map(|entry| (entry.id, entry.code.as_str())).collect();
    let reasons = outcome.waiting.iter().map(|(run, code)| before.get(&of_run[*run]) == Some(&code.word()));
    let kept = runs_to_keep(&parcel, &outcome).into_iter().zip(reasons);
    let changed: Vec<NewQuarantine> = kept.filter(|(_, is_same)| !is_same).map(|(entry, _)| entry).collect();
    vendor.store.put_in_quarantine(&changed, vendor.now)?;
    Ok(Some(outcome))
}

/// What goes into quarantine of one chain: the runs that were not taken in, each as a bundle of its own with the attachments
/// that it refers to.
pub(super) fn runs_to_keep(parcel: &Parcel, outcome: &Outcome) -> Vec<NewQuarantine> {
    let delivery = &parcel.deliveries[&outcome.chain];
    let entry = |code, span, follows, bytes| {
        let (source, chain) = (parcel.source.name.clone(), Some(outcome.chain));
        NewQuarantine { code, source, chain, span, follows, bytes }
    };
    let waiting = outcome.waiting.iter().map(|(run, code)| {
        let run = &delivery.runs[*run];
        // Where a licence worked on the chain, it has taken back what the enclosed grant proves.
        let enclosed = parcel.enclosed.get(&outcome.chain).filter(|_| *code == Code::LicenseUnknown);
        let bytes = bundle_of(run.to_bytes(), parcel.attachments_of([run]), enclosed);
        entry(*code, Some(run.span()), follows(run), bytes)
    });
    // However many do not verify, they are kept together: nothing comes of trying one of them again.
    let mut broken: BTreeMap<Code, Bundle> = BTreeMap::new();
    for (run, code) in &delivery.broken {
        broken.entry(*code).or_default().runs.push(run.clone());
    }
    let broken = broken.into_iter().map(|(code, bundle)| entry(code, None, None, bundle.encode()));
    waiting.chain(broken).collect()
}

/// Puts the quarantined runs of a chain into one parcel; beside it, the entry of each run in the parcel's order.
fn gather(
    vendor: &mut Vendor,
    chain: ChainId,
    entries: &[QuarantineEntry],
) -> Result<(Parcel, Vec<i64>), Refusal> {
    let name = entries.first().map_or_else(String::new, |entry| entry.source.clone());
    let mut parcel = Parcel::new(Source::of_quarantine(name));
    let mut runs = Vec::new();
    for entry in entries {
        let Some(bytes) = vendor.store.quarantined_bytes(entry.id)? else { continue };
        // What did not even verify is tried by nobody again; it waits to be looked at.
        let Ok(read) = parse_bytes(&parcel.source, bytes) else { continue };
        parcel.attachments.extend(read.attachments);
        read.enclosed.into_values().for_each(|enclosed| parcel.enclose(enclosed.into_grant()));
        let delivered = read.deliveries.into_values().flat_map(|delivery| delivery.runs);
        runs.extend(delivered.filter(|run| run.chain() == chain).map(|run| (entry.id, run)));
    }
    runs.sort_by_key(|(_, run)| (run.span().first, run.span().last));
    let (ids, runs): (Vec<i64>, Vec<_>) = runs.into_iter().unzip();
    if !runs.is_empty() {
        parcel.deliveries.insert(chain, super::intake::Delivery { runs, broken: Vec::new() });
    }
    Ok((parcel, ids))
}

fn bundle_of(run: Vec<u8>, attachments: Vec<Attachment>, enclosed: Option<&Enclosed>) -> Vec<u8> {
    let last_grant = enclosed.cloned().map(Enclosed::into_grant);
    Bundle { runs: vec![run], attachments, last_grant }.encode()
}
