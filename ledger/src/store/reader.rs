//! Reading a store beside its writer: the state, bundles, history, and a check of every signature.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use rusqlite::Connection;
use schemas::bundle::Bundle;
use schemas::event::device::Claim;
use schemas::event::{Body, Event};
use schemas::ids::{ChainId, PublicKey};
use schemas::limits;
use schemas::numbers::Seq;
use schemas::run::{Origin, RunHeader, VERSION, append_pair, assemble};
use serde::Serialize;

use super::fold::Fold;
use super::rows::EventRow;
use super::{StoreError, database, load, rows};
use crate::chain::{self, Head};
use crate::device::{AppliedGrant, Device, meter};

/// Room for a run's header, which is much shorter.
const HEADER_BYTES: usize = 512;

/// An opened store that is only read: it always works beside the writer.
pub struct Reader {
    db: Connection,
    root: PublicKey,
    inherited: Option<AppliedGrant>,
}

/// One event with its place.
#[derive(Clone, Debug, Serialize)]
pub struct HistoryEntry {
    /// The place.
    pub seq: Seq,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
    /// The value that the event commits to, where it is kept and is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What a check of the whole store found to be in order.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct StoreVerified {
    /// Events whose link and signature were checked.
    pub events: u64,
    /// Attachments that open their commitments.
    pub attachments: u64,
    /// Sums that follow from the events.
    pub meters: u64,
}

impl Reader {
    /// Opens the store at `path`. Grants in it are believed by `root`.
    ///
    /// # Errors
    /// When it is not a store or cannot be read.
    pub fn open(path: &Path, root: PublicKey) -> Result<Self, StoreError> {
        let db = database::open_to_read(path)?;
        // One view of the store for as long as the reader lives.
        db.execute_batch("BEGIN")?;
        Ok(Self { db, root, inherited: None })
    }

    /// The chain's state.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the state does not fit the last events.
    pub fn device(&self) -> Result<Device, StoreError> {
        let (mut device, _) = load::device(&self.db, &self.root)?;
        if let Some(grant) = self.inherited.clone() {
            device.inherit(grant);
        }
        Ok(device)
    }

    /// Has the chain go on under the last grant of the one that it follows, until it has one of its own.
    pub fn inherit(&mut self, grant: AppliedGrant) {
        self.inherited = Some(grant);
    }

    /// The chain.
    ///
    /// # Errors
    /// When the header cannot be read.
    pub fn chain(&self) -> Result<ChainId, StoreError> {
        let origin = rows::load_chain(&self.db)?;
        Ok(chain::device_chain(&origin.signer, &origin.reference))
    }

    /// The chain that this one follows, if it asked to follow one.
    ///
    /// # Errors
    /// As [`Self::claim`].
    pub fn follows(&self) -> Result<Option<ChainId>, StoreError> {
        Ok(match self.claim()? {
            Claim::Successor(claim) => Some(claim.follows),
            _ => None,
        })
    }

    /// The chain that goes on in this one's place, if the last event says so.
    ///
    /// # Errors
    /// When the last event cannot be read.
    pub fn successor(&self) -> Result<Option<ChainId>, StoreError> {
        let last = rows::load_event(&self.db, rows::last_place(&self.db)?)?;
        Ok(match load::decode(&last)?.body {
            Body::ChainClosed(closed) => closed.successor,
            _ => None,
        })
    }

    /// A bundle of all events after the last that the vendor is known to have; of the last event when it has all, and of
    /// the whole chain where the vendor is known to have lost some.
    ///
    /// # Errors
    /// When the store cannot be read or an event is missing.
    pub fn report(&self) -> Result<Bundle, StoreError> {
        let device = self.device()?;
        self.bundle(&device, device.unreported_from().min(device.head().seq))
    }

    /// A bundle of the whole chain, whatever was acknowledged: the activation request, and what was recorded since.
    ///
    /// # Errors
    /// When the store cannot be read or an event is missing.
    pub fn request(&self) -> Result<Bundle, StoreError> {
        self.bundle(&self.device()?, Seq(1))
    }

    /// What the activation request claims.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the second event is no request.
    pub fn claim(&self) -> Result<Claim, StoreError> {
        match load::decode(&rows::load_event(&self.db, Seq(2))?)?.body {
            Body::ActivationRequested(requested) => Ok(requested.claim),
            _ => Err(StoreError::Damaged("the second event does not ask for an activation")),
        }
    }

    /// Calls `each` for every event in order.
    ///
    /// # Errors
    /// When the store cannot be read or an event does not decode.
    pub fn history(
        &self,
        mut each: impl FnMut(HistoryEntry) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let last = rows::last_place(&self.db)?;
        rows::each_event(&self.db, Seq(1), last, |row| {
            let event = load::decode(&row)?;
            let value = match event.body {
                Body::VariableSet(_) | Body::ChainOpened(_) => self.value_at(row.seq)?,
                _ => None,
            };
            each(HistoryEntry { seq: row.seq, event, text: value })
        })
    }

