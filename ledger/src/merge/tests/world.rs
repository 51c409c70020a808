//! A licence and its devices in memory: real keys, real runs, and what waits as a store would keep it.

use std::collections::BTreeMap;
use std::convert::Infallible;

use schemas::certificate::CertificateBody;
use schemas::event::authority::LicenseIssued;
use schemas::event::device::{
    ActivationRequested, ChainClosed, ChainOpened, Claim, CloseReason, FeatureConsumed, FingerprintComponent,
    LicenseKeyClaim, QuotaReturned, SuccessorClaim, TrialClaim,
};
use schemas::event::{Body, Event, Kind};
use schemas::grant::{GrantStatus, Revocations};
use schemas::ids::{ChainId, CustomerId, Digest, KeyReference, LicenseId, Link, PublicKey};
use schemas::numbers::{Amount, Epoch, Micros, Revision, Seconds, Seq, Total};
use schemas::period::{Period, Reset};
use schemas::run::{AuthorityOrigin, DeviceOrigin, Origin};
use schemas::terms::{
    After, Entitlement, FeatureGrant, FingerprintRule, LicenseType, Mode, OnFork, QuotaRule, Rules,
    SameDevice, Terms,
};

use crate::authority::{Issuer, License};
use crate::chain::{self, Head};
use crate::draft::{Draft, Update};
use crate::escrow;
use crate::fixture::{ISSUED, RENDER, at, opened, text};
use crate::keys::SecretKey;
use crate::license_key::{self, KeySecret};
use crate::merge::{ChainOutcome, Stored, merge_chain};
use crate::packing::{self, Length};
use crate::quotas;
use crate::refold;
use crate::rows::{BranchNumber, HistoryEntry, Rows, StoredRun};
use crate::run::{RunBuilder, VerifiedRun, verify_device};
use crate::trust;

const REFERENCE: KeyReference = KeyReference([6; 5]);

pub(crate) fn total(n: u64) -> Total {
    Total::new(n).expect("small")
}

pub(crate) fn month() -> Period {
    Period::of(Reset::Month, at(ISSUED))
}

/// Two activations, and 1,000 units of `render` a month for both together.
pub(crate) fn terms() -> Terms {
    let render = FeatureGrant {
        number: RENDER,
        name: text("render"),
        mode: Mode::Hard,
        reset: Reset::Month,
        valid_for: None,
    };
    Terms {
        entitlement: Entitlement {
            revision: Revision(1),
            kind: LicenseType::Subscription,
            starts_at: at("2026-11-01"),
            valid_until: Some(at("2027-11-01")),
            maintenance_until: None,
            features: vec![render],
            custom: Vec::new(),
        },
        valid_from_activation: None,
        rules: Rules {
            max_activations: 2,
            transfers: None,
            same_device: SameDevice::Count,
            on_fork: OnFork::Flag,
            quotas: vec![QuotaRule {
                feature: RENDER,
                limit: total(1_000),
                overage: Total::ZERO,
                share: None,
            }],
            sync_every: Some(Seconds::days(30)),
            grace: Seconds::days(7),
            after: After::Limit,
            import_for: None,
            clock_tolerance: Seconds::days(1),
            fingerprint: FingerprintRule::default(),
            finalisation_days: 10,
            heals: None,
            compact: false,
            floating: None,
        },
    }
}

/// A device that signs what it does.
#[derive(Clone)]
pub(crate) struct Device {
    key: SecretKey,
    reference: KeyReference,
    pub(crate) events: Vec<Event>,
    used: u64,
    slipped: i64,
}

impl Device {
    /// A device that opened its chain and asked for an activation.
    pub(crate) fn new(seed: u8) -> Self {
        let mut device = Self::silent(seed);
        device.push(Body::ChainOpened(Box::new(opened())));
        device.ask();
        device
    }

    /// A device with a fingerprint of its own that opened its chain and asked for an activation.
    pub(crate) fn with_fingerprint(seed: u8, fingerprint: Vec<FingerprintComponent>) -> Self {
        let mut device = Self::silent(seed);
        device.push(Body::ChainOpened(Box::new(ChainOpened { fingerprint, ..opened() })));
        device.ask();
        device
    }

