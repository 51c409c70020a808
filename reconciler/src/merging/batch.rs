//! One commit: parcels are grouped by licence, each licence is worked on once, and every chain gets its answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use ledger::authority::License;
use ledger::draft::Draft;
use ledger::merge::{ChainOutcome, Stored, merge_chain};
use ledger::recovery::{self, Enclosed};
use ledger::run::VerifiedRun;
use ledger::trust;
use ledger::writer::TooLong;
use schemas::bundle::{Answer, Attachment};
use schemas::codes::Code;
use schemas::event::Body;
use schemas::event::device::Claim;
use schemas::grant::{Grant, GrantStatus, Revocations, SeqRange};
use schemas::ids::{ChainId, KeyReference, LicenseId, PublicKey};
use schemas::limits;
use schemas::refusal::Refusal;
use schemas::run::Origin;

use super::intake::{Delivery, Parcel};
use crate::packing::Tails;
use crate::store::{Change, Durable, GrantAt, StoreError};
use crate::vendor::Vendor;

/// What became of one chain of one parcel.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The parcel's number in its batch.
    pub(super) parcel: usize,
    /// The chain.
    pub(super) chain: ChainId,
    /// Events that were new.
    pub(super) events: u64,
    /// Whether runs of the chain still wait for events before them, these or earlier ones.
    pub(super) waits: bool,
    /// Why its activation is denied, if it is.
    pub(super) denied: Option<Code>,
    /// What is told of it although it was taken in: parked, forked, reported late, a second trial.
    pub(super) told: BTreeSet<Code>,
    /// Runs that wait in quarantine, by their number in the delivery, with the reason.
    pub(super) waiting: Vec<(usize, Code)>,
    /// The reasons why something was not taken in.
    pub(super) codes: BTreeSet<Code>,
    /// What is missing or wrong, in words.
    pub(super) detail: String,
    /// What the device is told, where anybody asks.
    pub(super) answer: Option<Answer>,
    /// Where short runs were written while its licence was worked on, told with one of the licence's chains.
    pub(super) tails: Tails,
}

/// Parcels that are committed together.
pub(super) struct Batch<'a> {
    parcels: &'a [Parcel],
    answers_all: bool,
}

/// A chain of a parcel on its way to its licence.
#[derive(Clone, Copy)]
struct Stop {
    parcel: usize,
    chain: ChainId,
}

/// The stops of each licence.
type Routes = BTreeMap<LicenseId, Vec<Stop>>;

impl Outcome {
    /// Whether runs of it are parked that were not before.
    pub(super) fn is_parked(&self) -> bool {
        self.told.contains(&Code::ChainGap)
    }

    /// The same while more of the chain waits for these reasons.
    pub(super) fn beside(mut self, codes: impl Iterator<Item = Code>) -> Self {
        self.codes.extend(codes);
        self
    }

    /// What became of a chain whose bundle came in pieces, with a later piece.
    pub(super) fn followed_by(mut self, later: Self) -> Self {
        self.tails.add(later.tails);
        Self {
            tails: self.tails,
            events: self.events + later.events,
            told: self.told.union(&later.told).copied().collect(),
            codes: self.codes.union(&later.codes).copied().collect(),
            ..later
        }
    }
}

/// What is known of a stop after its licence was worked on.
struct Merged {
    stop: Stop,
    outcome: ChainOutcome,
    denied: Option<Code>,
    /// Whether the device turns out to have been given a trial twice.
    tried_twice: bool,
    grant: Told,
    tails: Tails,
}

/// What a device is told.
enum Told {
    /// A grant that was written for it.
    Anew(Grant),
    /// The one that it was told before.
    Again(GrantAt),
    /// None.
    Nothing,
}

impl Told {
    fn again(&self) -> Option<GrantAt> {
        match self {
            Self::Again(place) => Some(*place),
            Self::Anew(_) | Self::Nothing => None,
        }
    }
}

impl<'a> Batch<'a> {
    pub(super) fn new(parcels: &'a [Parcel]) -> Self {
        Self { parcels, answers_all: false }
    }

