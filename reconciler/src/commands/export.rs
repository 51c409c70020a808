//! `counterfoil export`

pub(crate) mod events;
pub(crate) mod usage;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;
use crate::commands::filter::UsageFilterOptions;
use crate::export::{Format, Target, manifest_path};
use crate::progress::Progress;
use crate::store::UsageFilter;
use crate::vendor::Vendor;

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

impl ExportCommand {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        match self {
            Self::Events(args) => args.run(context),
            Self::Usage(args) => args.run(context),
        }
    }
}

impl From<ExportFormat> for Format {
    fn from(format: ExportFormat) -> Self {
        match format {
            ExportFormat::Csv => Self::Csv,
            ExportFormat::Jsonl => Self::Jsonl,
        }
    }
}

/// What is written, in which form and where to.
#[derive(Args, Debug)]
pub(crate) struct ExportOptions {
    /// The form of the file
    #[arg(long, value_name = "FORM", value_enum, default_value_t)]
    format: ExportFormat,
    /// The file to write; `-` is the standard output
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    #[command(flatten)]
    filter: UsageFilterOptions,
}

/// One of the exports of [`crate::export`].
type Export = fn(&mut Vendor, &UsageFilter, Format, Target<'_>, &mut dyn FnMut(u64)) -> Result<u64, Refusal>;

impl ExportOptions {
    /// Writes to a file and says so, or to the standard output and says nothing.
    fn run(self, context: &Context, export: Export) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let filter = self.filter.resolve(&mut vendor)?;
        let progress = Progress::start("rows written", None);
        let mut tell = |rows| progress.add(rows);
        let is_stream = self.output == Path::new("-");
        let mut stdout = io::stdout().lock();
        let target = if is_stream { Target::Stream(&mut stdout) } else { Target::File(&self.output) };
        let rows = export(&mut vendor, &filter, self.format.into(), target, &mut tell)?;
        drop(stdout);
        progress.finish();
        if !is_stream {
            let manifest = manifest_path(&self.output);
            context.output.result(&Exported { rows, file: self.output, manifest })?;
        }
        Ok(Exit::Done)
    }
}

/// What was written.
#[derive(Serialize)]
struct Exported {
    rows: u64,
    file: PathBuf,
    manifest: PathBuf,
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wrote {} rows to {}, and {}", self.rows, self.file.display(), self.manifest.display())
    }
}
