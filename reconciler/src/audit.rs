//! Proving the ledger: every stored run against its chain and its signer, and the evidence digest.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use ledger::chain::{self, Head};
use ledger::digest::{self, BranchEvidence, ChainEvidence};
use ledger::rows::StoredRun;
use ledger::run::{self, RunError};
use ledger::trust::{self, TrustedIssuer};
use schemas::codes::{Code, Exit};
use schemas::event::Event;
use schemas::ids::{CertificateId, ChainId, Digest, KeyReference, LicenseId, PublicKey};
use schemas::numbers::{Micros, Seq};
use schemas::refusal::Refusal;
use schemas::run::{Origin, pairs};
use schemas::text::Text;
use serde::Serialize;

use crate::store::{EvidenceRow, Mismatch, Store};
use crate::vendor::Vendor;
use crate::vendor::codes::contradictions;

/// What an audit found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AuditReport {
    /// Chains that were walked.
    pub chains: u64,
    /// Runs that were read.
    pub runs: u64,
    /// Events that were hashed.
    pub events: u64,
    /// Signatures that were checked.
    pub signatures: u64,
    /// What does not verify.
    pub faults: Vec<AuditFault>,
    /// Signatures inside a run that do not verify although a later one commits to them: kept as evidence.
    pub bad_signatures: Vec<AuditFault>,
    /// Tables that do not follow from the events.
    pub mismatches: Vec<Mismatch>,
    /// Heads that return codes named and that the chains, carried out since, do not hold; and return codes that contradict each
    /// other.
    pub codes: Vec<AuditFault>,
}

impl AuditReport {
    /// The exit code: verification failed, findings, or done.
    pub fn exit(&self) -> Exit {
        if !self.faults.is_empty() {
            return Exit::Verification;
        }
        let is_clean = self.bad_signatures.is_empty() && self.mismatches.is_empty() && self.codes.is_empty();
        if is_clean { Exit::Done } else { Exit::Findings }
    }
}

/// A place that does not verify.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct AuditFault {
    /// The licence; absent for the catalog.
    pub license_id: Option<LicenseId>,
    /// The chain.
    pub chain: ChainId,
    /// The place.
    pub seq: Seq,
    /// Why.
    pub code: Code,
}

/// Checks every stored run: that it follows the run before it, that its events decode and give the stored head, and
/// that its last event is signed by the chain's signer, whose certificate covers it. `deep` checks every signature,
/// on several threads. Then the tables are compared with a rebuild.
///
/// # Errors
/// When the ledger cannot be read. What does not verify is in the report.
pub fn verify(
    vendor: &mut Vendor,
    deep: bool,
    jobs: usize,
    progress: &mut dyn FnMut(u64),
) -> Result<AuditReport, Refusal> {
    let trusted = Arc::new(Trusted::of(vendor)?);
    let mut report = AuditReport::default();
    let mut walk = Walk::default();
    let (found, faults) = channel();
    thread::scope(|scope| {
        let (work, waiting) = sync_channel::<(Option<LicenseId>, StoredRun)>(jobs * 8);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..jobs {
            let (waiting, found, trusted) = (Arc::clone(&waiting), found.clone(), Arc::clone(&trusted));
            scope.spawn(move || check_runs(&waiting, &found, &trusted, deep));
        }
        let mut step = |license: Option<LicenseId>, run: StoredRun| {
            report.runs += 1;
            report.events += run.count;
            report.faults.extend(walk.follow(license, &run));
            progress(run.count);
            // Nobody stops listening before everything was sent.
            drop(work.send((license, run)));
        };
        for run in vendor.store.catalog_runs()? {
            step(None, run);
        }
        vendor.store.runs(None, &mut |license, run| {
            step(Some(*license), run);
            Ok(())
        })
    })?;
    drop(found);
    collect(faults, &mut report);
    report.chains = walk.chains;
    report.faults.extend(misplaced(vendor.store.as_mut(), &walk)?);
    // What does not verify need not even fold: the tables are compared where they can follow from the events.
    if report.faults.is_empty() {
        report.mismatches = vendor.store.compare_with_rebuild(jobs, &mut |_| {})?;
    }
    report.codes = contradicting_codes(vendor)?;
    Ok(report)
}