    /// Checks every link, every signature, every attachment, and that all that is kept beside the events follows from
    /// them.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with the first thing that does not verify.
    pub fn verify(&self) -> Result<StoreVerified, StoreError> {
        let device = self.device()?;
        let chain = device.chain();
        let mut head = Head::START;
        let mut meters = BTreeMap::new();
        let mut fold = Fold::from(Seq(1));
        let mut references = 0;
        rows::each_event(&self.db, Seq(1), device.head().seq, |row| {
            let (id, next) = head.after(&chain, &row.core, &row.signature);
            if !chain::verify(&device.origin().signer, &id, &row.signature) {
                return Err(StoreError::Damaged("an event's signature does not verify"));
            }
            head = next;
            let event = load::decode(&row)?;
            meter::count(&mut meters, &event.body);
            fold.push(row.seq, &event);
            references += u64::from(self.has_reference(row.seq, &event.body)?);
            Ok(())
        })?;
        if head != device.head() {
            return Err(StoreError::Damaged("the events do not lead to the kept head"));
        }
        fold.check(&device)?;
        if database::notes_refusals(&self.db)? && rows::load_refusals(&self.db)? != fold.refusals(&device) {
            return Err(StoreError::Damaged("what was refused is not where the store says"));
        }
        if meters != *device.meters() {
            return Err(StoreError::Damaged("the sums do not follow from the events"));
        }
        if references != rows::count_references(&self.db)? {
            return Err(StoreError::Damaged("a `ref` is kept that no event carries"));
        }
        let attachments = rows::load_attachments(&self.db, Seq(1), head.seq)?;
        if !attachments.iter().all(crate::commitment::opens) {
            return Err(StoreError::Damaged("a value is not what its event commits to"));
        }
        let (attachments, meters) = (attachments.len() as u64, meters.len() as u64);
        Ok(StoreVerified { events: head.seq.0, attachments, meters })
    }

    /// Whether the event at `seq` carries a `ref`, which then must be kept with that place.
    fn has_reference(&self, seq: Seq, body: &Body) -> Result<bool, StoreError> {
        let Body::FeatureConsumed(consumed) = body else { return Ok(false) };
        let Some(reference) = &consumed.reference else { return Ok(false) };
        if rows::find_reference(&self.db, consumed.feature, reference)? != Some(seq) {
            return Err(StoreError::Damaged("the `ref` of an event is not kept with its place"));
        }
        Ok(true)
    }

    fn value_at(&self, seq: Seq) -> Result<Option<String>, StoreError> {
        let attachments = rows::load_attachments(&self.db, seq, seq)?;
        Ok(attachments.into_iter().next().and_then(|attachment| String::from_utf8(attachment.value).ok()))
    }

    fn bundle(&self, device: &Device, first: Seq) -> Result<Bundle, StoreError> {
        let before = Seq(first.0 - 1);
        let prev = if before == Seq(0) { Head::START.link } else { load::link_at(&self.db, device, before)? };
        let mut cutter = Cutter::new(device, Head { seq: before, link: prev });
        rows::each_event(&self.db, first, device.head().seq, |row| {
            cutter.push(&row);
            Ok(())
        })?;
        Ok(Bundle {
            runs: cutter.finish(),
            attachments: rows::load_attachments(&self.db, first, device.head().seq)?,
            last_grant: device.grant().map(|applied| applied.grant.clone()),
        })
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

/// Cuts events into runs within the limits.
struct Cutter<'a> {
    device: &'a Device,
    start: Head,
    head: Head,
    pairs: Vec<u8>,
    runs: Vec<Vec<u8>>,
}

impl<'a> Cutter<'a> {
    fn new(device: &'a Device, start: Head) -> Self {
        Self { device, start, head: start, pairs: Vec::new(), runs: Vec::new() }
    }

    fn push(&mut self, row: &EventRow) {
        let is_full = self.count() == limits::RUN_EVENTS as u64
            || self.pairs.len() + row.core.len() + HEADER_BYTES > limits::RUN_BYTES;
        if is_full {
            self.cut();
        }
        append_pair(&mut self.pairs, &row.core, &row.signature);
        (_, self.head) = self.head.after(&self.device.chain(), &row.core, &row.signature);
    }

    fn finish(mut self) -> Vec<Vec<u8>> {
        if self.count() > 0 {
            self.cut();
        }
        self.runs
    }

    fn count(&self) -> u64 {
        self.head.seq.0 - self.start.seq.0
    }

    fn cut(&mut self) {
        let header = RunHeader {
            version: VERSION,
            chain: self.device.chain(),
            origin: Origin::Device(self.device.origin().clone()),
            first_seq: self.start.seq.next(),
            prev: self.start.link,
        };
        self.runs.push(assemble(&header, self.count(), &self.pairs));
        self.pairs.clear();
        self.start = self.head;
    }
}
