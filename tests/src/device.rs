//! Devices made by hand: chains that are signed event by event, so that a test can bend what no program would.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use ledger::chain::{self, Head};
use ledger::keys::SecretKey;
use ledger::license_key::LicenseKey;
use ledger::run::{RunBuilder, verify_device};
use schemas::bundle::{Bundle, BundlePart, BundleReader};
use schemas::event::device::{
    ActivationRequested, ChainClosed, ChainOpened, Claim, CloseReason, FeatureConsumed, FingerprintChanged,
    FingerprintComponent, LicenseKeyClaim, TrialClaim,
};
use schemas::event::{Body, Event};
use schemas::ids::{ChainId, Digest, FingerprintTag, Link};
use schemas::numbers::{Amount, FeatureNumber, Micros, Seq, Total};
use schemas::period::{Period, Reset};
use schemas::run::{DeviceOrigin, Origin};
use schemas::text::Text;

use crate::lab::License;

/// The number of the feature `render` of the product `studio`.
const RENDER: FeatureNumber = FeatureNumber(2);
/// The chains begin here, and each event is a second later.
const START: &str = "2026-11-24T00:00:00Z";

/// A device chain in memory.
#[derive(Clone, Debug)]
pub struct HandMade {
    secret: SecretKey,
    origin: DeviceOrigin,
    claim: Claim,
    product: String,
    fingerprint: Vec<FingerprintComponent>,
    events: Vec<Event>,
    used: u64,
    start: Micros,
}

impl HandMade {
    /// A chain that asks for `license`; the same seed gives the same chain.
    pub fn new(seed: u64, license: &License) -> Self {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let secret = SecretKey::from_seed(&bytes);
        let key = LicenseKey::parse(&license.key).expect("a key that was issued");
        let origin = DeviceOrigin { signer: secret.public(), reference: key.reference() };
        let proof = key.proof(&chain::device_chain(&origin.signer, &origin.reference));
        let claim = Claim::LicenseKey(LicenseKeyClaim { proof });
        let start = Micros::parse(START).expect("RFC 3339");
        let mut device = Self {
            secret,
            origin,
            claim,
            product: "studio".to_owned(),
            fingerprint: Vec::new(),
            events: Vec::new(),
            used: 0,
            start,
        };
        device.open();
        device
    }

    /// The same chain asking with a proof that is wrong.
    #[must_use]
    pub fn with_bad_proof(mut self) -> Self {
        if let Claim::LicenseKey(claim) = &mut self.claim {
            claim.proof.0[31] ^= 1;
        }
        self.open();
        self
    }

    /// The same chain asking for a trial.
    #[must_use]
    pub fn asking_for_a_trial(mut self) -> Self {
        self.claim = Claim::Trial(TrialClaim {});
        self.open();
        self
    }

    /// The same chain on the device of that number: a device of another number has another fingerprint.
    #[must_use]
    pub fn on_device(mut self, number: u8) -> Self {
        self.fingerprint = fingerprint(number);
        self.open();
        self
    }

    /// The same chain after every part of its device was changed for that of another number's.
    #[must_use]
    pub fn changed_to(mut self, number: u8) -> Self {
        let body = FingerprintChanged { fingerprint: fingerprint(number), matched: 0 };
        let at = self.next_at();
        self.events.push(Event { at, body: Body::FingerprintChanged(body) });
        self
    }

    /// The same chain closed by its device.
    #[must_use]
    pub fn close(mut self) -> Self {
        let body = ChainClosed { reason: CloseReason::Deactivated, successor: None };
        let at = self.next_at();
        self.events.push(Event { at, body: Body::ChainClosed(body) });
        self
    }

    /// The same chain asking for another product.
    #[must_use]
    pub fn of_product(mut self, product: &str) -> Self {
        product.clone_into(&mut self.product);
        self.open();
        self
    }

    /// The same chain, at whose next event it is `instant`, in a month in which nothing was used yet.
    #[must_use]
    pub fn at(mut self, instant: &str) -> Self {
        let instant = Micros::parse(instant).expect("RFC 3339");
        self.start = Micros::new(instant.get() - self.events.len() as u64 * 1_000_000);
        self.used = 0;
        self
    }

    /// The same chain, opened at `instant`.
    #[must_use]
    pub fn opened_at(mut self, instant: &str) -> Self {
        self.start = Micros::parse(instant).expect("RFC 3339");
        self.open();
        self
    }

    /// The chain.
    pub fn chain(&self) -> ChainId {
        chain::device_chain(&self.origin.signer, &self.origin.reference)
    }

