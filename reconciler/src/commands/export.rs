//! `counterfoil export`

pub(crate) mod events;
pub(crate) mod usage;

use clap::Subcommand;

/// The form of an exported file.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum ExportFormat {
    /// Comma-separated values with a line of headings (RFC 4180).
    #[default]
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// Write the ledger out for other programs
#[derive(Debug, Subcommand)]
pub(crate) enum ExportCommand {
    Events(events::ExportEventsArgs),
    Usage(usage::ExportUsageArgs),
}
