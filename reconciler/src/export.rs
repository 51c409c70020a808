//! The ledger written out for other programs: whole, streaming, with a manifest beside it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ledger::durable::{self, Access, Replacement};
use ledger::refold;
use schemas::codes::Code;
use schemas::event::Event;
use schemas::ids::{ChainId, Digest, LicenseId};
use schemas::numbers::{FeatureNumber, Seq};
use schemas::period::{self, Period};
use schemas::refusal::Refusal;
use schemas::text::Text;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::audit;
use crate::store::{StoreError, UsageFilter, UsageRow, feature_name, feature_names};
use crate::vendor::Vendor;
use crate::vendor::codes::Basis;

/// The version of the columns below.
const SCHEMA_VERSION: u32 = 2;

/// The form of an exported file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// Comma-separated values with a line of headings (RFC 4180).
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// What was written, and what it rests on.
#[derive(Clone, Debug, Serialize)]
pub struct Manifest {
    /// What the rows are: `usage` or `events`.
    pub content: &'static str,
    /// The version of the columns.
    pub schema_version: u32,
    /// Rows written.
    pub rows: u64,
    /// The SHA-256 of the file.
    pub sha256: Digest,
    /// The evidence digest of the ledger that it was written from.
    pub evidence: Digest,
    /// The authority or catalog head, the evidence of each licence: what the rows follow from.
    pub heads: BTreeMap<LicenseId, Digest>,
}

/// Units of one feature on one UTC day by one device.
#[derive(Serialize)]
struct UsageRecord<'a> {
    license_id: LicenseId,
    product: &'a str,
    chain: ChainId,
    feature: String,
    period: Period,
    day: String,
    n: u64,
    refunded: u64,
    events: u64,
    basis: &'static str,
}

impl UsageRecord<'_> {
    const COLUMNS: &'static [&'static str] =
        &["license_id", "product", "chain", "feature", "period", "day", "n", "refunded", "events", "basis"];
}

/// One event.
#[derive(Serialize)]
struct EventRecord<'a> {
    license_id: LicenseId,
    chain: ChainId,
    branch: u16,
    seq: Seq,
    writer: &'static str,
    kind: &'static str,
    time: String,
    event: EventCell<'a>,
}

/// The event itself: an object in JSON lines, its JSON as text in a column of CSV.
#[derive(Serialize)]
#[serde(untagged)]
enum EventCell<'a> {
    Object(&'a Event),
    Text(String),
}

impl EventRecord<'_> {
    const COLUMNS: &'static [&'static str] =
        &["license_id", "chain", "branch", "seq", "writer", "kind", "time", "event"];
}

/// What a file holds, and its columns.
struct Content {
    name: &'static str,
    columns: &'static [&'static str],
}

