//! `apply`.

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use counterfoil_sync_agent::{Applied, Change, State, Why};
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use serde::Serialize;

use super::files;
use crate::cli::Context;

/// Apply a licence file from the vendor.
///
/// Takes the answer to an activation request, a usage report or a deactivation, or a refresh file, and prints what
/// changed. The same file again changes nothing; an older one is refused. A device that was set back to an older state
/// learns it from the file; where the vendor has it go on, it does so with a new record.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil-agent apply request.cfgrant
  counterfoil-agent apply - < mailed.txt")]
pub(crate) struct ApplyArgs {
    /// The licence files; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Report(Applied);

pub(crate) fn run(args: &ApplyArgs, context: &Context) -> Result<Exit, Refusal> {
    let agent = context.agent()?;
    let mut changes = Vec::new();
    let mut last = None;
    for path in &args.files {
        let bytes = files::read_small(path)?;
        let mut applied = agent.apply(&bytes).map_err(|refusal| refusal.at(path.display()))?;
        changes.append(&mut applied.changes);
        last = Some(applied);
    }
    if let Some(last) = last {
        context.output.result(&Report(Applied { changes, ..last }))?;
    }
    Ok(Exit::Done)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_outcome(f, self.0.state, self.0.why, &self.0.changes)
    }
}

/// Tells how an activation stands, and what changed.
pub(crate) fn write_outcome(
    f: &mut fmt::Formatter<'_>,
    state: State,
    why: Option<Why>,
    changes: &[Change],
) -> fmt::Result {
    f.write_str(state.word())?;
    if let Some(Why { code, title, hint }) = why {
        write!(f, "\nwhy: {title} [{code}]\nhint: {hint}")?;
    }
    if changes.is_empty() {
        return f.write_str("\nnothing changed");
    }
    changes.iter().try_for_each(|Change { what, before, after }| match (before, after) {
        (Some(before), Some(after)) => write!(f, "\n{what}: {before} -> {after}"),
        (None, Some(after)) => write!(f, "\n{what}: {after}"),
        (Some(before), None) => write!(f, "\n{what}: no longer {before}"),
        (None, None) => Ok(()),
    })
}
