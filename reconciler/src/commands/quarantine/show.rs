//! `counterfoil quarantine show`

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use schemas::codes::Exit;
use schemas::container::FileKind;
use schemas::refusal::Refusal;

use crate::cli::Context;
use crate::commands::files;
use crate::output::Fields;
use crate::shown::quarantine::QuarantineDetails;
use crate::shown::words;

/// Show an entry, or write its bytes to a file
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil quarantine show 12
  counterfoil quarantine show 12 -o refused.cfbundle")]
pub(crate) struct QuarantineShowArgs {
    /// The entry's number
    #[arg(value_name = "N")]
    id: i64,
    /// Write its bytes here
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl QuarantineShowArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let (entry, bytes) = context.vendor()?.quarantined(self.id)?;
        let shown = QuarantineDetails::of(entry, &bytes);
        let to_stdout = self.output.as_deref() == Some(Path::new("-"));
        if let Some(path) = &self.output {
            // The bytes as they came, whatever they are: no text form is made, so the kind does not matter.
            files::write(path, FileKind::Bundle, bytes, false)?;
        }
        if !to_stdout {
            context.output.result(&shown)?;
        }
        Ok(Exit::Done)
    }
}

impl fmt::Display for QuarantineDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = &self.entry;
        Fields::default()
            .with("entry", entry.id)
            .with("code", &entry.code)
            .with("it says", self.title.unwrap_or_default())
            .with("what to do", self.hint.unwrap_or_default())
            .with("source", words::printable(&entry.source))
            .with("chain", words::or(entry.chain, "unknown"))
            .with("received at", entry.received_at)
            .with("bytes", entry.size)
            .with("digest", entry.digest)
            .fmt(f)?;
        match (&self.content, &self.unreadable) {
            (Some(content), _) => write!(f, "\n{content}"),
            (None, Some(refusal)) => write!(f, "\nthe bytes cannot be read: {refusal}"),
            (None, None) => Ok(()),
        }
    }
}
