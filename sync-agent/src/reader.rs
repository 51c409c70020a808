//! Reading a state directory beside its agent: nothing is written, nothing is waited for.

use std::path::Path;
use std::sync::Arc;

use ledger::check::{Answer, Life, Snapshot};
use ledger::device::{Device, Unreported};
use ledger::fingerprint;
use ledger::store::{HistoryEntry, Reader, StoreError, StoreVerified};
use schemas::bundle::Bundle;
use schemas::codes::Code;
use schemas::grant::Ack;
use schemas::ids::{ChainId, PublicKey};
use schemas::numbers::Micros;
use schemas::refusal::Refusal;
use schemas::text::Text;

use crate::config::Config;
use crate::fingerprint::{FingerprintSource, tags};
use crate::lineage::{self, Ancestor, Extent, Part};
use crate::pack::TrustedPack;
use crate::refuse;
use crate::state_dir::{Condition, StateDir};
use crate::status::{State, Status};
use crate::wall_clock::Clock;

/// A state directory that is only read.
#[derive(Debug)]
pub struct AgentReader {
    dir: StateDir,
    store: Result<Option<Reader>, Refusal>,
    pack: Option<TrustedPack>,
    clock: Arc<dyn Clock>,
    fingerprint: Arc<dyn FingerprintSource>,
}

impl AgentReader {
    /// Opens a state directory to read. That there is none, or that it is damaged, is an answer and no error.
    ///
    /// # Errors
    /// When the pack is not valid or not the one of this directory.
    pub fn open(config: Config) -> Result<Self, Refusal> {
        let Config { state, pack, clock, fingerprint } = config;
        let dir = StateDir::new(state);
        let given = pack.map(TrustedPack::read).transpose()?;
        let pack = dir.choose_pack(given)?;
        let store = open_store(&dir, pack.as_ref());
        Ok(Self { dir, store, pack, clock, fingerprint })
    }

    /// Whether the licence covers `feature`, or anything at all, in a release made at `release`.
    pub fn check(&self, feature: Option<&str>, release: Option<Micros>) -> Answer {
        self.snapshot().check(feature, release, self.clock.read())
    }

    /// A bundle of all that the vendor is not known to have.
    ///
    /// # Errors
    /// `not_activated` without a chain, `needs_repair` when it is damaged.
    pub fn report(&self) -> Result<Vec<u8>, Refusal> {
        let bundle = self.reader()?.report().map_err(|error| refuse::store(&error))?;
        self.with_ancestors(bundle, Extent::Unacknowledged)
    }

