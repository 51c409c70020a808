//! The vendor: one file of licence state a licence, each with what is kept (durable) and what a running process holds
//! (volatile). A crash drops the latter, and it is folded again from what is kept.

mod merging;

use std::collections::BTreeMap;
use std::convert::Infallible;

use ledger::authority::{Issuer, License};
use ledger::draft::{Draft, Update};
use ledger::evidence::Chain;
use ledger::keys::SecretKey;
use ledger::license_key::{self, KeySecret};
use ledger::merge::Stored;
use ledger::parking::Parked;
use ledger::refold;
use ledger::rows::{BranchNumber, HistoryEntry, Rows, StoredRun, UsageSum};
use ledger::run::{VerifiedRun, verify_device};
use ledger::trust;
use schemas::certificate::CertificateBody;
use schemas::event::authority::LicenseIssued;
use schemas::event::{Body, Kind};
use schemas::grant::{Grant, GrantBody};
use schemas::ids::{ChainId, CustomerId, Digest, KeyReference, LicenseId, Link, PublicKey};
use schemas::numbers::{Epoch, FeatureNumber, Micros, Seq};
use schemas::period::Period;
use schemas::run::{AuthorityOrigin, Origin};
use schemas::terms::Terms;
use schemas::text::Text;

pub use self::merging::{Merged, Stop};

/// The product of every world.
pub const PRODUCT: &str = "studio";
/// Its environment.
pub const ENVIRONMENT: &str = "simulation";

/// The keys that the vendor signs with.
#[derive(Debug)]
pub struct Keys {
    /// The issuer.
    pub issuer: Issuer,
    /// What licence keys are derived from.
    pub secret: KeySecret,
    /// What devices trust.
    pub root: PublicKey,
}

impl Keys {
    /// The same keys in every world.
    pub fn new() -> Self {
        let root = SecretKey::from_seed(&[1; 32]);
        let key = SecretKey::from_seed(&[2; 32]);
        let body = CertificateBody {
            root: root.public(),
            issuer: key.public(),
            environment: text(ENVIRONMENT),
            products: Vec::new(),
            not_before: Micros::default(),
            not_after: Micros::MAX,
        };
        let bytes = trust::sign_certificate(&body, &root);
        let certificate = trust::verify_certificate(&bytes, &root.public()).expect("it was just signed");
        Self { issuer: Issuer { key, certificate }, secret: KeySecret::new([4; 32]), root: root.public() }
    }
}

impl Default for Keys {
    fn default() -> Self {
        Self::new()
    }
}

/// A short text.
pub fn text(text: &str) -> Text {
    Text::new(text).expect("a short text")
}

/// The public part of the key of a world's licence.
pub fn reference(license: usize, is_trial: bool) -> KeyReference {
    if is_trial {
        return license_key::trial_reference(PRODUCT);
    }
    let number = u32::try_from(license).expect("few licences").to_be_bytes();
    let mut bytes = [6; KeyReference::LEN];
    bytes[1..].copy_from_slice(&number);
    KeyReference(bytes)
}

/// The rows of usage by chain, feature, period and day.
pub type Usage = BTreeMap<(ChainId, FeatureNumber, Period, u32), UsageSum>;

/// What is kept of one licence.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    authority: Vec<StoredRun>,
    devices: BTreeMap<(ChainId, BranchNumber), Vec<StoredRun>>,
    history: BTreeMap<(ChainId, Kind), Vec<HistoryEntry>>,
    parked: BTreeMap<(ChainId, Digest), Vec<u8>>,
    quarantine: BTreeMap<ChainId, Vec<VerifiedRun>>,
    grants: BTreeMap<ChainId, Grant>,
    usage: Usage,
    findings: usize,
    /// Every run that was ever taken in or set aside, in the order of arrival.
    pub arrived: Vec<VerifiedRun>,
}

impl Shelf {
    /// The newest grant of a chain.
    pub fn grant(&self, chain: &ChainId) -> Option<&Grant> {
        self.grants.get(chain)
    }

    /// Sums of usage.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Whether runs of a chain wait outside its licence.
    pub fn is_quarantined(&self, chain: &ChainId) -> bool {
        self.quarantine.contains_key(chain)
    }

    fn store(&mut self, update: Update, grants: BTreeMap<ChainId, Grant>) -> License {
        let Update { license, rows, runs, parked, unparked } = update;
        for run in runs {
            match run.origin {
                Origin::Device(_) => self.devices.entry((run.chain, run.branch)).or_default().push(run),
                Origin::Authority(_) | Origin::Catalog(_) => self.authority.push(run),
            }
        }
        self.parked.extend(parked);
        for name in unparked {
            self.parked.remove(&name).expect("it was parked");
        }
        self.grants.extend(grants);
        for entry in rows.history {
            self.history.entry((entry.chain, entry.kind)).or_default().push(entry);
        }
        for (key, sum) in &rows.usage {
            let known = self.usage.entry(*key).or_default();
            known.n += sum.n;
            known.refunded += sum.refunded;
            known.events += sum.events;
        }
        self.findings += rows.findings.len();
        license
    }