/// Where a report goes.
#[expect(missing_debug_implementations, reason = "a stream of any kind has none")]
pub enum Target<'a> {
    /// A file, written whole or not at all, with a manifest beside it.
    File(&'a Path),
    /// A stream, without a manifest.
    Stream(&'a mut dyn Write),
}

/// Writes usage rows that match.
///
/// # Errors
/// When the ledger cannot be read or the target not written; a file is then what it was before.
pub fn usage(
    vendor: &mut Vendor,
    filter: &UsageFilter,
    format: Format,
    target: Target<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, Refusal> {
    let names = feature_names(&vendor.catalog()?);
    let content = Content { name: "usage", columns: UsageRecord::COLUMNS };
    write(vendor, &content, format, target, progress, |vendor, rows| {
        vendor.usage(filter, &mut |row, basis| rows.put(&usage_record(row, basis, &names)))
    })
}

/// Writes the events of runs that match, in the order of licence, chain, branch and place.
///
/// # Errors
/// As [`usage`].
pub fn events(
    vendor: &mut Vendor,
    filter: &UsageFilter,
    format: Format,
    target: Target<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, Refusal> {
    let products = products_of(vendor, filter)?;
    let content = Content { name: "events", columns: EventRecord::COLUMNS };
    write(vendor, &content, format, target, progress, |vendor, rows| {
        vendor.store.runs(filter.license.as_ref(), &mut |license, run| {
            if products.as_ref().is_some_and(|licenses| !licenses.contains(license)) {
                return Ok(());
            }
            for (seq, event) in refold::events(&run)? {
                if within(filter, &event) {
                    let cell = match format {
                        Format::Jsonl => EventCell::Object(&event),
                        Format::Csv => EventCell::Text(serde_json::to_string(&event).map_err(failed)?),
                    };
                    rows.put(&EventRecord {
                        license_id: *license,
                        chain: run.chain,
                        branch: run.branch,
                        seq,
                        writer: run.origin.word(),
                        kind: event.body.name(),
                        time: event.at.to_string(),
                        event: cell,
                    })?;
                }
            }
            Ok(())
        })
    })
}

/// The licences of the product that is filtered by.
fn products_of(
    vendor: &mut Vendor,
    filter: &UsageFilter,
) -> Result<Option<std::collections::BTreeSet<LicenseId>>, Refusal> {
    let Some(product) = &filter.product else { return Ok(None) };
    let filter = crate::store::LicenseFilter { product: Some(product.clone()), ..Default::default() };
    Ok(Some(vendor.store.licenses(&filter)?.into_iter().map(|license| license.id).collect()))
}

fn within(filter: &UsageFilter, event: &Event) -> bool {
    let day = period::day(event.at);
    filter.from_day.is_none_or(|from| from <= day) && filter.before_day.is_none_or(|before| day < before)
}

fn usage_record<'a>(
    row: &'a UsageRow,
    basis: Basis,
    names: &BTreeMap<(String, FeatureNumber), Text>,
) -> UsageRecord<'a> {
    UsageRecord {
        license_id: row.license,
        product: &row.product,
        chain: row.chain,
        feature: feature_name(names, &row.product, row.feature),
        period: row.period,
        day: period::day_text(row.day),
        n: row.used.saturating_sub(row.refunded),
        refunded: row.refunded,
        events: row.events,
        basis: basis.word(),
    }
}

fn write(
    vendor: &mut Vendor,
    content: &Content,
    format: Format,
    target: Target<'_>,
    progress: &mut dyn FnMut(u64),
    each: impl FnOnce(&mut Vendor, &mut Rows<'_>) -> Result<(), StoreError>,
) -> Result<u64, Refusal> {
    match target {
        Target::Stream(stream) => {
            let mut rows = Rows::new(stream, format, content.columns, progress)?;
            each(vendor, &mut rows)?;
            let (count, _) = rows.finish()?;
            Ok(count)
        }
        Target::File(path) => {
            let told = |error: io::Error| Refusal::from_error(Code::IoFailed, &error).at(path.display());
            let mut file = Replacement::begin(path).map_err(told)?;
            let mut rows = Rows::new(&mut file, format, content.columns, progress)?;
            each(vendor, &mut rows)?;
            let (count, sha256) = rows.finish()?;
            file.finish().map_err(told)?;
            write_manifest(vendor, path, content.name, count, sha256)?;
            Ok(count)
        }
    }
}

fn write_manifest(
    vendor: &mut Vendor,
    path: &Path,
    content: &'static str,
    rows: u64,
    sha256: Digest,
) -> Result<(), Refusal> {
    let (evidence, heads) = audit::evidence_digest(vendor.store.as_mut())?;
    let manifest = Manifest { content, schema_version: SCHEMA_VERSION, rows, sha256, evidence, heads };
    let mut bytes =
        serde_json::to_vec_pretty(&manifest).map_err(|error| Refusal::from_error(Code::Failed, &error))?;
    bytes.push(b'\n');
    let beside = manifest_path(path);
    durable::write(&beside, &bytes, Access::Shared)
        .map_err(|error| Refusal::from_error(Code::IoFailed, &error).at(beside.display()))
}

/// The manifest of `usage.csv` is `usage.csv.manifest.json`.
pub fn manifest_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".manifest.json");
    PathBuf::from(name)
}

/// Rows on their way into a file: encoded, hashed and counted.
struct Rows<'a> {
    encoder: Encoder<Hashing<'a>>,
    count: u64,
    progress: &'a mut dyn FnMut(u64),
}

enum Encoder<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Jsonl(W),
}