    /// A bundle of the whole chain from its first event, and of every chain that it follows, whatever the vendor
    /// acknowledged: for one that may have lost some of it.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub fn report_all(&self) -> Result<Vec<u8>, Refusal> {
        let bundle = self.reader()?.request().map_err(|error| refuse::store(&error))?;
        self.with_ancestors(bundle, Extent::Whole)
    }

    /// The activation request, with whatever was recorded since.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub fn request(&self) -> Result<Vec<u8>, Refusal> {
        let bundle = self.reader()?.request().map_err(|error| refuse::store(&error))?;
        self.with_ancestors(bundle, Extent::Unacknowledged)
    }

    fn with_ancestors(&self, bundle: Bundle, extent: Extent) -> Result<Vec<u8>, Refusal> {
        let root = self.root().filter(|_| self.dir.has_archive());
        let Some(root) = root else { return Ok(bundle.encode()) };
        Ok(lineage::enclose(bundle, extent, &self.dir, self.reader()?, &root)?.encode())
    }

    /// As much of [`Self::report`] as about `most` bytes hold, the oldest of it first; of the present chain what follows
    /// `known`, where the vendor was heard to have that.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub(crate) fn part(&self, most: usize, known: Option<Ack>) -> Result<Part, Refusal> {
        let reader = self.reader()?;
        let mut part = Part::default();
        let earlier = match self.root() {
            Some(root) => part.add_earlier(&self.ancestors(), &root, most)?,
            None => true,
        };
        part.is_whole = earlier && part.add(reader, most, known)?;
        Ok(part)
    }

    /// The portal's address that the pack names.
    pub fn portal(&self) -> Option<&str> {
        self.pack.as_ref()?.body.portal.as_ref().map(Text::as_str)
    }

    /// The root key that the pack names.
    pub fn root(&self) -> Option<PublicKey> {
        self.pack.as_ref().map(|pack| pack.body.root)
    }

    /// What the device knows about its licence.
    pub fn status(&self) -> Status {
        let reading = self.clock.read();
        match (&self.store, self.device()) {
            (Ok(None), _) => Status::without_chain(State::Unregistered, Code::NotActivated, reading.wall),
            (_, Ok(device)) => {
                let snapshot = self.observed(&device);
                let code = snapshot.check(None, None, reading).code;
                let time = snapshot.mark.time(reading);
                let status = Status::of(&device, code, time);
                let dropped_to = self.reader().ok().and_then(|reader| reader.dropped_to().ok().flatten());
                let unreported_records = self.unreported_records();
                let report = self.unreported(&device).map(|unreported| {
                    let unreported = unreported.beside_earlier(!unreported_records.is_empty());
                    device.usefulness(&unreported, time)
                });
                Status { report, dropped_to, unreported_records, ..status }
            }
            (_, Err(_)) => Status::without_chain(State::Damaged, Code::NeedsRepair, reading.wall),
        }
    }

    /// Calls `each` for every event of the chain in order.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub fn history(&self, mut each: impl FnMut(HistoryEntry)) -> Result<(), Refusal> {
        let each = |entry| {
            each(entry);
            Ok(())
        };
        self.reader()?.history(each).map_err(|error| refuse::store(&error))
    }

    /// Checks every link, signature and sum of the chain.
    ///
    /// # Errors
    /// `needs_repair` with the first thing that does not verify; `not_activated` without a chain.
    pub fn verify(&self) -> Result<StoreVerified, Refusal> {
        self.reader()?.verify().map_err(|error| refuse::store(&error))
    }

    /// The state of the chain.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub(crate) fn device(&self) -> Result<Device, Refusal> {
        self.reader()?.device().map_err(|error| refuse::store(&error))
    }

    fn unreported(&self, device: &Device) -> Option<Unreported> {
        self.reader().ok()?.unreported(device).ok()
    }

    fn unreported_records(&self) -> Vec<ChainId> {
        let Some(root) = self.root() else { return Vec::new() };
        let ancestors = self.ancestors().into_iter().filter(|ancestor| !ancestor.is_acknowledged(&root));
        ancestors.map(|ancestor| ancestor.chain).collect()
    }

    /// The chains before this one, the nearest first.
    pub(crate) fn ancestors(&self) -> Vec<Ancestor> {
        match (self.reader(), self.root()) {
            (Ok(reader), Some(root)) if self.dir.has_archive() => {
                lineage::ancestors(&self.dir, reader, &root)
            }
            _ => Vec::new(),
        }
    }

    /// Whether a chain that this one or an earlier one follows is not in the archive, or cannot be read there.
    pub(crate) fn has_lost_ancestor(&self) -> bool {
        let ancestors = self.ancestors();
        let last = ancestors.last().map_or_else(|| self.reader().ok(), |ancestor| Some(&ancestor.reader));
        last.is_some_and(|reader| reader.follows().ok().flatten().is_some())
    }

    /// The opened store.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub(crate) fn reader(&self) -> Result<&Reader, Refusal> {
        match &self.store {
            Ok(Some(reader)) => Ok(reader),
            Ok(None) => Err(Code::NotActivated.into()),
            Err(refusal) => Err(refusal.clone()),
        }
    }

    fn snapshot(&self) -> Snapshot {
        match (&self.store, self.device()) {
            (Ok(None), _) => Snapshot::bare(Life::Unregistered),
            (_, Ok(device)) => self.observed(&device),
            (_, Err(_)) => Snapshot::bare(Life::Damaged),
        }
    }

    /// What checks depend on, with a changed fingerprint that no writer has recorded yet.
    fn observed(&self, device: &Device) -> Snapshot {
        let mut snapshot = device.snapshot();
        let (Some(pack), Some(grant)) = (&self.pack, device.grant()) else { return snapshot };
        let current = tags(self.fingerprint.as_ref(), &pack.body.fingerprint_key);
        let rule = grant.verified.body.fingerprint;
        if !fingerprint::is_same(rule, &device.opened().fingerprint, &current) {
            let now = snapshot.mark.time(self.clock.read());
            snapshot.basis.mismatch_since.get_or_insert(now);
        }
        snapshot
    }
}

fn open_store(dir: &StateDir, pack: Option<&TrustedPack>) -> Result<Option<Reader>, Refusal> {
    match dir.condition() {
        Condition::Empty => Ok(None),
        Condition::ChainLost => {
            Err(refuse::store(&StoreError::Damaged("the chain is missing")).at(dir.path().display()))
        }
        Condition::Chain => open_chain(dir, &dir.chain(), pack).map(Some),
        Condition::Successor => open_chain(dir, &dir.next().chain(), pack).map(Some),
    }
}

fn open_chain(dir: &StateDir, path: &Path, pack: Option<&TrustedPack>) -> Result<Reader, Refusal> {
    let root = pack.ok_or(Code::PackMissing)?.body.root;
    let mut reader = Reader::open(path, root).map_err(|error| refuse::store(&error).at(path.display()))?;
    if dir.has_archive()
        && let Some(grant) = lineage::inherited(dir, &reader, &root)
    {
        reader.inherit(grant);
    }
    Ok(reader)
}