/// What codes say that chains do not hold, and where codes contradict each other.
fn contradicting_codes(vendor: &mut Vendor) -> Result<Vec<AuditFault>, Refusal> {
    let mut found = Vec::new();
    for license in vendor.coded_licenses()? {
        let Some(license) = vendor.store.license(&license)? else { continue };
        let license_id = Some(license.id);
        for (chain, _) in license.coded.devices() {
            let heads = vendor.told_heads(&license, chain)?;
            let contradictions = contradictions(&license, chain, &heads);
            found.extend(contradictions.map(|(seq, code)| AuditFault {
                license_id,
                chain: *chain,
                seq,
                code,
            }));
        }
    }
    Ok(found)
}

/// Device chains that are stored under another licence than the one whose key they refer to.
fn misplaced(store: &mut dyn Store, walk: &Walk) -> Result<Vec<AuditFault>, Refusal> {
    let mut faults = Vec::new();
    for ((license, reference), chain) in &walk.references {
        if store.license_of_key(reference)? != Some(*license) {
            let license_id = Some(*license);
            faults.push(AuditFault { license_id, chain: *chain, seq: Seq(1), code: Code::ChainMismatch });
        }
    }
    Ok(faults)
}

/// The evidence digest of the whole ledger, and of each licence that has evidence.
///
/// # Errors
/// When the ledger cannot be read.
pub fn evidence_digest(store: &mut dyn Store) -> Result<(Digest, BTreeMap<LicenseId, Digest>), Refusal> {
    let mut branches: BTreeMap<(LicenseId, ChainId), Vec<BranchEvidence>> = BTreeMap::new();
    for EvidenceRow { license, chain, branch } in store.evidence()? {
        branches.entry((license, chain)).or_default().push(branch);
    }
    let mut licenses: BTreeMap<LicenseId, Vec<ChainEvidence>> = BTreeMap::new();
    for ((license, chain), branches) in branches {
        licenses.entry(license).or_default().push(ChainEvidence::of(chain, &branches));
    }
    let digests: BTreeMap<LicenseId, Digest> =
        licenses.iter().map(|(license, chains)| (*license, digest::of_license(license, chains))).collect();
    let all = digest::of_ledger(digests.iter().map(|(license, digest)| (*license, *digest)));
    Ok((all, digests))
}

/// Follows the runs of one chain after the other.
#[derive(Default)]
struct Walk {
    chain: Option<(ChainId, u16)>,
    head: Option<Head>,
    last_at: Micros,
    chains: u64,
    /// The key that each licence's device chains refer to, with one chain that does.
    references: BTreeMap<(LicenseId, KeyReference), ChainId>,
}

impl Walk {
    /// Whether a run begins where the one before it of the same branch ended; a trunk begins at the start.
    fn follow(&mut self, license: Option<LicenseId>, run: &StoredRun) -> Option<AuditFault> {
        let place = (run.chain, run.branch);
        if self.chain != Some(place) {
            self.chain = Some(place);
            self.chains += u64::from(run.branch == 0);
            self.head = (run.branch == 0).then_some(Head::START);
            self.last_at = Micros::default();
            if let (Some(license), Origin::Device(origin)) = (license, &run.origin) {
                self.references.entry((license, origin.reference)).or_insert(run.chain);
            }
        }
        let fault = |code| AuditFault { license_id: license, chain: run.chain, seq: run.first_seq, code };
        let in_time = matches!(run.origin, Origin::Device(_)) || self.last_at < run.last_at;
        self.last_at = run.last_at;
        let begins = Head { seq: Seq(run.first_seq.0.saturating_sub(1)), link: run.prev };
        let fits = self.head.is_none_or(|head| head == begins);
        self.head = Some(run.head);
        match (fits, in_time) {
            (false, _) => Some(fault(Code::ChainGap)),
            (true, false) => Some(fault(Code::TimeNotIncreasing)),
            (true, true) => None,
        }
    }
}

/// What a thread found in one run.
enum Found {
    Checked { signatures: u64 },
    Fault(AuditFault),
    BadSignature(AuditFault),
}