impl<'a> Rows<'a> {
    /// Begins a file. The headings of CSV are there even when no row follows.
    fn new(
        writer: &'a mut dyn Write,
        format: Format,
        columns: &[&str],
        progress: &'a mut dyn FnMut(u64),
    ) -> Result<Self, StoreError> {
        let hashing = Hashing { writer, hash: Sha256::new() };
        let encoder = match format {
            Format::Csv => {
                let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(hashing);
                csv.write_record(columns).map_err(failed)?;
                Encoder::Csv(Box::new(csv))
            }
            Format::Jsonl => Encoder::Jsonl(hashing),
        };
        Ok(Self { encoder, count: 0, progress })
    }

    fn put(&mut self, record: &impl Serialize) -> Result<(), StoreError> {
        match &mut self.encoder {
            Encoder::Csv(csv) => csv.serialize(record).map_err(failed)?,
            Encoder::Jsonl(writer) => {
                serde_json::to_writer(&mut *writer, record).map_err(failed)?;
                writer.write_all(b"\n").map_err(failed)?;
            }
        }
        self.count += 1;
        (self.progress)(1);
        Ok(())
    }

    fn finish(self) -> Result<(u64, Digest), Refusal> {
        let mut hashing = match self.encoder {
            Encoder::Jsonl(hashing) => hashing,
            Encoder::Csv(csv) => {
                csv.into_inner().map_err(|error| Refusal::from_error(Code::IoFailed, &error.into_error()))?
            }
        };
        hashing.flush().map_err(|error| Refusal::from_error(Code::IoFailed, &error))?;
        Ok((self.count, Digest(hashing.hash.finalize().into())))
    }
}

fn failed(error: impl Into<io::Error>) -> StoreError {
    StoreError::Refused(Refusal::from_error(Code::IoFailed, &error.into()))
}

/// Hashes what it passes on.
struct Hashing<'a> {
    writer: &'a mut dyn Write,
    hash: Sha256,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.writer.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage_record(feature: &str) -> UsageRecord<'_> {
        UsageRecord {
            license_id: LicenseId([7; 16]),
            product: "studio",
            chain: ChainId([1; 32]),
            feature: feature.to_owned(),
            period: Period::from_number(0).expect("a whole life"),
            day: "2026-11-24".to_owned(),
            n: 5,
            refunded: 0,
            events: 1,
            basis: Basis::Events.word(),
        }
    }

    fn event_record() -> EventRecord<'static> {
        EventRecord {
            license_id: LicenseId([7; 16]),
            chain: ChainId([1; 32]),
            branch: 0,
            seq: Seq(1),
            writer: "device",
            kind: "chain.opened",
            time: String::new(),
            event: EventCell::Text("{}".to_owned()),
        }
    }

    fn csv_of(columns: &[&str], fill: impl FnOnce(&mut Rows<'_>)) -> String {
        let mut written = Vec::new();
        let mut progress = |_| ();
        let mut rows =
            Rows::new(&mut written, Format::Csv, columns, &mut progress).expect("a vector takes all");
        fill(&mut rows);
        rows.finish().expect("a vector takes all");
        String::from_utf8(written).expect("CSV is text")
    }

    /// The names under which a record is serialized, in their order.
    fn keys(record: &impl Serialize) -> String {
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.serialize(record).expect("a vector takes all");
        let written = csv.into_inner().expect("a vector takes all");
        String::from_utf8(written).expect("CSV is text").lines().next().expect("headings").to_owned()
    }

    #[test]
    fn the_headings_are_there_without_any_row_and_name_the_columns_in_order() {
        assert_eq!(csv_of(UsageRecord::COLUMNS, |_| ()).trim_end(), keys(&usage_record("render")));
        assert_eq!(csv_of(EventRecord::COLUMNS, |_| ()).trim_end(), keys(&event_record()));
    }

    #[test]
    fn rows_follow_the_headings_once() {
        let written = csv_of(UsageRecord::COLUMNS, |rows| {
            for feature in ["render", "export"] {
                rows.put(&usage_record(feature)).expect("a vector takes all");
            }
        });
        assert_eq!(written.lines().count(), 3);
        assert_eq!(written.matches("license_id").count(), 1);
    }

    #[test]
    fn a_feature_that_the_catalog_does_not_know_goes_by_its_number() {
        let name = feature_name(&BTreeMap::new(), "studio", FeatureNumber(65_535));
        assert_eq!(name, "feature 65535");
    }
}
