//! `apply`.

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use counterfoil_sync_agent::{Applied, Change, State, Why};
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use serde::Serialize;

use super::{code, files};
use crate::cli::Context;

/// Apply a licence file from the vendor.
///
/// Takes the answer to an activation request, a usage report or a deactivation, or a refresh file, and prints what
/// changed. The same file again changes nothing; an older one is refused. A device that was set back to an older state
/// learns it from the file; where the vendor has it go on, it does so with a new record.
///
/// With `--code` it takes an unlock code that answers the last code which was shown here. Without a code on the command line, a
/// terminal asks for it group by group and names a wrong one at once; elsewhere it is read from stdin.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil-agent apply request.cfgrant
  counterfoil-agent apply - < mailed.txt
  counterfoil-agent apply --code
  counterfoil-agent apply --code C0000P-80GKNZ-…")]
pub(crate) struct ApplyArgs {
    /// The licence files; `-` is stdin
    #[arg(value_name = "FILE", required_unless_present = "code", conflicts_with = "code")]
    files: Vec<PathBuf>,
    /// Take an unlock code; its groups may be apart
    #[arg(long, value_name = "CODE", num_args = 0..)]
    code: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Report(Applied);

pub(crate) fn run(args: &ApplyArgs, context: &Context) -> Result<Exit, Refusal> {
    if let Some(words) = &args.code {
        context.activated()?;
        let code = code::unlock_code(words)?;
        context.output.result(&Report(context.agent()?.apply_code(&code)?))?;
        return Ok(Exit::Done);
    }
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