    /// Answers also parcels that come from no file with an answer.
    pub(super) fn answering_all(self) -> Self {
        Self { answers_all: true, ..self }
    }

    fn is_told(&self, stop: Stop) -> bool {
        self.answers_all || self.parcels[stop.parcel].source.answer.is_some()
    }

    /// Takes the parcels in: one commit, and an outcome for each chain of each parcel in their order, not to be told before
    /// the commit is durable.
    pub(super) fn commit(&self, vendor: &mut Vendor) -> Result<(Vec<Outcome>, Durable), Refusal> {
        let (routes, unknown) = self.route(vendor)?;
        let revocations = vendor.store.revocations()?;
        let (merged, durable) = self.merge(vendor, &routes, &revocations)?;
        let mut outcomes = Vec::new();
        for stop in unknown {
            let outcome = ChainOutcome { refused: Some(Code::LicenseUnknown), ..ChainOutcome::default() };
            outcomes.push(self.outcome(vendor, stop, &outcome, None));
        }
        let again = merged.iter().filter(|merged| self.is_told(merged.stop));
        let again: Vec<GrantAt> = again.filter_map(|merged| merged.grant.again()).collect();
        let mut again = vendor.store.grants_at(&again)?.into_iter();
        for Merged { stop, outcome, denied, tried_twice, grant, tails } in merged {
            let grant = match grant {
                Told::Anew(grant) => Some(grant),
                Told::Again(_) if self.is_told(stop) => again.next(),
                Told::Again(_) | Told::Nothing => None,
            };
            let mut outcome = Outcome { denied, tails, ..self.outcome(vendor, stop, &outcome, grant) };
            outcome.told.extend(tried_twice.then_some(Code::TrialTwice));
            outcomes.push(outcome);
        }
        outcomes.sort_by_key(|outcome| (outcome.parcel, outcome.chain));
        Ok((outcomes, durable))
    }

    /// Finds the licence of each chain by the key reference in its header: read without a lock, and unique.
    fn route(&self, vendor: &mut Vendor) -> Result<(Routes, Vec<Stop>), Refusal> {
        let mut routes = Routes::new();
        let mut unknown = Vec::new();
        let deliveries = self.parcels.iter().enumerate().flat_map(|(parcel, content)| {
            content.deliveries.iter().map(move |(chain, delivery)| (Stop { parcel, chain: *chain }, delivery))
        });
        let referred: Vec<_> = deliveries.map(|(stop, delivery)| (stop, reference(delivery))).collect();
        let references: Vec<KeyReference> = referred.iter().filter_map(|(_, reference)| *reference).collect();
        let mut of_keys = vendor.store.licenses_of_keys(&references)?.into_iter();
        for (stop, reference) in referred {
            let license = match reference {
                Some(_) => of_keys.next().flatten(),
                None => vendor.store.license_of_chain(&stop.chain)?,
            };
            match license {
                Some(license) => routes.entry(license).or_default().push(stop),
                None => unknown.push(stop),
            }
        }
        Ok((routes, unknown))
    }

    /// Attachments of runs that went in with an earlier piece, by licence. Those of runs that wait elsewhere are left in
    /// the file.
    fn late(
        &self,
        vendor: &mut Vendor,
        routes: &Routes,
    ) -> Result<BTreeMap<LicenseId, Vec<Attachment>>, Refusal> {
        let stops =
            routes.iter().flat_map(|(license, stops)| stops.iter().map(move |stop| (stop.chain, *license)));
        let of_chain: BTreeMap<ChainId, LicenseId> = stops.collect();
        let mut late: BTreeMap<LicenseId, Vec<Attachment>> = BTreeMap::new();
        for (chain, attachments) in self.parcels.iter().flat_map(|parcel| &parcel.late) {
            let license = match of_chain.get(chain) {
                Some(license) => Some(*license),
                None => vendor.store.license_of_chain(chain)?,
            };
            if let Some(license) = license {
                late.entry(license).or_default().extend(attachments.iter().cloned());
            }
        }
        Ok(late)
    }

