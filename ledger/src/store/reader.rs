//! Reading a store beside its writer: the state, bundles, history, and a check of every signature.

mod part;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use rusqlite::Connection;
use schemas::bundle::Bundle;
use schemas::event::device::{Claim, CodeIssued};
use schemas::event::{Body, Event, Kind};
use schemas::ids::{ChainId, Digest, Link, PublicKey};
use schemas::limits;
use schemas::numbers::{Micros, Seq};
use schemas::run::{Origin, RunHeader, VERSION, append_pair, assemble};
use serde::Serialize;

pub use self::part::Stretch;
use super::fold::Fold;
use super::rows::{EventRow, MeterKey, Meters};
use super::{StoreError, database, load, rows};
use crate::chain::{self, Head};
use crate::device::{AppliedGrant, Device, ENOUGH_EVENTS, Meter, Unreported, meter};

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

/// A code that a device showed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ShownCode {
    /// The place of the event that says so.
    pub seq: Seq,
    /// The number of the code's kind.
    pub code: u8,
    /// The code's digest.
    pub digest: Digest,
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
        let last = device.head().seq;
        self.bundle(&device, device.unreported_from().min(last), last)
    }

    /// A bundle of the whole chain, whatever was acknowledged: the activation request, and what was recorded since.
    ///
    /// # Errors
    /// When the store cannot be read or an event is missing.
    pub fn request(&self) -> Result<Bundle, StoreError> {
        let device = self.device()?;
        self.bundle(&device, Seq(1), device.head().seq)
    }

    /// What the vendor is not known to have. Where that is enough for a report anyway, no event is looked at.
    ///
    /// # Errors
    /// When the store cannot be read or an event is missing.
    pub fn unreported(&self, device: &Device) -> Result<Unreported, StoreError> {
        let (first, last) = (device.unreported_from(), device.head().seq);
        let mut unreported = Unreported::new(last.next().0.saturating_sub(first.0));
        let kept = first.max(rows::load_floor(&self.db)?.seq.next());
        if kept <= last && last.next().0 - kept.0 < ENOUGH_EVENTS {
            rows::each_event(&self.db, kept, last, |row| {
                unreported.hear(&load::decode(&row)?);
                Ok(())
            })?;
        }
        Ok(unreported)
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

    /// The codes that were shown, in order, as far back as events are kept.
    ///
    /// # Errors
    /// When the store cannot be read or an event does not decode.
    pub fn shown(&self, device: &Device) -> Result<Vec<ShownCode>, StoreError> {
        let first = rows::load_floor(&self.db)?.seq.next();
        let mut shown = Vec::new();
        rows::each_event(&self.db, first, device.head().seq, |row| {
            // Nearly all events are others, and need not be decoded for that.
            if Event::kind_of(&row.core) == Some(Kind::CODE_ISSUED)
                && let Body::CodeIssued(CodeIssued { code, digest }) = load::decode(&row)?.body
            {
                shown.push(ShownCode { seq: row.seq, code, digest });
            }
            Ok(())
        })?;
        Ok(shown)
    }

    /// The head that a return code names, with its time: the last event but those that only tell that the device was
    /// started or showed a code, so that the same code is shown again where nothing else happened.
    ///
    /// # Errors
    /// When the store cannot be read or an event does not decode.
    pub fn told_head(&self, device: &Device) -> Result<(Head, Micros), StoreError> {
        let mut seq = device.head().seq;
        loop {
            let event = load::decode(&rows::load_event(&self.db, seq)?)?;
            if !matches!(event.body, Body::AgentStarted(_) | Body::CodeIssued(_)) {
                return Ok((Head { seq, link: self.link_at(device, seq)? }, event.at));
            }
            seq = Seq(seq.0 - 1);
        }
    }

    /// The link after a place that is kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn link_at(&self, device: &Device, seq: Seq) -> Result<Link, StoreError> {
        load::link_at(&self.db, device, seq)
    }

    /// Calls `each` for every event in order.
    ///
    /// # Errors
    /// When the store cannot be read or an event does not decode.
    pub fn history(
        &self,
        mut each: impl FnMut(HistoryEntry) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let floor = rows::load_floor(&self.db)?.seq;
        let mut tell = |row: EventRow| {
            let event = load::decode(&row)?;
            let value = match event.body {
                Body::VariableSet(_) | Body::ChainOpened(_) => self.value_at(row.seq)?,
                _ => None,
            };
            each(HistoryEntry { seq: row.seq, event, text: value })
        };
        rows::each_kept(&self.db, floor, |row, _| tell(row))?;
        rows::each_event(&self.db, floor.next(), rows::last_place(&self.db)?, tell)
    }

    /// Up to where acknowledged events were dropped, if any were.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn dropped_to(&self) -> Result<Option<Seq>, StoreError> {
        Ok(Some(rows::load_floor(&self.db)?.seq).filter(|seq| *seq > Seq(0)))
    }

    /// Checks every link, every signature, every attachment, and that all that is kept beside the events follows from
    /// them. Of events that were dropped the sums are taken as they were kept.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with the first thing that does not verify.
    pub fn verify(&self) -> Result<StoreVerified, StoreError> {
        let device = self.device()?;
        let floor = rows::load_floor(&self.db)?;
        let mut checked = Checked::from(floor, self.floor_meters(floor)?);
        self.check_kept(&device, floor, &mut checked)?;
        rows::each_event(&self.db, floor.seq.next(), device.head().seq, |row| {
            let event = self.check_event(&device, checked.head, &row, &mut checked)?;
            (_, checked.head) = checked.head.after(&device.chain(), &row.core, &row.signature);
            meter::count(&mut checked.meters, &event.body);
            checked.fold.push(row.seq, &event);
            Ok(())
        })?;
        if checked.head != device.head() {
            return Err(StoreError::Damaged("the events do not lead to the kept head"));
        }
        checked.fold.check(&device)?;
        self.check_beside(&device, &checked)?;
        let attachments = rows::load_attachments(&self.db, Seq(1), device.head().seq)?;
        if !attachments.iter().all(crate::commitment::opens) {
            return Err(StoreError::Damaged("a value is not what its event commits to"));
        }
        let (attachments, meters) = (attachments.len() as u64, checked.meters.len() as u64);
        Ok(StoreVerified { events: checked.events, attachments, meters })
    }

    /// Checks what is kept up to the floor: the signature of each event, which holds the link before it.
    fn check_kept(&self, device: &Device, floor: Head, checked: &mut Checked) -> Result<(), StoreError> {
        if floor == Head::START {
            return Ok(());
        }
        rows::each_kept(&self.db, floor.seq, |row, prev| {
            let before = Head { seq: Seq(row.seq.0 - 1), link: prev };
            self.check_event(device, before, &row, checked).map(drop)
        })?;
        if checked.events == rows::count_kept(&self.db)? {
            Ok(())
        } else {
            Err(StoreError::Damaged("an event that is needed is missing"))
        }
    }

    /// Checks one event that stands after `before`, and its `ref`.
    fn check_event(
        &self,
        device: &Device,
        before: Head,
        row: &EventRow,
        checked: &mut Checked,
    ) -> Result<Event, StoreError> {
        let (id, _) = before.after(&device.chain(), &row.core, &row.signature);
        if !chain::verify(&device.origin().signer, &id, &row.signature) {
            return Err(StoreError::Damaged("an event's signature does not verify"));
        }
        let event = load::decode(row)?;
        checked.references += u64::from(self.has_reference(row.seq, &event.body)?);
        checked.events += 1;
        Ok(event)
    }

    fn check_beside(&self, device: &Device, checked: &Checked) -> Result<(), StoreError> {
        if database::notes_refusals(&self.db)?
            && rows::load_refusals(&self.db)? != checked.fold.refusals(device)
        {
            return Err(StoreError::Damaged("what was refused is not where the store says"));
        }
        if checked.meters != *device.meters() {
            return Err(StoreError::Damaged("the sums do not follow from the events"));
        }
        if checked.references != rows::count_references(&self.db)? {
            return Err(StoreError::Damaged("a `ref` is kept that no event carries"));
        }
        Ok(())
    }

    fn floor_meters(&self, floor: Head) -> Result<BTreeMap<MeterKey, Meter>, StoreError> {
        if floor == Head::START { Ok(BTreeMap::new()) } else { rows::load_meters(&self.db, Meters::Floor) }
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

    /// A bundle of the events from `first` to `last`. Of those that were dropped it holds the activation request alone, so
    /// that a vendor who lost it knows the chain, and sees what is missing between.
    fn bundle(&self, device: &Device, first: Seq, last: Seq) -> Result<Bundle, StoreError> {
        let floor = rows::load_floor(&self.db)?;
        let mut runs = Vec::new();
        if first <= floor.seq {
            runs.append(&mut self.runs(device, Head::START, Seq(2))?);
        }
        let before = Seq(first.0 - 1);
        let start = if before <= floor.seq {
            floor
        } else {
            Head { seq: before, link: load::link_at(&self.db, device, before)? }
        };
        runs.append(&mut self.runs(device, start, last)?);
        Ok(Bundle {
            runs,
            attachments: rows::load_attachments(&self.db, first, last)?,
            last_grant: device
                .grant()
                .filter(|applied| !applied.is_typed())
                .map(|applied| applied.grant.clone()),
        })
    }

    /// The events after `start` up to `last`, as runs.
    fn runs(&self, device: &Device, start: Head, last: Seq) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut cutter = Cutter::new(device, start);
        rows::each_event(&self.db, start.seq.next(), last, |row| {
            cutter.push(&row);
            Ok(())
        })?;
        Ok(cutter.finish())
    }
}

/// What a check of the whole store has come to.
struct Checked {
    head: Head,
    events: u64,
    references: u64,
    meters: BTreeMap<MeterKey, Meter>,
    fold: Fold,
}

impl Checked {
    fn from(floor: Head, meters: BTreeMap<MeterKey, Meter>) -> Self {
        Self { head: floor, events: 0, references: 0, meters, fold: Fold::from(floor.seq.next()) }
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
