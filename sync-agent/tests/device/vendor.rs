//! A vendor in miniature: packs, licence keys, and grants signed on an authority chain of its own.

use std::path::Path;
use std::sync::{Arc, Mutex};

use counterfoil_sync_agent::fingerprint::{Component, FingerprintSource};
use counterfoil_sync_agent::wall_clock::Clock;
use counterfoil_sync_agent::{Config, LicenseKey, Reading};
use ledger::chain::{self, Head};
use ledger::keys::SecretKey;
use ledger::license_key::KeySecret;
use ledger::run::{self, VerifiedRun};
use ledger::trust;
use schemas::bundle::{Answer, BundlePart, BundleReader, encode_answers, encode_pack};
use schemas::certificate::CertificateBody;
use schemas::event::{Body, Event};
use schemas::grant::{Ack, CheckIn, GrantBody, GrantStatus, QuotaLine, Revocations};
use schemas::ids::{ChainId, FingerprintKey, KeyReference, LicenseId, SealingKey};
use schemas::numbers::{Epoch, FeatureNumber, Micros, Revision, Seconds, Total};
use schemas::pack::PackBody;
use schemas::period::{Period, Reset};
use schemas::terms::{
    After, Entitlement, FeatureGrant, FingerprintRule, LicenseType, Mode, OnFork, Policy, Rules, SameDevice,
    Start,
};
use schemas::text::Text;

pub(crate) const EXPORT: FeatureNumber = FeatureNumber(1);
pub(crate) const RENDER: FeatureNumber = FeatureNumber(2);
pub(crate) const MILES: FeatureNumber = FeatureNumber(3);

pub(crate) struct Vendor {
    product: Text,
    root: SecretKey,
    issuer: SecretKey,
    certificate: Vec<u8>,
    head: Head,
    last_at: Micros,
}

/// A policy that codes may unlock.
fn dark(product: &Text) -> Policy {
    Policy {
        name: text("dark"),
        product: product.clone(),
        kind: LicenseType::Perpetual,
        start: Start::Issue,
        valid_for: None,
        maintenance_for: None,
        features: Vec::new(),
        rules: Rules {
            max_activations: 1,
            transfers: None,
            same_device: SameDevice::Supersede,
            on_fork: OnFork::Flag,
            quotas: Vec::new(),
            sync_every: None,
            grace: Seconds::days(7),
            after: After::Warn,
            import_for: None,
            clock_tolerance: Seconds::days(1),
            fingerprint: FingerprintRule::default(),
            finalisation_days: 10,
            heals: None,
            compact: false,
            floating: None,
        },
        air_gapped: Some(1),
    }
}

impl Vendor {
    pub(crate) fn new() -> Self {
        Self::of("studio")
    }

    /// The vendor of this product.
    pub(crate) fn of(product: &str) -> Self {
        let (root, issuer) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
        let certificate = trust::sign_certificate(
            &CertificateBody {
                root: root.public(),
                issuer: issuer.public(),
                environment: text("test"),
                products: Vec::new(),
                not_before: at("2020-01-01"),
                not_after: at("2040-01-01"),
            },
            &root,
        );
        Self {
            product: text(product),
            root,
            issuer,
            certificate,
            head: Head::START,
            last_at: Micros::default(),
        }
    }

    pub(crate) fn pack(&self) -> Vec<u8> {
        let body = PackBody {
            product: self.product.clone(),
            environment: text("test"),
            version: 1,
            issued_at: at("2026-01-01"),
            root: self.root.public(),
            sealing: SealingKey([3; 32]),
            fingerprint_key: FingerprintKey([4; 32]),
            fingerprint: FingerprintRule::default(),
            features: Vec::new(),
            policies: vec![dark(&self.product)],
            code_keys: vec![SecretKey::from_seed(&[8; 32]).public()],
            portal: None,
        };
        encode_pack(&trust::sign_pack(&body, &self.root))
    }