    /// A device that has said nothing yet.
    pub(crate) fn silent(seed: u8) -> Self {
        Self {
            key: SecretKey::from_seed(&[seed; 32]),
            reference: REFERENCE,
            events: Vec::new(),
            used: 0,
            slipped: 0,
        }
    }

    /// A device with a fingerprint of its own that asks for the product's trial.
    pub(crate) fn trying(seed: u8, fingerprint: Vec<FingerprintComponent>) -> Self {
        let mut device = Self { reference: trial_reference(), ..Self::silent(seed) };
        device.push(Body::ChainOpened(Box::new(ChainOpened { fingerprint, ..opened() })));
        device.claim(Claim::Trial(TrialClaim {}));
        device
    }

    pub(crate) fn ask(&mut self) {
        let proof = secret().license_key(REFERENCE).proof(&self.chain());
        self.claim(Claim::LicenseKey(LicenseKeyClaim { proof }));
    }

    /// Asks for an activation as the successor of `old`, whose key signs for it.
    pub(crate) fn follow(&mut self, old: &Device) {
        let (follows, new) = (old.chain(), self.chain());
        let signature = chain::sign_successor(&old.key, &follows, &new);
        self.claim(Claim::Successor(SuccessorClaim { follows, signature }));
    }

    pub(crate) fn claim(&mut self, claim: Claim) {
        self.push(Body::ActivationRequested(Box::new(ActivationRequested { claim })));
    }

    pub(crate) fn push(&mut self, body: Body) {
        let at = at(ISSUED) + Seconds(self.events.len() as u64);
        let at = Micros::new(at.get().saturating_add_signed(self.slipped * 1_000_000));
        self.events.push(Event { at, body });
    }

    /// Sets the clock of all that follows by so many seconds.
    pub(crate) fn slip(&mut self, seconds: i64) {
        self.slipped += seconds;
    }

    pub(crate) fn consume(&mut self, n: u64) {
        self.used += n;
        self.push(Body::FeatureConsumed(FeatureConsumed {
            feature: RENDER,
            period: month(),
            n: Amount::new(n).expect("small"),
            total: total(self.used),
            used_at: None,
            reference: None,
        }));
    }

    /// Returns `n` units, the device's R being `total` then.
    pub(crate) fn give_back(&mut self, n: u64, stated: u64) {
        let (feature, period) = (RENDER, month());
        let (n, total) = (Amount::new(n).expect("small"), total(stated));
        self.push(Body::QuotaReturned(QuotaReturned { feature, period, n, total }));
    }

    pub(crate) fn close(&mut self) {
        self.push(Body::ChainClosed(ChainClosed { reason: CloseReason::Deactivated, successor: None }));
    }

    pub(crate) fn origin(&self) -> DeviceOrigin {
        DeviceOrigin { signer: self.key.public(), reference: self.reference }
    }

    pub(crate) fn chain(&self) -> ChainId {
        chain::chain_of(&Origin::Device(self.origin()))
    }

    /// The run of the places `first` to `last`.
    pub(crate) fn run(&self, first: usize, last: usize) -> VerifiedRun {
        let mut before = RunBuilder::new(Origin::Device(self.origin()), Head::START);
        for event in &self.events[..first - 1] {
            before.push(event, &self.key);
        }
        let mut run = RunBuilder::new(Origin::Device(self.origin()), before.head());
        for event in &self.events[first - 1..last] {
            run.push(event, &self.key);
        }
        verify_device(&run.finish()).expect("it was just signed")
    }

    pub(crate) fn whole(&self) -> VerifiedRun {
        self.run(1, self.events.len())
    }
}

fn trial_reference() -> KeyReference {
    license_key::trial_reference(opened().product.as_str())
}

fn secret() -> KeySecret {
    KeySecret::new([4; 32])
}

