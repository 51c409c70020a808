//! A fleet made from a seed: devices with their keys, their activation requests and their usage reports as files.
//!
//! What is written are the bytes that `counterfoil-agent` would write, every event signed; only the agent's own store
//! is left out, because making the input is not what is measured.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow, bail};
use ledger::chain::{self, Head};
use ledger::keys::SecretKey;
use ledger::license_key::LicenseKey;
use ledger::run::RunBuilder;
use schemas::bundle::{Answer, Bundle, decode_answers};
use schemas::event::device::{
    ActivationRequested, AgentStarted, ChainOpened, Claim, FeatureConsumed, LicenseKeyClaim,
};
use schemas::event::{Body, Event};
use schemas::grant::Grant;
use schemas::ids::{Digest, InstanceId};
use schemas::limits;
use schemas::numbers::{Amount, FeatureNumber, Micros, Seq, Total};
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
    devices: Vec<Device>,
}

impl Fleet {
    /// Devices for the licences with these keys, one each.
    pub(crate) fn new(seed: u64, keys: &[String]) -> anyhow::Result<Self> {
        let start = an_hour_ago()?;
        let devices = (0..).zip(keys).map(|(number, key)| {
            let key = LicenseKey::parse(key).map_err(|_| anyhow!("not a licence key: {key}"))?;
            Ok(Device::new(seed, number, key, start))
        });
        Ok(Self { devices: devices.collect::<anyhow::Result<_>>()? })
    }

    /// Writes every device's activation request below `folder`.
    pub(crate) fn ask(&mut self, folder: &Path) -> anyhow::Result<()> {
        self.each(folder, Device::ask)
    }

    /// Lets every device record so many events, and writes its report of them below `folder`.
    pub(crate) fn report(&mut self, folder: &Path, events: u64) -> anyhow::Result<()> {
        self.each(folder, |device| {
            device.work(events);
            Ok(())
        })
    }

    /// Gives every device its answer to the request that [`Fleet::ask`] wrote, below `folder`: its reports enclose it from now
    /// on, as those of agents enclose the newest one.
    pub(crate) fn apply(&mut self, folder: &Path) -> anyhow::Result<()> {
        let applied = self.on_every_core(|number, device| {
            let path = place(folder, number as u64, "cfgrant");
            let file = fs::read(&path).with_context(|| path.display().to_string())?;
            device.last_grant = match decode_answers(&file)?.as_slice() {
                [Answer::Grant(grant)] => Some((**grant).clone()),
                _ => bail!("{} is no licence file of one device", path.display()),
            };
            Ok(())
        });
        applied.map(drop)
    }

    /// Lets every device record so many events for each of so many bundles: its bundles, in their order.
    pub(crate) fn bundles(&mut self, each: u64, events: u64) -> anyhow::Result<Vec<Vec<Vec<u8>>>> {
        self.on_every_core(|_, device| {
            let bundle = |_| {
                device.work(events);
                device.bundle()
            };
            Ok((0..each).map(bundle).collect())
        })
    }

    /// The place of every device's last event.
    pub(crate) fn heads(&self) -> Vec<Seq> {
        self.devices.iter().map(|device| device.head.seq).collect()
    }

    /// Writes a bundle of what each device did.
    fn each(
        &mut self,
        folder: &Path,
        act: impl Fn(&mut Device) -> anyhow::Result<()> + Sync,
    ) -> anyhow::Result<()> {
        let written = self.on_every_core(|number, device| {
            act(device)?;
            put(folder, number as u64, &device.bundle())
        });
        written.map(drop)
    }

    /// Does something with each device and its number, and returns what came of it in the same order.
    fn on_every_core<T: Send>(
        &mut self,
        act: impl Fn(usize, &mut Device) -> anyhow::Result<T> + Sync,
    ) -> anyhow::Result<Vec<T>> {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let each = self.devices.len().div_ceil(threads).max(1);
        let act = &act;
        thread::scope(|scope| {
            let parts = self.devices.chunks_mut(each).enumerate().map(|(part, devices)| {
                scope.spawn(move || {
                    let numbered = (part * each..).zip(devices);
                    numbered.map(|(number, device)| act(number, device)).collect::<anyhow::Result<Vec<T>>>()
                })
            });
            let parts: Vec<_> = parts.collect();
            let mut all = Vec::new();
            for part in parts {
                all.extend(part.join().map_err(|_| anyhow!("a thread died"))??);
            }
            Ok(all)
        })
    }
}

/// The devices begin an hour ago, so that nothing they record lies in the future.
fn an_hour_ago() -> anyhow::Result<Micros> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock that is set")?;
    let now = u64::try_from(now.as_micros())?;
    Ok(Micros::new(now - 3_600_000_000))
}

#[derive(Debug)]
struct Device {
    key: LicenseKey,
    secret: SecretKey,
    origin: DeviceOrigin,
    head: Head,
    at: Micros,
    total: u64,
    /// Events that no bundle holds yet.
    events: Vec<Event>,
    last_grant: Option<Grant>,
}

impl Device {
    fn new(seed: u64, number: u64, key: LicenseKey, start: Micros) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        bytes[8..16].copy_from_slice(&number.to_be_bytes());
        let secret = SecretKey::from_seed(&bytes);
        let origin = DeviceOrigin { signer: secret.public(), reference: key.reference() };
        Self {
            key,
            secret,
            origin,
            head: Head::START,
            at: start,
            total: 0,
            events: Vec::new(),
            last_grant: None,
        }
    }

    fn record(&mut self, body: Body) {
        self.at = Micros::new(self.at.get() + 1_000);
        self.events.push(Event { at: self.at, body });
    }

    fn ask(&mut self) -> anyhow::Result<()> {
        let text = |text: &str| Text::new(text).context("a short text");
        let proof = self.key.proof(&chain::device_chain(&self.origin.signer, &self.origin.reference));
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
        let mut bundle = Bundle { last_grant: self.last_grant.clone(), ..Bundle::default() };
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

/// Where the file of a device is.
fn place(folder: &Path, number: u64, ending: &str) -> PathBuf {
    folder.join((number / PER_FOLDER).to_string()).join(format!("{number}.{ending}"))
}

fn put(folder: &Path, number: u64, bytes: &[u8]) -> anyhow::Result<()> {
    let path = place(folder, number, "cfbundle");
    let folder = path.parent().context("a path in a folder")?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    fs::write(&path, bytes).with_context(|| path.display().to_string())
}