    /// The grant that answers a bundle: it acknowledges all of it.
    pub(crate) fn answer(
        &mut self,
        bundle: &[u8],
        now: Micros,
        change: impl FnOnce(&mut GrantBody),
    ) -> Vec<u8> {
        let (chain, ack) = head_of(bundle);
        self.grant(chain, ack, now, change)
    }

    pub(crate) fn grant(
        &mut self,
        device: ChainId,
        ack: Ack,
        now: Micros,
        change: impl FnOnce(&mut GrantBody),
    ) -> Vec<u8> {
        encode_answers(&[self.sign(device, ack, now, change)])
    }

    /// Grants that answer every chain of a bundle, in one file: each acknowledges all of its chain.
    pub(crate) fn answer_all(
        &mut self,
        bundle: &[u8],
        now: Micros,
        change: impl FnMut(&mut GrantBody),
    ) -> Vec<u8> {
        self.acknowledge(heads_of(bundle), now, change)
    }

    /// Grants that acknowledge these heads of chains, in one file.
    pub(crate) fn acknowledge(
        &mut self,
        heads: Vec<(ChainId, Ack)>,
        now: Micros,
        mut change: impl FnMut(&mut GrantBody),
    ) -> Vec<u8> {
        let answers: Vec<Answer> =
            heads.into_iter().map(|(chain, ack)| self.sign(chain, ack, now, &mut change)).collect();
        encode_answers(&answers)
    }

    fn sign(
        &mut self,
        device: ChainId,
        ack: Ack,
        now: Micros,
        change: impl FnOnce(&mut GrantBody),
    ) -> Answer {
        let at = now.max(Micros::new(self.last_at.get() + 1));
        self.last_at = at;
        let mut body = grant_body(device, ack, at);
        change(&mut body);
        let chain = chain::authority_chain(&body.product, &body.environment, &body.license, body.epoch);
        let core = Event { at, body: Body::GrantIssued(Box::new(body)) }.encode();
        let appended = self.head.append(&chain, &core, &self.issuer);
        let place = (appended.head.seq, self.head.link);
        self.head = appended.head;
        let grant = trust::detach(chain, place, core, appended.signature, self.certificate.clone());
        Answer::Grant(Box::new(grant))
    }
}

/// The licence key that tests activate with.
pub(crate) fn license_key() -> LicenseKey {
    key_numbered(6)
}

/// The licence key with this reference.
pub(crate) fn key_numbered(number: u8) -> LicenseKey {
    KeySecret::new([5; 32]).license_key(KeyReference([number; 5]))
}

/// The last chain of a bundle and its head.
pub(crate) fn head_of(bundle: &[u8]) -> (ChainId, Ack) {
    heads_of(bundle).pop().expect("a bundle holds a run")
}

/// The chains of a bundle with their heads, in their order. Every run must verify.
pub(crate) fn heads_of(bundle: &[u8]) -> Vec<(ChainId, Ack)> {
    let mut heads: Vec<(ChainId, Ack)> = Vec::new();
    for run in runs_of(bundle) {
        let head = Ack::from(run.head());
        match heads.last_mut() {
            Some((chain, last)) if *chain == run.chain() => *last = head,
            _ => heads.push((run.chain(), head)),
        }
    }
    heads
}

/// The runs of a bundle, each of which must verify.
pub(crate) fn runs_of(bundle: &[u8]) -> Vec<VerifiedRun> {
    let mut reader = BundleReader::open(std::io::Cursor::new(bundle)).expect("a bundle");
    let mut runs = Vec::new();
    while let Some(part) = reader.next_part().expect("a whole bundle") {
        if let BundlePart::Run(bytes) = part {
            runs.push(run::verify_device(&bytes).expect("a run of a device"));
        }
    }
    runs
}

