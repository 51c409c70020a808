//! `counterfoil quarantine show`

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use ledger::inspect::{self, Inspection};
use schemas::codes::{Code, Exit};
use schemas::container::FileKind;
use schemas::refusal::Refusal;
use serde::Serialize;

use super::list::EntryLine;
use crate::cli::Context;
use crate::commands::{files, words};
use crate::output::Fields;

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
        let unknown = || Refusal::new(Code::QuarantineUnknown, self.id.to_string());
        let mut vendor = context.vendor()?;
        let entries = vendor.store.quarantine()?;
        let entry = entries.into_iter().find(|entry| entry.id == self.id).ok_or_else(unknown)?;
        let bytes = vendor.store.quarantined_bytes(self.id)?.ok_or_else(unknown)?;
        let shown = Shown::of(EntryLine::of(entry), &bytes);
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

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    entry: EntryLine,
    title: Option<&'static str>,
    hint: Option<&'static str>,
    /// What the bytes say, where they can be read.
    content: Option<Inspection>,
    /// Why they cannot.
    unreadable: Option<Refusal>,
}

impl Shown {
    fn of(entry: EntryLine, bytes: &[u8]) -> Self {
        let code = entry.code.parse::<Code>().ok().map(Code::entry);
        let (content, unreadable) = match inspect::inspect(bytes) {
            Ok(inspection) => (Some(inspection), None),
            Err(refusal) => (None, Some(refusal)),
        };
        Self {
            entry,
            title: code.map(|code| code.title),
            hint: code.map(|code| code.hint),
            content,
            unreadable,
        }
    }
}

impl fmt::Display for Shown {
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