fn issuer() -> Issuer {
    let root = SecretKey::from_seed(&[1; 32]);
    let key = SecretKey::from_seed(&[2; 32]);
    let body = CertificateBody {
        root: root.public(),
        issuer: key.public(),
        environment: opened().environment,
        products: Vec::new(),
        not_before: at("2026-11-01"),
        not_after: at("2028-11-01"),
    };
    let bytes = trust::sign_certificate(&body, &root);
    let certificate = trust::verify_certificate(&bytes, &root.public()).expect("it was just signed");
    Issuer { key, certificate }
}

/// The vendor's side of one licence; a clone of it is a backup.
#[derive(Clone)]
pub(crate) struct World {
    issuer: Issuer,
    pub(crate) license: License,
    stored: Shelf,
    /// The rows of every unit of work, as a store adds them up.
    rows: Rows,
}

impl World {
    /// A licence as [`terms`] says, with changes.
    pub(crate) fn new(change: impl FnOnce(&mut Terms)) -> Self {
        Self::with_key(REFERENCE, change)
    }

    /// The product's trial, with terms as [`terms`] says, with changes.
    pub(crate) fn trial(change: impl FnOnce(&mut Terms)) -> Self {
        Self::with_key(trial_reference(), change)
    }

    fn with_key(key: KeyReference, change: impl FnOnce(&mut Terms)) -> Self {
        let issuer = issuer();
        let mut terms = terms();
        change(&mut terms);
        let origin = AuthorityOrigin {
            signer: issuer.certificate.id,
            product: opened().product,
            environment: opened().environment,
            license: LicenseId([7; 16]),
            epoch: Epoch(0),
        };
        let first = LicenseIssued { key, customer: CustomerId([8; 16]), policy: text("standard"), terms };
        let update = Draft::issue(&issuer, origin, at(ISSUED), first).expect("short terms").finish();
        let (stored, rows) = (Shelf::default(), Rows::default());
        let mut world = Self { license: update.license.clone(), issuer, stored, rows };
        world.store(update);
        world
    }

    /// The key that the issuer's certificate rests on.
    pub(crate) fn root(&self) -> PublicKey {
        self.issuer.certificate.body.root
    }