fn grant_body(device: ChainId, ack: Ack, now: Micros) -> GrantBody {
    let feature = |number, name: &str, mode| FeatureGrant {
        number,
        name: text(name),
        mode,
        reset: Reset::Month,
        valid_for: None,
    };
    let month = Period::of(Reset::Month, now);
    GrantBody {
        device,
        license: LicenseId([7; 16]),
        product: text("studio"),
        environment: text("test"),
        epoch: Epoch(0),
        status: GrantStatus::Active,
        reason: None,
        entitlement: Some(Entitlement {
            revision: Revision(1),
            kind: LicenseType::Subscription,
            starts_at: at("2020-01-01"),
            valid_until: Some(now + Seconds::days(365)),
            maintenance_until: Some(now + Seconds::days(100)),
            features: vec![
                feature(EXPORT, "export", Mode::OnOff),
                feature(RENDER, "render", Mode::Hard),
                feature(MILES, "miles", Mode::Counted),
            ],
            custom: Vec::new(),
        }),
        check_in: CheckIn {
            sync_by: Some(now + Seconds::days(30)),
            grace: Seconds::days(7),
            after: After::Limit,
        },
        import_until: None,
        clock_tolerance: Seconds::days(1),
        fingerprint: FingerprintRule::default(),
        forked: None,
        quotas: vec![QuotaLine {
            feature: RENDER,
            first: month,
            last: month.next(),
            granted: Total::new(100).expect("small"),
            written_off: Total::ZERO,
        }],
        return_requests: Vec::new(),
        floating: None,
        took_in: Vec::new(),
        ack,
        missing: Vec::new(),
        resend_from: None,
        revocations: Revocations::default(),
        compact: false,
        typed: None,
    }
}

/// A clock that stands until it is set.
#[derive(Debug)]
pub(crate) struct TestClock(Mutex<Reading>);

impl TestClock {
    pub(crate) fn new(wall: &str) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Reading { wall: at(wall), monotonic: 0 })))
    }

    pub(crate) fn now(&self) -> Micros {
        self.read().wall
    }

    /// Lets time pass on both clocks.
    pub(crate) fn pass(&self, span: Seconds) {
        let mut reading = self.0.lock().expect("no test panics while it holds the clock");
        reading.wall = reading.wall + span;
        reading.monotonic += span.micros();
    }

    /// Lets time pass on the clock that only goes forward, as while a machine is held.
    pub(crate) fn tick(&self, span: Seconds) {
        self.0.lock().expect("no test panics while it holds the clock").monotonic += span.micros();
    }

    /// Begins the clock that only goes forward anew, as a start of the machine does.
    pub(crate) fn reboot(&self) {
        self.0.lock().expect("no test panics while it holds the clock").monotonic = 0;
    }

    /// Sets the wall clock.
    pub(crate) fn set(&self, wall: Micros) {
        self.0.lock().expect("no test panics while it holds the clock").wall = wall;
    }
}

impl Clock for TestClock {
    fn read(&self) -> Reading {
        *self.0.lock().expect("no test panics while it holds the clock")
    }
}

/// A machine with these components.
#[derive(Clone, Debug)]
pub(crate) struct Machine(pub(crate) Vec<(Component, &'static str)>);

impl Machine {
    pub(crate) fn usual() -> Self {
        Self(vec![
            (Component::MachineId, "a"),
            (Component::ProductUuid, "b"),
            (Component::BoardSerial, "c"),
            (Component::NetworkCard, "d"),
            (Component::Processor, "e"),
        ])
    }
}

impl FingerprintSource for Machine {
    fn components(&self) -> Vec<(Component, String)> {
        self.0.iter().map(|(component, value)| (*component, (*value).to_owned())).collect()
    }
}

pub(crate) fn config(state: &Path, vendor: &Vendor, clock: &Arc<TestClock>) -> Config {
    Config {
        state: state.to_owned(),
        pack: Some(vendor.pack()),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        fingerprint: Arc::new(Machine::usual()),
    }
}

pub(crate) fn at(text: &str) -> Micros {
    Micros::parse(text).expect("RFC 3339")
}

fn text(text: &str) -> Text {
    Text::new(text).expect("short")
}