    fn merge(
        &self,
        vendor: &mut Vendor,
        routes: &Routes,
        revocations: &Revocations,
    ) -> Result<(Vec<Merged>, Durable), Refusal> {
        // What another unit of work overtook is done again and takes the place of what was done before.
        let merged: Mutex<BTreeMap<LicenseId, Vec<Merged>>> = Mutex::default();
        let late = self.late(vendor, routes)?;
        let licenses: BTreeSet<LicenseId> = routes.keys().chain(late.keys()).copied().collect();
        if licenses.is_empty() {
            return Ok((Vec::new(), Durable::now()));
        }
        let Vendor { home, store, issuer, now } = vendor;
        let (secret, root) = (home.key_secret(), home.root_public());
        let durable = store.change_licenses_soon(&licenses, &|license, stored| {
            let id = license.id;
            let mut draft = Draft::resume(issuer, license, *now);
            let mut attachments = late.get(&id).cloned().unwrap_or_default();
            let mut of_license = Vec::new();
            for stop in &self.in_order(routes.get(&id).map_or(&[], Vec::as_slice)) {
                let parcel = &self.parcels[stop.parcel];
                let runs = &parcel.deliveries[&stop.chain].runs;
                let other_trial = recovery::other_trial(draft.license(), &stop.chain);
                let untold = match parcel.enclosed.get(&stop.chain) {
                    Some(enclosed) => take_back(&mut draft, enclosed, stored, root, revocations)?.is_err(),
                    None => false,
                };
                let mut outcome = merge_chain(&mut draft, stop.chain, runs, stored, secret, revocations)?;
                outcome.unanswerable |= untold;
                if outcome.refused.is_none() {
                    attachments.extend(parcel.attachments_of(runs));
                }
                let grant = match draft.grant(&stop.chain).cloned() {
                    Some(grant) => Told::Anew(grant),
                    None => GrantAt::newest(draft.license(), &stop.chain).map_or(Told::Nothing, Told::Again),
                };
                let denied = denied(draft.license(), &stop.chain);
                let tried_twice =
                    other_trial.is_none() && recovery::other_trial(draft.license(), &stop.chain).is_some();
                let (stop, tails) = (*stop, Tails::default());
                of_license.push(Merged { stop, outcome, denied, tried_twice, grant, tails });
            }
            let update = draft.finish();
            if let Some(first) = of_license.first_mut() {
                first.tails = Tails::of(id, &update.runs);
            }
            merged.lock().unwrap_or_else(PoisonError::into_inner).insert(id, of_license);
            Ok(Change { update, attachments })
        })?;
        let merged = merged.into_inner().unwrap_or_else(PoisonError::into_inner);
        // Licences are never taken away: one that was not there for a moment is being folded anew by another process.
        if licenses.iter().any(|license| !merged.contains_key(license)) {
            return Err(Code::Busy.into());
        }
        Ok((merged.into_values().flatten().collect(), durable))
    }

    /// The stops of a licence, a successor's after that of the chain that it follows.
    fn in_order(&self, stops: &[Stop]) -> Vec<Stop> {
        let follows = |stop: &Stop| {
            let runs = &self.parcels[stop.parcel].deliveries[&stop.chain].runs;
            runs.iter().find_map(follows)
        };
        let followed: BTreeMap<ChainId, ChainId> =
            stops.iter().filter_map(|stop| Some((stop.chain, follows(stop)?))).collect();
        let mut ordered = stops.to_vec();
        ordered.sort_by_cached_key(|stop| predecessors(&followed, stop.chain));
        ordered
    }