    /// How many events it has.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether it has no events.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Uses `n` units of `render`.
    #[must_use]
    pub fn consume(mut self, n: u64) -> Self {
        self.used += n;
        let at = self.next_at();
        let body = FeatureConsumed {
            feature: RENDER,
            period: Period::of(Reset::Month, at),
            n: Amount::new(n).expect("an amount"),
            total: Total::new(self.used).expect("a total"),
            used_at: None,
            reference: None,
        };
        self.events.push(Event { at, body: Body::FeatureConsumed(body) });
        self
    }

    /// States a total from now on that is one too high.
    #[must_use]
    pub fn miscount(mut self) -> Self {
        self.used += 1;
        self
    }

    /// The run of events `first` to `last`, counted from 1.
    pub fn run(&self, first: usize, last: usize) -> Vec<u8> {
        self.run_signed(first, last, |_| &self.secret)
    }

    /// The run of all events in which the event at `forged` is signed by another key, and the rest by the device.
    pub fn run_with_bad_signature(&self, forged: usize) -> Vec<u8> {
        let other = SecretKey::from_seed(&[9; 32]);
        self.run_signed(1, self.len(), |seq| if seq == forged { &other } else { &self.secret })
    }

    /// A run of its last two events at another place, after an event that nobody has.
    pub fn far_run(&self, place: u64) -> Vec<u8> {
        let before = Head { seq: Seq(place - 1), link: Link([2; 32]) };
        let mut run = RunBuilder::new(Origin::Device(self.origin.clone()), before);
        for event in &self.events[self.events.len() - 2..] {
            run.push(event, &self.secret);
        }
        run.finish()
    }

    /// A bundle of all events in one run.
    pub fn bundle(&self) -> Vec<u8> {
        self.bundle_of(1, self.len())
    }

    /// A bundle of the run of events `first` to `last`, counted from 1.
    pub fn bundle_of(&self, first: usize, last: usize) -> Vec<u8> {
        bundle(vec![self.run(first, last)])
    }

    fn run_signed<'a>(&'a self, first: usize, last: usize, key: impl Fn(usize) -> &'a SecretKey) -> Vec<u8> {
        let origin = Origin::Device(self.origin.clone());
        let mut builder = RunBuilder::new(origin.clone(), Head::START);
        for seq in 1..=last {
            if seq == first {
                builder = RunBuilder::new(origin.clone(), builder.head());
            }
            builder.push(&self.events[seq - 1], key(seq));
        }
        builder.finish()
    }

    fn open(&mut self) {
        self.events.clear();
        let text = |text: &str| Text::new(text).expect("short");
        let opened = ChainOpened {
            product: text(&self.product),
            environment: text("production"),
            agent: text("made by hand"),
            pack: Digest([0; 32]),
            fingerprint: self.fingerprint.clone(),
            host: None,
        };
        let claim = self.claim.clone();
        for body in [
            Body::ChainOpened(Box::new(opened)),
            Body::ActivationRequested(Box::new(ActivationRequested { claim })),
        ] {
            let at = self.next_at();
            self.events.push(Event { at, body });
        }
    }

    fn next_at(&self) -> Micros {
        Micros::new(self.start.get() + self.events.len() as u64 * 1_000_000)
    }
}

fn fingerprint(number: u8) -> Vec<FingerprintComponent> {
    let component = |component| FingerprintComponent { component, tag: FingerprintTag([number; 16]) };
    (1..=3).map(component).collect()
}

/// A bundle of runs.
pub fn bundle(runs: Vec<Vec<u8>>) -> Vec<u8> {
    Bundle { runs, attachments: Vec::new(), last_grant: None }.encode()
}

/// Writes the runs of a bundle as bundles of one chain each into the new folder `to`: `0.cfbundle` for the chain that
/// stands first, and so on. Returns how many chains there are.
pub fn split_by_chain(bytes: &[u8], to: &Path) -> usize {
    let mut reader = BundleReader::open(Cursor::new(bytes)).expect("a bundle");
    let mut chains: Vec<(ChainId, Bundle)> = Vec::new();
    while let Some(part) = reader.next_part().expect("a whole bundle") {
        let BundlePart::Run(run) = part else { continue };
        let chain = verify_device(&run).expect("a device signed it").chain();
        match chains.iter_mut().find(|(known, _)| *known == chain) {
            Some((_, bundle)) => bundle.runs.push(run),
            None => chains.push((chain, Bundle { runs: vec![run], ..Bundle::default() })),
        }
    }
    fs::create_dir(to).expect("a new folder");
    for (number, (_, bundle)) in chains.iter().enumerate() {
        fs::write(to.join(format!("{number}.cfbundle")), bundle.encode()).expect("writable");
    }
    chains.len()
}
