//! A device: what its disk keeps (durable), what its process holds (volatile), its clocks and its hardware.
//!
//! What the library's store does between decision and commit is done here step by step, so that the world can end the
//! process between any two of them.

use std::collections::BTreeMap;

use ledger::chain::Head;
use ledger::check::Life;
use ledger::clock::Reading;
use ledger::device::{
    Acknowledged, AppliedGrant, Command, Consumed, Decision, Device, DeviceError, Done, Known, Now, Opening,
    Parts, Refused, Saved,
};
use ledger::keys::SecretKey;
use ledger::license_key::KeySecret;
use schemas::event::device::{
    ChainOpened, Claim, FeatureConsumed, FeatureRefunded, FingerprintComponent, LicenseKeyClaim,
    SuccessorClaim, TrialClaim,
};
use schemas::event::{Body, Event};
use schemas::ids::{ChainId, Digest, FingerprintTag, InstanceId, KeyReference, Link, Signature};
use schemas::numbers::{Micros, Seq};
use schemas::run::{DeviceOrigin, Origin, RunHeader, VERSION, append_pair, assemble};
use schemas::text::UsageRef;

use super::agenda::DAY;
use super::model::Hardware;
use super::office::{ENVIRONMENT, PRODUCT, text};

/// A signed event with its place in the model.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The event.
    pub event: Event,
    /// Its bytes.
    pub core: Vec<u8>,
    /// Its signature.
    pub signature: Signature,
    /// The head after it.
    pub head: Head,
    /// Its number in the model, once it is kept.
    pub act: u32,
}

/// What survives a crash.
#[derive(Clone, Debug)]
pub struct Disk {
    key: SecretKey,
    /// The state as it was last written, which may stand behind the events.
    state: Device,
    /// Every event.
    pub log: Vec<Kept>,
    references: BTreeMap<String, (Seq, FeatureConsumed)>,
    /// The last grant of the chain that this one follows.
    inherited: Option<AppliedGrant>,
}

/// What does not.
#[derive(Clone, Debug)]
pub struct Process {
    /// The state in memory.
    pub device: Device,
    /// When it started, in virtual time.
    pub started: u64,
    instance: InstanceId,
    boot: InstanceId,
    /// Signed and not kept.
    signed: Vec<Kept>,
    took_grant: bool,
    before: Saved,
}

/// How the wall clock goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wall {
    /// So many microseconds from the truth.
    Off(i64),
    /// It began at 1970 when the machine was switched on.
    Unset {
        /// When that was.
        since: u64,
    },
}

impl Wall {
    /// Whether it is wrong by less than a device notes.
    pub fn is_slipped(self) -> bool {
        matches!(self, Self::Off(off) if off != 0 && off.unsigned_abs() <= DAY)
    }

    /// What it shows.
    pub fn show(self, now: u64) -> u64 {
        match self {
            Self::Off(off) => now.saturating_add_signed(off),
            Self::Unset { since } => now - since,
        }
    }
}

/// The hardware that a fingerprint tells of.
pub fn hardware(fingerprint: &[FingerprintComponent]) -> Hardware {
    let mut hardware = Hardware::default();
    for (value, component) in hardware.iter_mut().zip(fingerprint) {
        let (number, _) = component.tag.0.split_first_chunk().expect("a tag is longer than a number");
        *value = u64::from_be_bytes(*number);
    }
    hardware
}

/// The fingerprint of a device with this hardware.
pub fn fingerprint(hardware: &Hardware) -> Vec<FingerprintComponent> {
    let component = |(component, value): (u8, &u64)| {
        let mut tag = [component; FingerprintTag::LEN];
        tag[..8].copy_from_slice(&value.to_be_bytes());
        FingerprintComponent { component, tag: FingerprintTag(tag) }
    };
    (1..).zip(hardware).map(component).collect()
}

