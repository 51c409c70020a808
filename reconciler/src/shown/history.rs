//! What happened to a licence.

use ledger::authority::License;
use ledger::commitment;
use ledger::known::KnownSince;
use ledger::rows::HistoryEntry;
use schemas::event::{Body, Event, Kind, Writer};
use schemas::ids::{ChainId, LicenseId};
use schemas::numbers::{Micros, Seq};
use schemas::pack::ProductFeature;
use schemas::refusal::Refusal;
use serde::Serialize;
use utoipa::ToSchema;

use super::values::Attached;
use super::{says, words};
use crate::store::StoreError;
use crate::vendor::Vendor;

/// What happened to a licence, in order of time.
#[derive(Serialize)]
pub(crate) struct History {
    pub(crate) license_id: LicenseId,
    pub(crate) events: Vec<HistoryLine>,
    #[serde(skip)]
    pub(crate) features: Vec<ProductFeature>,
}

impl History {
    /// Reads that of a licence.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) fn read(vendor: &mut Vendor, license: &License) -> Result<Self, Refusal> {
        let features = vendor.product(&license.product)?.features;
        let known = vendor.store.known(&license.id)?;
        let entries = vendor.store.history(&license.id)?.into_iter();
        let events = entries.map(|entry| HistoryLine::read(vendor, &license.id, &entry, &known));
        Ok(Self { license_id: license.id, events: events.collect::<Result<_, _>>()?, features })
    }
}

/// Bytes of an event's place.
pub(crate) const PLACE: usize = 32 + 2 + 8;

/// What names an event among those of a licence.
pub(crate) fn place(entry: &HistoryEntry) -> [u8; PLACE] {
    let mut place = [0; PLACE];
    place[..32].copy_from_slice(entry.chain.as_bytes());
    place[32..34].copy_from_slice(&entry.branch.to_be_bytes());
    place[34..].copy_from_slice(&entry.seq.0.to_be_bytes());
    place
}

/// One event and its place. What it says stands apart, because events name chains and places themselves.
#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryLine {
    #[schema(value_type = String)]
    pub(crate) at: Micros,
    /// Since when the vendor knows it.
    #[schema(value_type = Option<String>)]
    pub(crate) known_at: Option<Micros>,
    #[schema(value_type = String)]
    pub(crate) chain: ChainId,
    pub(crate) writer: &'static str,
    #[schema(value_type = u64)]
    pub(crate) seq: Seq,
    pub(crate) kind: &'static str,
    #[schema(value_type = Object)]
    pub(crate) body: Body,
    /// The value that a commitment in it stands for; absent when there is none or it was erased.
    #[schema(value_type = Option<String>)]
    pub(crate) text: Option<Attached>,
}

impl HistoryLine {
    /// Reads what an entry says.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) fn read(
        vendor: &mut Vendor,
        license: &LicenseId,
        entry: &HistoryEntry,
        known: &KnownSince,
    ) -> Result<Self, Refusal> {
        let event = Event::decode(&entry.core).map_err(StoreError::from)?;
        let text = Attached::read(vendor, license, commitment::committed(&event).as_ref())?;
        let writer = writer_of(entry.kind);
        Ok(Self {
            at: event.at,
            known_at: match writer {
                Writer::Device => known.of_event(&entry.chain, entry.branch, entry.seq),
                Writer::Authority | Writer::Catalog => Some(event.at),
            },
            chain: entry.chain,
            writer: word(writer),
            seq: entry.seq,
            kind: event.body.name(),
            body: event.body,
            text,
        })
    }

    /// What it says, in a few words, with the value that stands beside it.
    pub(crate) fn says(&self, features: &[ProductFeature]) -> String {
        let says = says::says(&self.body, features);
        let text = words::or(self.text.as_ref().map(|text| format!("\"{text}\"")), "");
        [says, text].join(" ").trim().to_owned()
    }

    /// Whether a device wrote it.
    pub(crate) fn is_of_device(&self) -> bool {
        self.writer == word(Writer::Device)
    }

    /// Who wrote it: the vendor, or a device by the beginning of its chain.
    pub(crate) fn who(&self) -> String {
        if self.is_of_device() { self.chain.to_string()[..8].to_owned() } else { "vendor".to_owned() }
    }
}

/// Kinds that are passed over stand on device chains only: the vendor writes none that its own ledger lacks.
fn writer_of(kind: Kind) -> Writer {
    kind.writer().unwrap_or(Writer::Device)
}

fn word(writer: Writer) -> &'static str {
    match writer {
        Writer::Device => "device",
        Writer::Authority => "authority",
        Writer::Catalog => "catalog",
    }
}
