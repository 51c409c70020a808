//! `counterfoil merge`

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Context;
use crate::merging::{self, MergeReport};
use crate::output::Table;
use crate::progress::Progress;

/// Take in bundles from devices, in any order, any number of times
///
/// What is refused waits in quarantine with its code and the rest goes in; the exit code is then 6.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil merge request.cfbundle --answers out/
  counterfoil merge inbox/ --answers outbox/ --jobs 4")]
pub(crate) struct MergeArgs {
    /// Bundles, or folders of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Write the answers here: `F/a/X.cfbundle` of a folder F is answered in `a/X.cfgrant`, a file in `X.cfgrant`
    #[arg(long, value_name = "DIR")]
    answers: Option<PathBuf>,
    /// Threads that check bundles [default: one a core]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
}

impl MergeArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let sources = merging::sources(&self.paths, self.answers.as_deref())?;
        let mut vendor = context.vendor()?;
        let jobs = self.jobs.map_or(context.config.jobs.value, NonZeroUsize::get);
        let progress = Progress::start("bundles merged", Some(sources.len() as u64));
        let report = merging::merge(&mut vendor, &sources, jobs, &mut |files| progress.add(files));
        progress.finish();
        let report = report?;
        context.output.result(&report)?;
        Ok(report.exit())
    }
}

/// A refusal in words.
fn told(refusal: &Refusal) -> &str {
    if refusal.detail().is_empty() { refusal.code().entry().title } else { refusal.detail() }
}

impl fmt::Display for MergeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.findings.is_empty() {
            let mut table = Table::new(&["FILE", "CODE", "WHAT"]);
            for finding in &self.findings {
                let title = finding.code.entry().title;
                let what = if finding.detail.is_empty() {
                    title.to_owned()
                } else {
                    format!("{title}: {}", finding.detail)
                };
                table.row([finding.source.clone(), finding.code.to_string(), what]);
            }
            writeln!(f, "{table}")?;
        }
        let Self { merged, known, parked, forked, refused, denied, events, not_packed, .. } = self;
        write!(
            f,
            "{merged} merged, {known} already known, {parked} parked, {forked} forked, {refused} refused; {events} new events"
        )?;
        if *forked > 0 {
            write!(f, "\nSee `counterfoil audit forks`.")?;
        }
        if *denied > 0 {
            write!(f, "\n{denied} of a device that is denied an activation: its answer says why.")?;
        }
        if *refused > 0 {
            write!(f, "\nSee `counterfoil quarantine list`.")?;
        }
        if let Some(refusal) = not_packed {
            write!(f, "\nShort runs were left as they are: {} [{}].", told(refusal), refusal.code())?;
            write!(f, " `counterfoil store pack` joins them.")?;
        }
        Ok(())
    }
}
