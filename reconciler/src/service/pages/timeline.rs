//! All that happened to a licence, the latest first, page by page; each line leads to the signed event behind it.

use ledger::authority::License;
use schemas::codes::Code;
use schemas::refusal::Refusal;

use crate::service::api::cursor;
use crate::service::html::page::moment;
use crate::shown::history::{self, HistoryLine};
use crate::shown::{says, words};
use crate::vendor::Vendor;

/// Lines of a page.
const LINES: usize = 50;

/// A part of a licence's history.
pub(super) struct Timeline {
    pub(super) lines: Vec<Line>,
    /// Where the next, earlier part begins.
    pub(super) earlier: Option<String>,
    /// Whether later lines are left out.
    pub(super) is_continued: bool,
}

/// One event.
pub(super) struct Line {
    pub(super) chain: String,
    pub(super) seq: u64,
    pub(super) at: String,
    /// Since when it is known here, where that is later.
    pub(super) known: Option<String>,
    /// The beginning of the device's chain; nothing for the vendor's own.
    pub(super) device: Option<String>,
    pub(super) kind: &'static str,
    pub(super) says: String,
    /// The value that a commitment in it stands for.
    pub(super) text: Option<String>,
}

impl Timeline {
    /// The part of a licence's history before a cursor, or the latest.
    ///
    /// # Errors
    /// `cursor_invalid`; when the ledger cannot be read.
    pub(super) fn read(
        vendor: &mut Vendor,
        license: &License,
        before: Option<&str>,
    ) -> Result<Self, Refusal> {
        let list = format!("timeline {}", license.id);
        let mut entries = vendor.store.history(&license.id)?;
        if let Some(before) = before {
            let place = cursor::read(before, &list)?;
            let known = entries.iter().position(|entry| history::place(entry) == place);
            entries.truncate(known.ok_or(Code::CursorInvalid)?);
        }
        let page = entries.split_off(entries.len().saturating_sub(LINES));
        let earlier = page.first().filter(|_| !entries.is_empty());
        let earlier = earlier.map(|entry| cursor::after(&history::place(entry), &list));
        let features = vendor.product(&license.product)?.features;
        let known = vendor.store.known(&license.id)?;
        let mut lines = Vec::new();
        for entry in page.iter().rev() {
            let told = HistoryLine::read(vendor, &license.id, entry, &known)?;
            lines.push(Line::of(&told, says::says(&told.body, &features)));
        }
        Ok(Self { lines, earlier, is_continued: before.is_some() })
    }
}

impl Line {
    fn of(told: &HistoryLine, says: String) -> Self {
        let known = told.known_at.filter(|known_at| *known_at != told.at);
        Self {
            chain: told.chain.to_string(),
            seq: told.seq.0,
            at: moment(told.at),
            known: known.map(moment),
            device: told.is_of_device().then(|| words::short(&told.chain)),
            kind: told.kind,
            says,
            text: told.text.as_ref().map(ToString::to_string),
        }
    }
}