    /// Folds the licence from what is kept: what a process does that starts anew.
    pub fn fold(&self) -> (License, Rows) {
        let devices: Vec<StoredRun> = self.devices.values().flatten().cloned().collect();
        let (mut license, rows) = refold::license(&self.authority, &devices).expect("what is kept folds");
        for ((chain, name), bytes) in &self.parked {
            let run = verify_device(bytes).expect("it was believed before it was parked");
            let parked = Parked { span: run.span(), size: bytes.len() as u64 };
            license.chains.get_mut(chain).expect("a known chain").parked.insert(*name, parked);
        }
        assert_eq!(rows.findings.len(), self.findings, "what contradicts itself is found again");
        (license, rows)
    }
}

impl Stored<Infallible> for &Shelf {
    fn run_holding(
        &mut self,
        chain: &ChainId,
        branch: BranchNumber,
        seq: Seq,
    ) -> Result<StoredRun, Infallible> {
        let runs = &self.devices[&(*chain, branch)];
        let after = runs.partition_point(|run| run.first_seq <= seq);
        Ok(runs[after - 1].clone())
    }

    fn history(
        &mut self,
        chain: &ChainId,
        kind: Kind,
        hear: &mut dyn FnMut(&HistoryEntry),
    ) -> Result<(), Infallible> {
        self.history.get(&(*chain, kind)).into_iter().flatten().for_each(hear);
        Ok(())
    }

    fn authority_link(&mut self, chain: &ChainId, seq: Seq) -> Result<Option<Link>, Infallible> {
        let holds = |run: &&StoredRun| run.chain == *chain && run.covers(seq);
        Ok(self.authority.iter().find(holds).and_then(|run| run.link_at(seq)))
    }

    fn parked(&mut self, chain: &ChainId, name: &Digest) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.parked.get(&(*chain, *name)).cloned())
    }
}

/// How far a unit of work came before the vendor's process ended, if it did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It was kept and said so.
    Kept,
    /// The process ended after the decision and before it was kept.
    LostBeforeKeeping,
    /// The process ended after it was kept and before it said so.
    EndedAfterKeeping,
    /// It was kept, and failure was reported: the process goes on and tries again.
    KeptButReportedFailed,
}

/// The grants among the events of an authority run.
fn grants_in(run: &StoredRun) -> Vec<((u32, u64), Box<GrantBody>)> {
    let Origin::Authority(origin) = &run.origin else { return Vec::new() };
    let events = refold::events(run).expect("the vendor wrote it").into_iter();
    let grants = events.filter_map(|(seq, event)| match event.body {
        Body::GrantIssued(body) => Some(((origin.epoch.0, seq.0), body)),
        _ => None,
    });
    grants.collect()
}

/// One licence at the vendor's.
#[derive(Debug)]
pub struct File {
    license: Option<License>,
    /// What is kept.
    pub shelf: Shelf,
    /// Grants that were kept since they were last looked at, with epoch and number.
    pub told: Vec<((u32, u64), Box<GrantBody>)>,
}

impl File {
    /// Issues a licence.
    pub fn issue(keys: &Keys, number: usize, now: u64, terms: Terms, is_trial: bool) -> Self {
        let mut id = [7; 16];
        id[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let origin = AuthorityOrigin {
            signer: keys.issuer.certificate.id,
            product: text(PRODUCT),
            environment: text(ENVIRONMENT),
            license: LicenseId(id),
            epoch: Epoch(0),
        };
        let first = LicenseIssued {
            key: reference(number, is_trial),
            customer: CustomerId([8; 16]),
            policy: text("standard"),
            terms,
        };
        let draft = Draft::issue(&keys.issuer, origin, Micros::new(now), first).expect("short terms");
        let mut shelf = Shelf::default();
        let license = shelf.store(draft.finish(), BTreeMap::new());
        Self { license: Some(license), shelf, told: Vec::new() }
    }

    /// The licence as the running process holds it; a process that was ended starts anew.
    pub fn license(&mut self) -> &License {
        self.license.get_or_insert_with(|| self.shelf.fold().0)
    }

    /// What is known of a chain.
    pub fn chain(&mut self, chain: &ChainId) -> Option<&Chain> {
        self.license().chains.get(chain)
    }

    /// One unit of work, with its fate.
    pub fn work<T>(
        &mut self,
        keys: &Keys,
        now: u64,
        fate: Fate,
        work: impl FnOnce(&mut Draft<'_>, &Shelf) -> T,
    ) -> T {
        let license = self.license.take().unwrap_or_else(|| self.shelf.fold().0);
        let mut draft = Draft::resume(&keys.issuer, license, Micros::new(now));
        let done = work(&mut draft, &self.shelf);
        if fate == Fate::LostBeforeKeeping {
            return done;
        }
        let told = draft.license().activations.keys();
        let grants = told.filter_map(|chain| Some((*chain, draft.grant(chain)?.clone()))).collect();
        let update = draft.finish();
        self.told.extend(update.runs.iter().flat_map(grants_in));
        let license = self.shelf.store(update, grants);
        self.license = (fate != Fate::EndedAfterKeeping).then_some(license);
        done
    }

    /// The ledger goes back to an old copy.
    pub fn restore(&mut self, old: Shelf) {
        *self = Self { license: None, shelf: old, told: Vec::new() };
    }
}
