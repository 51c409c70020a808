//! What a device's file is and what it discloses, in words, from its own bytes alone: the ledger is not asked, and nothing is
//! kept.

mod device;

use std::collections::BTreeMap;

use ledger::inspect::{AttachmentInspection, BundleInspection, GrantInspection, Inspection, inspect};
use schemas::codes::Code;
use schemas::ids::{ChainId, Commitment};
use schemas::numbers::FeatureNumber;
use schemas::refusal::Refusal;
use schemas::text::Text;

use self::device::Device;
use super::trouble::trouble;
use crate::service::html::list::List;
use crate::service::html::page::moment;
use crate::service::html::trouble::Trouble;
use crate::shown::words::printable;

/// Most bytes of the whole text on a page.
const TEXT_BYTES: usize = 64 * 1024;
/// Most bytes of a value on a page.
const VALUE_BYTES: usize = 1_024;

/// What a bundle says.
#[derive(Debug)]
pub(super) struct Reading {
    /// What it is.
    pub(super) kind: Kind,
    /// What each device says.
    pub(super) devices: List<Device>,
    /// The values that travel in clear beside the signed events.
    pub(super) values: List<Value>,
    /// The licence file that it encloses.
    pub(super) enclosed: Option<Enclosed>,
    /// Runs of which not even the chain can be read.
    pub(super) unread: usize,
    /// Everything, as `show` tells it; cut where it is long.
    pub(super) all: String,
    /// Whether it was cut.
    pub(super) is_cut: bool,
}

/// What a bundle is to its user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// A new chain asks for an activation.
    Request,
    /// A device tells what it did.
    Report,
    /// A device gives its licence back.
    Deactivation,
}

impl Kind {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Request => "Activation request",
            Self::Report => "Usage report",
            Self::Deactivation => "Deactivation file",
        }
    }

    /// What it is for.
    pub(super) fn purpose(self) -> &'static str {
        match self {
            Self::Request => "A device asks for its licence file.",
            Self::Report => {
                "A device tells what it did since your vendor last heard of it, and gets a new licence file."
            }
            Self::Deactivation => "A device has ended its activation for good and gives its seat back.",
        }
    }
}

/// A value in clear.
#[derive(Debug)]
pub(super) struct Value {
    /// What it is.
    pub(super) label: String,
    /// The value, or its beginning.
    pub(super) text: String,
    /// Its length, where only the beginning is shown.
    pub(super) cut_from: Option<usize>,
    /// Whether it is what the signed event stands for.
    pub(super) opens: bool,
}

/// The licence file that a bundle encloses.
#[derive(Debug)]
pub(super) struct Enclosed {
    /// The licence.
    pub(super) license: String,
    /// When it was issued.
    pub(super) issued_at: String,
}

impl Reading {
    /// Reads a file, which is a bundle.
    ///
    /// # Errors
    /// What it is instead, or why it cannot be read.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, Box<Trouble>> {
        let read = inspect(bytes).map_err(|refusal| Box::new(trouble(&refusal)))?;
        let all = read.to_string();
        match read {
            Inspection::Bundle(bundle) => Ok(Self::told(&bundle, all)),
            Inspection::Grant(_) => other(
                "this is a licence file, which a device takes",
                "Take it to the device and apply it there. Here, give the file that the device writes.",
            ),
            Inspection::Pack(_) => other(
                "this is a product pack, which an application brings with it",
                "Leave it with the application. Here, give the file that the device writes.",
            ),
        }
    }

    fn told(bundle: &BundleInspection, mut all: String) -> Self {
        let names = names(bundle.last_grant.as_deref());
        let mut devices: BTreeMap<ChainId, Device> = BTreeMap::new();
        let mut labels: BTreeMap<Commitment, String> = BTreeMap::new();
        let mut unread = 0;
        for run in &bundle.runs {
            let Some(header) = &run.header else {
                unread += 1;
                continue;
            };
            let device = devices.entry(header.chain).or_insert_with(|| Device::new(header));
            device.take(run, &names, &mut labels);
        }
        let is_cut = all.len() > TEXT_BYTES;
        all.truncate(all.floor_char_boundary(TEXT_BYTES));
        Self {
            kind: kind(&devices),
            devices: List::of(devices.into_values()),
            values: List::of(bundle.attachments.iter().map(|value| Value::of(value, &labels))),
            enclosed: bundle.last_grant.as_deref().map(Enclosed::of),
            unread,
            all,
            is_cut,
        }
    }
}

impl Value {
    fn of(value: &AttachmentInspection, labels: &BTreeMap<Commitment, String>) -> Self {
        let label = labels.get(&value.commitment).cloned();
        let not_text = || format!("{} bytes that are not text", value.bytes);
        Self {
            label: label.unwrap_or_else(|| "A value that no event of this file names".to_owned()),
            text: value.text.as_deref().map_or_else(not_text, |text| printable(beginning(text, VALUE_BYTES))),
            cut_from: value.text.as_ref().map(String::len).filter(|bytes| *bytes > VALUE_BYTES),
            opens: value.opens,
        }
    }
}

impl Enclosed {
    fn of(grant: &GrantInspection) -> Self {
        Self { license: grant.body.license.to_string(), issued_at: moment(grant.issued_at) }
    }
}

/// The beginning of a text, whole characters of at most so many bytes.
fn beginning(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

fn kind(devices: &BTreeMap<ChainId, Device>) -> Kind {
    let mut all = devices.values();
    if all.clone().any(|device| device.is_closed) {
        Kind::Deactivation
    } else if all.clone().any(|device| device.asks.is_some()) && all.all(Device::used_nothing) {
        Kind::Request
    } else {
        Kind::Report
    }
}

/// The names of features, as far as the enclosed licence file tells them.
fn names(grant: Option<&GrantInspection>) -> BTreeMap<FeatureNumber, Text> {
    let terms = grant.and_then(|grant| grant.body.entitlement.as_ref());
    let features = terms.into_iter().flat_map(|terms| &terms.features);
    features.map(|feature| (feature.number, feature.name.clone())).collect()
}

fn other(what: &str, way_out: &'static str) -> Result<Reading, Box<Trouble>> {
    Err(Box::new(trouble(&Refusal::new(Code::WrongFile, what)).with(way_out)))
}
