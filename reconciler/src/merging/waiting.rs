//! What waits in quarantine: kept run by run, and tried again when its chain moves or its licence appears.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use schemas::bundle::{Answer, Attachment, Bundle};
use schemas::codes::Code;
use schemas::ids::ChainId;
use schemas::refusal::Refusal;

use super::batch::{Batch, Outcome};
use super::intake::{Parcel, Unread, parse_bytes};
use super::paths::Source;
use crate::store::{NewQuarantine, QuarantineEntry};
use crate::vendor::Vendor;

/// Chains whose quarantined runs may go in now, and who waits for an answer.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    moved: BTreeSet<ChainId>,
    askers: BTreeMap<ChainId, Vec<(String, Option<PathBuf>)>>,
}

/// A bundle that waited and went in after all.
#[derive(Debug)]
pub(super) struct Settled {
    /// The file.
    pub(super) source: String,
    /// The chain.
    pub(super) chain: ChainId,
    /// Where it is answered.
    pub(super) answer: Option<PathBuf>,
    /// The answer.
    pub(super) answers: Vec<Answer>,
    /// Events that were new; counted with the first bundle of the chain.
    pub(super) events: u64,
}

impl Waiting {
    /// Puts the runs that were not taken in into quarantine, each with the attachments that it refers to.
    pub(super) fn keep(
        &mut self,
        vendor: &mut Vendor,
        parcel: &Parcel,
        outcome: &Outcome,
    ) -> Result<(), Refusal> {
        let delivery = &parcel.deliveries[&outcome.chain];
        let mut kept: Vec<(Code, Vec<u8>)> = Vec::new();
        for (run, code) in &outcome.waiting {
            let run = &delivery.runs[*run];
            kept.push((*code, bundle_of(run.to_bytes(), parcel.attachments_of([run]))));
        }
        kept.extend(delivery.broken.iter().map(|(run, code)| (*code, bundle_of(run.clone(), Vec::new()))));
        if !kept.is_empty() {
            let entries: Vec<NewQuarantine<'_>> = kept
                .iter()
                .map(|(code, bytes)| NewQuarantine {
                    code: *code,
                    source: &parcel.source.name,
                    chain: Some(outcome.chain),
                    bytes,
                })
                .collect();
            vendor.store.put_in_quarantine(&entries, vendor.now)?;
            let asker = (parcel.source.name.clone(), parcel.source.answer.clone());
            self.askers.entry(outcome.chain).or_default().push(asker);
        }
        if outcome.events > 0 || !outcome.waiting.is_empty() {
            self.moved.insert(outcome.chain);
        }
        Ok(())
    }

    /// Puts a file that cannot be read as a bundle into quarantine.
    pub(super) fn keep_file(&mut self, vendor: &mut Vendor, unread: &Unread) -> Result<(), Refusal> {
        let entry = NewQuarantine {
            code: unread.refusal.code(),
            source: &unread.source.name,
            chain: None,
            bytes: &unread.bytes,
        };
        Ok(vendor.store.put_in_quarantine(&[entry], vendor.now)?)
    }

    /// Notes every chain that has entries in quarantine, or those of the entries that are named.
    pub(super) fn note_all(&mut self, vendor: &mut Vendor, only: Option<&[i64]>) -> Result<(), Refusal> {
        for entry in vendor.store.quarantine()? {
            let Some(chain) = entry.chain else { continue };
            if only.is_none_or(|only| only.contains(&entry.id)) {
                self.moved.insert(chain);
                self.askers.entry(chain).or_default().push((entry.source, None));
            }
        }
        Ok(())
    }

    /// Tries again what waits for chains that moved. One pass is enough: all runs of a chain are tried together.
    pub(super) fn retry(&mut self, vendor: &mut Vendor) -> Result<Vec<Settled>, Refusal> {
        let mut entries: BTreeMap<ChainId, Vec<QuarantineEntry>> = BTreeMap::new();
        for entry in vendor.store.quarantine()? {
            if let Some(chain) = entry.chain.filter(|chain| self.moved.contains(chain)) {
                entries.entry(chain).or_default().push(entry);
            }
        }
        let mut settled = Vec::new();
        for (chain, entries) in entries {
            settled.extend(self.retry_chain(vendor, chain, &entries)?);
        }
        Ok(settled)
    }

    fn retry_chain(
        &self,
        vendor: &mut Vendor,
        chain: ChainId,
        entries: &[QuarantineEntry],
    ) -> Result<Vec<Settled>, Refusal> {
        let (parcel, mut of_run) = gather(vendor, chain, entries)?;
        if parcel.deliveries.is_empty() {
            return Ok(Vec::new());
        }
        let mut outcomes = Batch::new(std::slice::from_ref(&parcel)).commit(vendor)?;
        let Some(outcome) = outcomes.pop() else { return Ok(Vec::new()) };
        let waiting: BTreeSet<usize> = outcome.waiting.iter().map(|(run, _)| *run).collect();
        let still: BTreeSet<i64> = waiting.iter().map(|run| of_run[*run]).collect();
        of_run.retain(|id| !still.contains(id));
        vendor.store.drop_from_quarantine(&of_run)?;
        self.renew_reasons(vendor, &parcel, &outcome, entries)?;
        if !still.is_empty() {
            return Ok(Vec::new());
        }
        let askers = self.askers.get(&chain).cloned().unwrap_or_default();
        Ok(askers
            .into_iter()
            .enumerate()
            .map(|(number, (source, answer))| Settled {
                source,
                chain,
                answer,
                answers: vec![outcome.answer.clone()],
                events: if number == 0 { outcome.events } else { 0 },
            })
            .collect())
    }

    /// An entry that still waits may wait for another reason now.
    fn renew_reasons(
        &self,
        vendor: &mut Vendor,
        parcel: &Parcel,
        outcome: &Outcome,
        entries: &[QuarantineEntry],
    ) -> Result<(), Refusal> {
        let delivery = &parcel.deliveries[&outcome.chain];
        for (run, code) in &outcome.waiting {
            let run = &delivery.runs[*run];
            let bytes = bundle_of(run.to_bytes(), parcel.attachments_of([run]));
            let source = entries.first().map_or("", |entry| entry.source.as_str());
            let entry = NewQuarantine { code: *code, source, chain: Some(outcome.chain), bytes: &bytes };
            vendor.store.put_in_quarantine(&[entry], vendor.now)?;
        }
        Ok(())
    }
}

/// Puts the quarantined runs of a chain into one parcel; beside it, the entry of each run in the parcel's order.
fn gather(
    vendor: &mut Vendor,
    chain: ChainId,
    entries: &[QuarantineEntry],
) -> Result<(Parcel, Vec<i64>), Refusal> {
    let source = Source { path: PathBuf::new(), name: "quarantine".to_owned(), answer: None };
    let mut parcel = Parcel { source, deliveries: BTreeMap::new(), attachments: BTreeMap::new() };
    let mut runs = Vec::new();
    for entry in entries {
        let Some(bytes) = vendor.store.quarantined_bytes(entry.id)? else { continue };
        // What did not even verify is tried by nobody again; it waits to be looked at.
        let Ok(read) = parse_bytes(&parcel.source, bytes) else { continue };
        parcel.attachments.extend(read.attachments);
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

fn bundle_of(run: Vec<u8>, attachments: Vec<Attachment>) -> Vec<u8> {
    Bundle { runs: vec![run], attachments, last_grant: None }.encode()
}
