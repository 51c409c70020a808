//! `counterfoil merge`

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;
use crate::merging::{self, MergeReport, Merged, Source};
use crate::output::Table;
use crate::progress::Progress;

/// Take in bundles from devices, in any order, any number of times
///
/// Archives (.tar, .tar.zst, .zip) are taken as folders. What is refused waits in quarantine with its code and the rest
/// goes in; the exit code is then 6.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil merge request.cfbundle --answers out/
  counterfoil merge inbox/ --answers outbox/ --jobs 4
  counterfoil merge 2026-11.tar.zst --answers outbox/    # answers in outbox/2026-11/")]
pub(crate) struct MergeArgs {
    /// Bundles, folders of them, or archives of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Write the answers here: `F/a/X.cfbundle` of a folder F is answered in `a/X.cfgrant`, a file in `X.cfgrant`, and
    /// `a/X.cfbundle` of an archive R.tar in `R/a/X.cfgrant`
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
        let files = count(&sources);
        let progress = Progress::of_bytes("merging", sources.iter().map(|source| source.size).sum());
        let report = merging::merge(&mut vendor, &sources, jobs, &mut |merged| {
            progress.reach(merged.bytes, |took| how_far(merged, files, took));
        });
        let took = progress.took();
        progress.finish();
        let report = Done { report: report?, seconds: in_milliseconds(took) };
        context.output.result(&report)?;
        Ok(report.report.exit())
    }
}

/// How many files there are to merge; nobody knows what archives hold.
fn count(sources: &[Source]) -> Option<u64> {
    let has_archives = sources.iter().any(|source| source.archive.is_some());
    (!has_archives).then_some(sources.len() as u64)
}

/// What was merged after a while, and how fast: in new events, or in files where those are more.
fn how_far(merged: Merged, of_files: Option<u64>, took: Duration) -> String {
    let Merged { files, events, .. } = merged;
    let of = of_files.map_or_else(String::new, |all| format!(" of {all}"));
    let a_second = |count: u64| u128::from(count) * 1_000 / took.as_millis().max(1);
    let (rate, unit) =
        if events >= files { (a_second(events), "events") } else { (a_second(files), "files") };
    format!("{files}{of} files, {events} new events, {rate} {unit}/s")
}

fn in_milliseconds(took: Duration) -> f64 {
    Duration::from_millis(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)).as_secs_f64()
}

/// A merge that is done, and how long it took.
#[derive(Debug, Serialize)]
struct Done {
    #[serde(flatten)]
    report: MergeReport,
    seconds: f64,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_of_whatever_there_is_more_of() {
        let merged = |files, events| Merged { files, events, bytes: 0 };
        let two_seconds = Duration::from_secs(2);
        assert_eq!(
            how_far(merged(3, 600), Some(10), two_seconds),
            "3 of 10 files, 600 new events, 300 events/s"
        );
        assert_eq!(how_far(merged(30, 2), None, two_seconds), "30 files, 2 new events, 15 files/s");
        assert_eq!(how_far(merged(0, 0), None, Duration::ZERO), "0 files, 0 new events, 0 events/s");
    }

    #[test]
    fn times_are_told_to_the_millisecond() {
        assert_eq!(in_milliseconds(Duration::from_micros(1_234_567)).to_string(), "1.234");
    }
}
