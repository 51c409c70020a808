//! `counterfoil export`

pub(crate) mod events;
pub(crate) mod usage;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;
use crate::export::{Format, Target, manifest_path};
use crate::progress::Progress;

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

/// What was written.
#[derive(Serialize)]
struct Exported {
    rows: u64,
    file: PathBuf,
    manifest: PathBuf,
}

impl Exported {
    /// Writes to a file and says so, or to the standard output and says nothing.
    fn write(
        context: &Context,
        path: PathBuf,
        export: impl FnOnce(Target<'_>, &mut dyn FnMut(u64)) -> Result<u64, Refusal>,
    ) -> Result<Exit, Refusal> {
        let progress = Progress::start("rows written", None);
        let mut tell = |rows| progress.add(rows);
        if path == Path::new("-") {
            export(Target::Stream(&mut io::stdout().lock()), &mut tell)?;
            progress.finish();
            return Ok(Exit::Done);
        }
        let rows = export(Target::File(&path), &mut tell)?;
        progress.finish();
        context.output.result(&Self { rows, manifest: manifest_path(&path), file: path })?;
        Ok(Exit::Done)
    }
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wrote {} rows to {}, and {}", self.rows, self.file.display(), self.manifest.display())
    }
}