    fn outcome(&self, vendor: &Vendor, stop: Stop, outcome: &ChainOutcome, grant: Option<Grant>) -> Outcome {
        let delivery = &self.parcels[stop.parcel].deliveries[&stop.chain];
        let mut waiting: Vec<(usize, Code)> = outcome.left_out.clone();
        if let Some(code) = outcome.refused {
            waiting.extend((0..delivery.runs.len()).map(|run| (run, code)));
        }
        let mut codes: BTreeSet<Code> = waiting.iter().map(|(_, code)| *code).collect();
        codes.extend(delivery.broken.iter().map(|(_, code)| *code));
        if outcome.unanswerable {
            codes.insert(Code::TermsInvalid);
        }
        let answer = self.is_told(stop).then(|| match (grant, outcome.refused, codes.first()) {
            // A chain whose beginning is missing has a grant where one was taken back: it asks for that beginning.
            (Some(grant), None | Some(Code::ChainGap), _) => Answer::Grant(Box::new(grant)),
            (_, Some(code), _) | (None, None, Some(&code)) => notice(vendor, stop.chain, code),
            (None, None, None) => notice(vendor, stop.chain, Code::NotActivated),
        });
        let detail = outcome.missing.first().map_or_else(String::new, |missing| missing_text(*missing));
        Outcome {
            parcel: stop.parcel,
            chain: stop.chain,
            events: outcome.events,
            denied: None,
            waits: !outcome.missing.is_empty(),
            told: told(outcome),
            waiting,
            codes,
            detail,
            answer,
            tails: Tails::default(),
        }
    }
}

/// Takes back what an enclosed grant proves and the backup had lost. A grant that is not believed proves nothing; the
/// inner error is that the device cannot be told again.
fn take_back(
    draft: &mut Draft<'_>,
    enclosed: &Enclosed,
    stored: &mut dyn Stored<StoreError>,
    root: &PublicKey,
    revocations: &Revocations,
) -> Result<Result<(), TooLong>, StoreError> {
    let license = draft.license();
    if enclosed.is_held(license) {
        return Ok(Ok(()));
    }
    let Some(lost) = enclosed.believe(license, root, revocations) else { return Ok(Ok(())) };
    if !enclosed.is_lost(license, |chain, seq| stored.authority_link(chain, seq))? {
        return Ok(Ok(()));
    }
    Ok(recovery::take_back(draft, &lost, revocations).map(drop))
}

fn notice(vendor: &Vendor, chain: ChainId, code: Code) -> Answer {
    let Vendor { home, issuer, now, .. } = vendor;
    Answer::Notice(trust::sign_notice(chain, code, *now, &issuer.key, home.certificate()))
}

/// The key reference that a chain is for.
pub(super) fn reference(delivery: &Delivery) -> Option<KeyReference> {
    match &delivery.runs.first()?.header().origin {
        Origin::Device(origin) => Some(origin.reference),
        Origin::Authority(_) | Origin::Catalog(_) => None,
    }
}

/// The chain that a run's own follows, where the run says so.
pub(super) fn follows(run: &VerifiedRun) -> Option<ChainId> {
    run.events().iter().find_map(|linked| match &linked.event.body {
        Body::ActivationRequested(requested) => match &requested.claim {
            Claim::Successor(claim) => Some(claim.follows),
            _ => None,
        },
        _ => None,
    })
}

/// How many chains a chain follows among those that are here, as far as a device can have come in earnest. Chains that
/// claim to follow each other follow nothing in the end.
fn predecessors(followed: &BTreeMap<ChainId, ChainId>, chain: ChainId) -> usize {
    std::iter::successors(followed.get(&chain), |before| followed.get(before))
        .take(limits::BUNDLE_CHAINS)
        .count()
}

/// Why a chain has no seat, if it asked for one.
fn denied(license: &License, chain: &ChainId) -> Option<Code> {
    let activation = license.activations.get(chain)?;
    let reason = activation.reason.as_ref().filter(|_| activation.status == GrantStatus::Denied)?;
    reason.as_str().parse().ok()
}

fn told(outcome: &ChainOutcome) -> BTreeSet<Code> {
    let told = [
        (!outcome.parked.is_empty(), Code::ChainGap),
        (outcome.forked, Code::ChainFork),
        (outcome.late, Code::ReportedLate),
    ];
    told.into_iter().filter(|(is_so, _)| *is_so).map(|(_, code)| code).collect()
}

fn missing_text(missing: SeqRange) -> String {
    format!("events {} to {} are missing", missing.first, missing.last)
}