fn collect(found: Receiver<Found>, report: &mut AuditReport) {
    for found in found {
        match found {
            Found::Checked { signatures } => report.signatures += signatures,
            Found::Fault(fault) => report.faults.push(fault),
            Found::BadSignature(fault) => report.bad_signatures.push(fault),
        }
    }
    report.faults.sort();
    report.bad_signatures.sort();
}

/// Takes runs until there are no more.
fn check_runs(
    waiting: &Mutex<Receiver<(Option<LicenseId>, StoredRun)>>,
    found: &Sender<Found>,
    trusted: &Trusted,
    deep: bool,
) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((license, run)) = next else { break };
        for found_one in check_run(license, &run, trusted, deep) {
            // The collector listens until every thread has ended.
            drop(found.send(found_one));
        }
    }
}

fn check_run(license: Option<LicenseId>, run: &StoredRun, trusted: &Trusted, deep: bool) -> Vec<Found> {
    let fault = |seq, code| AuditFault { license_id: license, chain: run.chain, seq, code };
    if let Origin::Authority(origin) = &run.origin
        && Some(origin.license) != license
    {
        return vec![Found::Fault(fault(run.first_seq, Code::ChainMismatch))];
    }
    match verify_stored(run, trusted, deep) {
        Ok(bad) => {
            let signatures = if deep { run.count } else { 1 };
            let bad = bad.into_iter().map(|seq| Found::BadSignature(fault(seq, Code::SignatureBad)));
            bad.chain([Found::Checked { signatures }]).collect()
        }
        Err(error) => vec![Found::Fault(fault(run.first_seq, error.code()))],
    }
}

/// Checks one run as it is stored: the places of bad inner signatures, if `deep`.
fn verify_stored(stored: &StoredRun, trusted: &Trusted, deep: bool) -> Result<Vec<Seq>, RunError> {
    let header = stored.header();
    let bytes = schemas::run::assemble(&header, stored.count, &stored.pairs);
    let key = trusted.signer(stored)?;
    let verified = run::verify_with(&bytes, |_, _| Ok(key))?;
    let last_at = verified.events().last().map(|linked| linked.event.at);
    if (verified.head(), last_at) != (stored.head, Some(stored.last_at)) {
        return Err(RunError::ChainMismatch);
    }
    if deep { run::bad_signatures(&header, &stored.pairs, &key) } else { Ok(Vec::new()) }
}

/// The certificates that the root key signed.
struct Trusted {
    environment: Text,
    issuers: BTreeMap<CertificateId, TrustedIssuer>,
}

impl Trusted {
    fn of(vendor: &mut Vendor) -> Result<Self, Refusal> {
        let root = vendor.root_public();
        let catalog = vendor.catalog()?;
        let issuers = catalog.issuers.values().map(|issuer| {
            trust::verify_certificate(&issuer.certificate, &root).map(|trusted| (trusted.id, trusted))
        });
        let issuers =
            issuers.collect::<Result<_, _>>().map_err(|error| Refusal::from_error(error.code(), &error))?;
        Ok(Self { environment: vendor.home.environment().clone(), issuers })
    }

    /// The key that must have signed a run; for the vendor's own, its certificate must cover every event, and the
    /// events must stand in strictly increasing time.
    fn signer(&self, run: &StoredRun) -> Result<PublicKey, RunError> {
        let (certificate, product) = match &run.origin {
            Origin::Device(origin) => return Ok(origin.signer),
            Origin::Authority(origin) => (origin.signer, Some(&origin.product)),
            Origin::Catalog(origin) => (origin.signer, None),
        };
        if chain::chain_of(&run.origin) != run.chain {
            return Err(RunError::ChainMismatch);
        }
        let issuer = self.issuers.get(&certificate).ok_or(RunError::Signer(Code::IssuerUnknown))?;
        let mut last: Option<Micros> = None;
        for pair in pairs(&run.pairs) {
            let at = Event::decode(pair?.core)?.at;
            if !issuer.covers(&self.environment, product, at) {
                return Err(RunError::Signer(Code::IssuerOutOfScope));
            }
            if last.is_some_and(|last| at <= last) {
                return Err(RunError::Signer(Code::TimeNotIncreasing));
            }
            last = Some(at);
        }
        Ok(issuer.body.issuer)
    }
}
