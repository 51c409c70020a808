//! `counterfoil rebuild`

use std::fmt;
use std::num::NonZeroUsize;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;
use crate::output::Table;
use crate::progress::Progress;
use crate::store::Mismatch;

/// Make every table anew from the signed events
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil rebuild --check
  counterfoil rebuild")]
pub(crate) struct RebuildArgs {
    /// Change nothing: compare with what stands, and end with exit code 6 if it differs
    #[arg(long)]
    check: bool,
    /// Threads that fold events [default: one a core]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
}

impl RebuildArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let progress = Progress::start("events folded", None);
        let mut told = 0;
        let mut tell = |events: u64| {
            progress.add(events.saturating_sub(told));
            told = events;
        };
        let jobs = self.jobs.map_or(context.config.jobs.value, NonZeroUsize::get);
        let mismatches =
            if self.check { vendor.store.compare_with_rebuild(jobs, &mut tell)? } else { Vec::new() };
        let events = if self.check { told } else { vendor.store.rebuild(jobs, &mut tell)? };
        progress.finish();
        let exit = if mismatches.is_empty() { Exit::Done } else { Exit::Findings };
        context.output.result(&Rebuilt { events, checked: self.check, mismatches })?;
        Ok(exit)
    }
}

#[derive(Serialize)]
struct Rebuilt {
    events: u64,
    checked: bool,
    mismatches: Vec<Mismatch>,
}

impl fmt::Display for Rebuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.checked, self.mismatches.is_empty()) {
            (false, _) => write!(f, "every table was made anew from {} events", self.events),
            (true, true) => write!(f, "every table follows from the {} events", self.events),
            (true, false) => {
                let mut table = Table::new(&["TABLE", "UNEXPECTED", "MISSING"]);
                for mismatch in &self.mismatches {
                    table.row([
                        mismatch.table.to_owned(),
                        mismatch.unexpected.to_string(),
                        mismatch.missing.to_string(),
                    ]);
                }
                write!(
                    f,
                    "{table}\nThese tables do not follow from the events: see `counterfoil explain projection_mismatch`."
                )
            }
        }
    }
}
