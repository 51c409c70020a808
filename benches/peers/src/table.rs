//! The numbers, as people and programs read them.

use std::fmt;

use comfy_table::presets;
use serde::{Deserialize, Serialize};

use crate::measure::{Cost, as_float};

/// All that were measured in one run.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    /// What each was given.
    pub(crate) what: String,
    /// A row for each.
    pub(crate) rows: Vec<Row>,
}

/// One store.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Row {
    /// Which one.
    pub(crate) store: String,
    /// How many events it was given.
    pub(crate) events: u64,
    /// Seconds until all of them were durable.
    pub(crate) seconds: f64,
    /// How many a second.
    pub(crate) rate: f64,
    /// What the process took that gave them.
    pub(crate) cost: Cost,
    /// Whether a server worked too, whose CPU and memory are in no number.
    pub(crate) has_server: bool,
    /// Bytes on disk for each.
    pub(crate) bytes_each: f64,
    /// What was waited for.
    pub(crate) durability: String,
    /// What is done for an event, and what is not.
    pub(crate) does: String,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.what)?;
        let mut table = comfy_table::Table::new();
        table.load_preset(presets::UTF8_BORDERS_ONLY);
        table.set_header(["STORE", "SECONDS", "EVENTS A SECOND", "CPU US EACH", "PEAK MIB", "BYTES EACH"]);
        for row in &self.rows {
            let client = if row.has_server { " *" } else { "" };
            table.add_row([
                row.store.clone(),
                format!("{:.2}", row.seconds),
                format!("{:.0}", row.rate),
                format!("{:.2}{client}", row.cost.cpu * 1e6 / as_float(row.events)),
                format!("{}{client}", row.cost.peak / 1_048_576),
                format!("{:.1}", row.bytes_each),
            ]);
        }
        writeln!(f, "{table}")?;
        if self.rows.iter().any(|row| row.has_server) {
            writeln!(f, "* of the client alone: what the server takes is not counted")?;
        }
        self.rows.iter().try_for_each(|row| {
            write!(f, "\n{}\n    durable: {}\n    {}", row.store, row.durability, row.does)
        })
    }
}