    /// One unit of work, stored at its end.
    pub(crate) fn work<T>(&mut self, work: impl FnOnce(&mut Draft<'_>, &mut Shelf) -> T) -> (T, Rows) {
        self.work_at(at(ISSUED), work)
    }

    /// One unit of work at another time.
    pub(crate) fn work_at<T>(
        &mut self,
        now: Micros,
        work: impl FnOnce(&mut Draft<'_>, &mut Shelf) -> T,
    ) -> (T, Rows) {
        let mut stored = self.stored.clone();
        let mut draft = Draft::resume(&self.issuer, self.license.clone(), now);
        let done = work(&mut draft, &mut stored);
        let rows = self.store(draft.finish());
        (done, rows)
    }

    /// Merges the runs of one device, and gives the rows beside what became of them.
    pub(crate) fn merge_runs(&mut self, chain: ChainId, runs: &[VerifiedRun]) -> (ChainOutcome, Rows) {
        self.work(|draft, stored| merge(draft, stored, chain, runs))
    }

    /// Merges all that a device said.
    pub(crate) fn merge(&mut self, device: &Device) -> ChainOutcome {
        self.merge_runs(device.chain(), &[device.whole()]).0
    }

    pub(crate) fn write(&mut self, body: Body) {
        self.work(|draft, _| draft.write(body)).0.expect("a short event");
    }

    pub(crate) fn status(&self, device: &Device) -> Option<GrantStatus> {
        self.license.activations.get(&device.chain()).map(|activation| activation.status)
    }

    pub(crate) fn seats_taken(&self) -> usize {
        self.license.seats_taken(at(ISSUED) + Seconds(60))
    }

    /// G of a device this month.
    pub(crate) fn granted(&self, device: &Device) -> u64 {
        let accounts = quotas::accounts(&self.license, RENDER, month());
        accounts.get(&device.chain()).map_or(0, |account| account.granted)
    }

    /// What is free of this month's quota.
    pub(crate) fn free(&self) -> i64 {
        let rule = &self.license.terms.rules.quotas[0];
        let accounts = quotas::accounts(&self.license, RENDER, month());
        escrow::free(rule.limit, rule.overage, accounts.into_values())
    }

    fn store(&mut self, update: Update) -> Rows {
        let Update { license, rows, runs, parked, unparked } = update;
        self.stored.runs.extend(runs);
        self.stored.history.extend(rows.history.iter().cloned());
        self.stored.parked.extend(parked);
        for name in unparked {
            self.stored.parked.remove(&name).expect("it was parked");
        }
        self.license = license;
        for (key, sum) in &rows.usage {
            let known = self.rows.usage.entry(*key).or_default();
            known.n += sum.n;
            known.refunded += sum.refunded;
            known.events += sum.events;
        }
        for (key, variable) in &rows.variables {
            let known = self.rows.variables.entry(key.clone()).or_insert(*variable);
            *known = (*known).max(*variable);
        }
        self.rows.findings.extend(rows.findings.iter().copied());
        rows
    }

    /// All that was attached and written.
    pub(crate) fn runs(&self) -> &[StoredRun] {
        &self.stored.runs
    }

    /// Packs what was attached and written, branch by branch.
    pub(crate) fn pack(&mut self, full: Length) {
        let mut runs = std::mem::take(&mut self.stored.runs);
        runs.sort_by_key(|run| (run.chain, run.branch, run.first_seq));
        for branch in runs.chunk_by(|one, next| (one.chain, one.branch) == (next.chain, next.branch)) {
            self.stored.runs.extend(packing::tests::packed(branch, full));
        }
    }

    /// The rows of all that was stored.
    pub(crate) fn stored_rows(&self) -> &Rows {
        &self.rows
    }

    /// The licence folded again from what is stored; what is parked is no part of it.
    pub(crate) fn refolded(&self) -> (License, Rows) {
        let (mut device, authority): (Vec<StoredRun>, Vec<StoredRun>) =
            self.stored.runs.iter().cloned().partition(|run| matches!(run.origin, Origin::Device(_)));
        device.sort_by_key(|run| (run.chain, run.branch, run.first_seq));
        refold::license(&authority, &device).expect("what was stored folds again")
    }
}

/// What is stored beside the licence.
#[derive(Clone, Default)]
pub(crate) struct Shelf {
    runs: Vec<StoredRun>,
    history: Vec<HistoryEntry>,
    parked: BTreeMap<(ChainId, Digest), Vec<u8>>,
}

impl Shelf {
    /// The link after the event at a place of a chain that never forked.
    pub(crate) fn link_at(&self, chain: &ChainId, seq: Seq) -> Option<Link> {
        let run = self.runs.iter().find(|run| run.chain == *chain && run.covers(seq))?;
        run.link_at(seq)
    }
}

impl Stored<Infallible> for Shelf {
    fn run_holding(
        &mut self,
        chain: &ChainId,
        branch: BranchNumber,
        seq: Seq,
    ) -> Result<StoredRun, Infallible> {
        let holds = |run: &&StoredRun| (run.chain, run.branch) == (*chain, branch) && run.covers(seq);
        Ok(self.runs.iter().find(holds).expect("only places that are there are asked for").clone())
    }

    fn authority_link(&mut self, chain: &ChainId, seq: Seq) -> Result<Option<Link>, Infallible> {
        Ok(self.link_at(chain, seq))
    }

    fn history(
        &mut self,
        chain: &ChainId,
        kind: Kind,
        hear: &mut dyn FnMut(&HistoryEntry),
    ) -> Result<(), Infallible> {
        self.history.iter().filter(|entry| (entry.chain, entry.kind) == (*chain, kind)).for_each(hear);
        Ok(())
    }

    fn parked(&mut self, chain: &ChainId, name: &Digest) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.parked.get(&(*chain, *name)).cloned())
    }
}

/// Merges runs as part of a unit of work.
pub(crate) fn merge(
    draft: &mut Draft<'_>,
    stored: &mut Shelf,
    chain: ChainId,
    runs: &[VerifiedRun],
) -> ChainOutcome {
    let revocations = Revocations::default();
    let Ok(outcome) = merge_chain(draft, chain, runs, stored, &secret(), &revocations);
    outcome
}
