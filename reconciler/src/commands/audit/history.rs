//! `counterfoil audit history`

mod says;

use std::fmt;

use clap::Args;
use ledger::commitment;
use ledger::known::KnownSince;
use ledger::rows::HistoryEntry;
use schemas::codes::Exit;
use schemas::event::{Body, Event, Kind, Writer};
use schemas::ids::{ChainId, LicenseId};
use schemas::numbers::{Micros, Seq};
use schemas::pack::ProductFeature;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;
use crate::commands::words::{self, Attached};
use crate::store::StoreError;
use crate::vendor::Vendor;

/// Tell what happened to a licence, in order of time
///
/// Single consumptions are left out: see `audit usage` for their sums and `export events` for each of them.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil audit history LICENSE
  counterfoil audit history LICENSE --json")]
pub(crate) struct AuditHistoryArgs {
    /// The licence, by its identifier or key
    #[arg(value_name = "LICENSE")]
    license: String,
}

impl AuditHistoryArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let license = vendor.find_license(&self.license)?;
        let features = vendor.product(&license.product)?.features;
        let known = vendor.store.known(&license.id)?;
        let entries = vendor.store.history(&license.id)?;
        let events = entries
            .iter()
            .map(|entry| Told::read(&mut vendor, &license.id, entry, &known))
            .collect::<Result<_, _>>()?;
        context.output.result(&History { license_id: license.id, features, events })?;
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct History {
    license_id: LicenseId,
    events: Vec<Told>,
    #[serde(skip)]
    features: Vec<ProductFeature>,
}

/// One event and its place. What it says stands apart, because events name chains and places themselves.
#[derive(Serialize)]
struct Told {
    at: Micros,
    /// Since when the vendor knows it.
    known_at: Option<Micros>,
    chain: ChainId,
    writer: &'static str,
    seq: Seq,
    kind: &'static str,
    body: Body,
    /// The value that a commitment in it stands for; absent when there is none or it was erased.
    text: Option<Attached>,
}

impl Told {
    fn read(
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

    /// Who wrote it: the vendor, or a device by the beginning of its chain.
    fn who(&self) -> String {
        if self.writer == word(Writer::Device) {
            self.chain.to_string()[..8].to_owned()
        } else {
            "vendor".to_owned()
        }
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

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.events.iter().try_for_each(|told| {
            let says = says::says(&told.body, &self.features);
            let text = words::or(told.text.as_ref().map(|text| format!("\"{text}\"")), "");
            let words = [says, text].join(" ");
            let at = told.at.to_string();
            let line = format!("{at:<27}  {:<21}  {:<8}  {}", told.kind, told.who(), words.trim());
            writeln!(f, "{}", line.trim_end())
        })
    }
}