/// What entitles a new chain.
#[derive(Clone, Copy, Debug)]
pub enum Asks<'a> {
    /// The key of a licence.
    Key(&'a KeySecret, KeyReference),
    /// The product's trial.
    Trial(KeyReference),
    /// The chain of this disk, which the new one follows.
    After(&'a Disk),
}

/// Opens a chain at `at`: a key of its own, and the two events of an activation request.
pub fn install(seed: u64, asks: Asks<'_>, hardware: &Hardware, at: u64) -> Disk {
    let mut bytes = [9; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let key = SecretKey::from_seed(&bytes);
    let origin = DeviceOrigin { signer: key.public(), reference: asks.reference() };
    let claim = asks.claim(&ledger::chain::device_chain(&origin.signer, &origin.reference));
    let opened = ChainOpened {
        product: text(PRODUCT),
        environment: text(ENVIRONMENT),
        agent: text("simulated 1"),
        pack: Digest([0; 32]),
        fingerprint: fingerprint(hardware),
        host: None,
    };
    let opening = Opening { origin: origin.clone(), opened: opened.clone(), host: None, claim };
    let at = Micros::new(at);
    let mut state = Device::from_parts(Parts {
        origin,
        fingerprint: opened.fingerprint.clone(),
        opened,
        saved: Saved::start(at),
        life: Life::Open,
        meters: BTreeMap::new(),
        grant: None,
        revocations: schemas::grant::Revocations::default(),
    });
    let mut log = Vec::new();
    for event in opening.events(at) {
        sign(&mut state, &key, event, &mut log);
    }
    let inherited = match asks {
        Asks::After(disk) => disk.device().rests_on().cloned(),
        Asks::Key(..) | Asks::Trial(_) => None,
    };
    Disk { key, state, log, references: BTreeMap::new(), inherited }
}

impl Asks<'_> {
    fn reference(self) -> KeyReference {
        match self {
            Self::Key(_, reference) | Self::Trial(reference) => reference,
            Self::After(disk) => disk.state.reference(),
        }
    }

    fn claim(self, chain: &ChainId) -> Claim {
        match self {
            Self::Key(secret, reference) => {
                Claim::LicenseKey(LicenseKeyClaim { proof: secret.license_key(reference).proof(chain) })
            }
            Self::Trial(_) => Claim::Trial(TrialClaim {}),
            Self::After(disk) => {
                let follows = disk.state.chain();
                let signature = ledger::chain::sign_successor(&disk.key, &follows, chain);
                Claim::Successor(SuccessorClaim { follows, signature })
            }
        }
    }
}

fn sign(device: &mut Device, key: &SecretKey, event: Event, log: &mut Vec<Kept>) {
    let core = event.encode();
    let appended = device.head().append(&device.chain(), &core, key);
    device.apply(&event, appended.head);
    log.push(Kept { event, core, signature: appended.signature, head: appended.head, act: u32::MAX });
}

/// The state of a device as it is put together from its parts.
fn reopened(state: &Device) -> Device {
    Device::from_parts(Parts {
        origin: state.origin().clone(),
        opened: state.opened().clone(),
        saved: state.saved(),
        fingerprint: state.fingerprint().to_vec(),
        life: state.basis().life,
        meters: state.meters().clone(),
        grant: state.grant().cloned(),
        revocations: state.revocations().clone(),
    })
}

impl Disk {
    /// The state that a process finds: what was written of it, and the events that follow.
    pub fn device(&self) -> Device {
        let mut device = reopened(&self.state);
        let from = usize::try_from(device.head().seq.0).expect("a short chain");
        for kept in &self.log[from..] {
            device.follow(&kept.event, kept.head);
        }
        let (refused, sends_again) = self.refused();
        device.recall(refused, sends_again);
        if let Some(grant) = self.inherited.clone().filter(|_| device.grant().is_none()) {
            device.inherit(grant);
        }
        device
    }

    /// The chain in whose favour this one was closed.
    pub fn successor(&self) -> Option<ChainId> {
        match &self.log.last()?.event.body {
            Body::ChainClosed(closed) => closed.successor,
            _ => None,
        }
    }

    /// What the events since the last applied grant say was refused, and whether that has all sent again.
    pub fn refused(&self) -> (Option<Refused>, bool) {
        let mut applied = None;
        let (mut refused, mut sends_again) = (None, false);
        let last = self.log.iter().rposition(|kept| matches!(kept.event.body, Body::GrantApplied(_)));
        for kept in &self.log[last.unwrap_or_default()..] {
            match &kept.event.body {
                Body::GrantApplied(body) => applied = Some(body.epoch),
                Body::GrantRefused(body) => {
                    sends_again |= Refused::asks_again(body, applied);
                    refused = Refused::read(body).or(refused);
                }
                _ => {}
            }
        }
        (refused, sends_again)
    }

    /// Starts a process on it.
    pub fn start(&self, now: u64, instance: u64, boot: u64) -> Process {
        let device = self.device();
        Process {
            before: device.saved(),
            device,
            started: now,
            instance: instance_id(instance),
            boot: instance_id(boot),
            signed: Vec::new(),
            took_grant: false,
        }
    }

    /// The head of what is kept.
    pub fn head(&self) -> Head {
        self.log.last().map_or(Head::START, |kept| kept.head)
    }

    /// The event at a place that is kept.
    pub fn acknowledged(&self, seq: Seq) -> Option<Acknowledged> {
        let index = usize::try_from(seq.0).ok()?.checked_sub(1)?;
        self.log.get(index).map(|kept| Acknowledged { link: kept.head.link, at: kept.event.at })
    }

    /// Keeps what the process signed: all of it or nothing. What was written of the state trails the events that tell
    /// all they change.
    pub fn keep(&mut self, process: &mut Process) -> std::ops::Range<usize> {
        let first = self.log.len();
        let latest = process.signed.iter().map(|kept| kept.event.at).max().unwrap_or_default();
        for kept in process.signed.drain(..) {
            if let Body::FeatureConsumed(consumed) = &kept.event.body
                && let Some(reference) = &consumed.reference
            {
                let first = (kept.head.seq, consumed.clone());
                self.references.insert(reference.as_str().to_owned(), first);
            }
            self.log.push(kept);
        }
        let after = process.device.saved();
        let mark = process.before.mark.max(latest);
        let told = Saved { head: after.head, prev: after.prev, mark, ..process.before };
        if after != told || std::mem::take(&mut process.took_grant) {
            self.state = process.device.clone();
        }
        process.before = after;
        first..self.log.len()
    }

    /// Ends a process in good order.
    pub fn close(&mut self, process: Process) {
        self.state = process.device;
    }

    /// The bytes of a run of the events number `first` to `last`, counted from 0, `last` not included.
    pub fn run(&self, first: usize, last: usize) -> Vec<u8> {
        let prev = first.checked_sub(1).map_or(Link::START, |before| self.log[before].head.link);
        let mut pairs = Vec::new();
        for kept in &self.log[first..last] {
            append_pair(&mut pairs, &kept.core, &kept.signature);
        }
        let header = RunHeader {
            version: VERSION,
            chain: self.state.chain(),
            origin: Origin::Device(self.state.origin().clone()),
            first_seq: Seq(first as u64 + 1),
            prev,
        };
        assemble(&header, (last - first) as u64, &pairs)
    }
}

fn instance_id(number: u64) -> InstanceId {
    let mut bytes = [3; InstanceId::LEN];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    InstanceId(bytes)
}

impl Process {
    /// What the clocks show to it.
    pub fn reading(&self, wall: Wall, now: u64) -> Reading {
        Reading { wall: Micros::new(wall.show(now)), monotonic: now - self.started }
    }

    /// Decides on a command and signs what it comes to; nothing of it is kept yet.
    ///
    /// # Errors
    /// Why the device does not do it.
    pub fn sign(
        &mut self,
        disk: &Disk,
        command: &Command,
        reading: Reading,
        hardware: &Hardware,
    ) -> Result<Done, DeviceError> {
        let fingerprint = fingerprint(hardware);
        let now = Now { reading, instance: self.instance, boot: self.boot, fingerprint: &fingerprint };
        let known = self.known(disk, command);
        let Decision { events, mark, grant, done, .. } = self.device.decide(command, &now, known)?;
        let at = events.last().map_or(mark.at(), |event| event.at);
        self.device.set_mark(mark);
        for event in events {
            sign(&mut self.device, &disk.key, event, &mut self.signed);
        }
        if let Some(grant) = grant {
            self.device.take_grant(*grant, at);
            self.took_grant = true;
        }
        Ok(done)
    }

    /// Takes back what was used by an event of this process.
    pub fn refund(&mut self, disk: &Disk, used: &Consumed, reading: Reading) {
        let at = self.device.snapshot().mark.time(reading);
        let (feature, period, n) = (used.feature, used.period, used.n);
        let refunded = FeatureRefunded { feature, period, n, consumption: used.seq };
        let event = Event { at, body: Body::FeatureRefunded(refunded) };
        sign(&mut self.device, &disk.key, event, &mut self.signed);
    }

    /// Whether something is signed and not kept.
    pub fn has_signed(&self) -> bool {
        !self.signed.is_empty()
    }

    fn known(&self, disk: &Disk, command: &Command) -> Known {
        match command {
            Command::Consume(consume) => {
                let first = consume.reference.as_ref().and_then(|reference| disk.first_with(reference));
                Known { first, acknowledged: None }
            }
            Command::Apply(offered) => {
                let seq = self.device.acknowledged_by(offered);
                Known { first: None, acknowledged: seq.and_then(|seq| disk.acknowledged(seq)) }
            }
            Command::Refund(_)
            | Command::Return(_)
            | Command::Set { .. }
            | Command::Close
            | Command::Succeed { .. }
            | Command::Show(_)
            | Command::Note => Known::default(),
        }
    }
}

impl Disk {
    fn first_with(&self, reference: &UsageRef) -> Option<(Seq, FeatureConsumed)> {
        self.references.get(reference.as_str()).cloned()
    }
}

/// Believes a grant as a device does.
pub fn believe(grant: &schemas::grant::Grant, root: &schemas::ids::PublicKey) -> Box<AppliedGrant> {
    let verified = ledger::trust::verify_grant(grant, root).expect("the vendor signed it");
    Box::new(AppliedGrant { grant: grant.clone(), verified })
}
