//! A fleet made from a seed: devices with their keys, their activation requests and their usage reports as files.
//!
//! What is written are the bytes that `counterfoil-agent` would write, every event signed; only the agent's own store
//! is left out, because making the input is not what is measured.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;

use anyhow::{Context as _, anyhow};
use ledger::chain::{self, Head};
use ledger::keys::SecretKey;
use ledger::license_key::LicenseKey;
use ledger::run::RunBuilder;
use schemas::bundle::Bundle;
use schemas::event::device::{
    ActivationRequested, AgentStarted, ChainOpened, Claim, FeatureConsumed, LicenseKeyClaim,
};
use schemas::event::{Body, Event};
use schemas::ids::{Digest, InstanceId};
use schemas::limits;
use schemas::numbers::{Amount, FeatureNumber, Micros, Total};
use schemas::period::{Period, Reset};
use schemas::run::{DeviceOrigin, Origin};
use schemas::text::Text;

/// Files in one folder.
const PER_FOLDER: u64 = 1_000;
/// The metered feature: the only one of the fleet's product.
const METERED: FeatureNumber = FeatureNumber(1);

/// Devices that are made the same whenever the seed is.
#[derive(Debug)]
pub(crate) struct Fleet {
    seed: u64,
    /// The licence key of each device.
    keys: Vec<LicenseKey>,
    /// When the first of them asks.
    start: Micros,
}

/// What each device reports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reports {
    /// Consumptions in one bundle.
    pub(crate) events: u64,
    /// Bundles of each device.
    pub(crate) bundles: u64,
}

impl Fleet {
    /// Devices that ask for the licences with these keys, one each.
    pub(crate) fn new(seed: u64, keys: &[String], start: Micros) -> anyhow::Result<Self> {
        let parse = |key: &String| LicenseKey::parse(key).map_err(|_| anyhow!("not a licence key: {key}"));
        Ok(Self { seed, keys: keys.iter().map(parse).collect::<anyhow::Result<_>>()?, start })
    }

    /// Writes every device's request below `requests` and its reports below `reports`.
    pub(crate) fn write(&self, requests: &Path, reports: &Path, what: Reports) -> anyhow::Result<()> {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let each = self.keys.len().div_ceil(threads).max(1);
        thread::scope(|scope| {
            let parts = self.keys.chunks(each).enumerate().map(|(part, keys)| {
                scope.spawn(move || {
                    for (number, key) in (part * each..).zip(keys) {
                        self.write_device(number as u64, key, requests, reports, what)?;
                    }
                    Ok(())
                })
            });
            let parts: Vec<_> = parts.collect();
            parts.into_iter().try_for_each(|part| part.join().map_err(|_| anyhow!("a thread died"))?)
        })
    }

    fn write_device(
        &self,
        number: u64,
        key: &LicenseKey,
        requests: &Path,
        reports: &Path,
        what: Reports,
    ) -> anyhow::Result<()> {
        let mut device = Device::new(self.seed, number, key, self.start);
        device.ask(key)?;
        put(requests, number, &device.bundle())?;
        for report in 0..what.bundles {
            device.work(what.events);
            put(reports, number * what.bundles + report, &device.bundle())?;
        }
        Ok(())
    }
}

struct Device {
    secret: SecretKey,
    origin: DeviceOrigin,
    head: Head,
    at: Micros,
    total: u64,
    /// Events that no bundle holds yet.
    events: Vec<Event>,
}

impl Device {
    fn new(seed: u64, number: u64, key: &LicenseKey, start: Micros) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        bytes[8..16].copy_from_slice(&number.to_be_bytes());
        let secret = SecretKey::from_seed(&bytes);
        let origin = DeviceOrigin { signer: secret.public(), reference: key.reference() };
        Self { secret, origin, head: Head::START, at: start, total: 0, events: Vec::new() }
    }

    fn record(&mut self, body: Body) {
        self.at = Micros::new(self.at.get() + 1_000);
        self.events.push(Event { at: self.at, body });
    }

    fn ask(&mut self, key: &LicenseKey) -> anyhow::Result<()> {
        let text = |text: &str| Text::new(text).context("a short text");
        let proof = key.proof(&chain::device_chain(&self.origin.signer, &self.origin.reference));
        self.record(Body::ChainOpened(Box::new(ChainOpened {
            product: text("fleet")?,
            environment: text("production")?,
            agent: text("counterfoil-benches")?,
            pack: Digest([0; 32]),
            fingerprint: Vec::new(),
            host: None,
        })));
        let claim = Claim::LicenseKey(LicenseKeyClaim { proof });
        self.record(Body::ActivationRequested(Box::new(ActivationRequested { claim })));
        Ok(())
    }

    /// Starts, and uses the metered feature so many times less one.
    fn work(&mut self, events: u64) {
        let instance = InstanceId([1; 16]);
        self.record(Body::AgentStarted(AgentStarted { instance, boot: instance }));
        for _ in 1..events {
            self.total += 1;
            self.record(Body::FeatureConsumed(FeatureConsumed {
                feature: METERED,
                period: Period::of(Reset::Month, self.at),
                n: Amount::new(1).expect("one is an amount"),
                total: Total::new(self.total).expect("a load is smaller"),
                used_at: None,
                reference: None,
            }));
        }
    }

    /// A bundle of the events that none holds yet.
    fn bundle(&mut self) -> Vec<u8> {
        let events = std::mem::take(&mut self.events);
        let mut bundle = Bundle::default();
        for events in events.chunks(limits::RUN_EVENTS) {
            let mut run = RunBuilder::new(Origin::Device(self.origin.clone()), self.head);
            for event in events {
                run.push(event, &self.secret);
            }
            self.head = run.head();
            bundle.runs.push(run.finish());
        }
        bundle.encode()
    }
}

fn put(folder: &Path, number: u64, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = folder.join((number / PER_FOLDER).to_string());
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let path = folder.join(format!("{number}.cfbundle"));
    fs::write(&path, bytes).with_context(|| path.display().to_string())
}
