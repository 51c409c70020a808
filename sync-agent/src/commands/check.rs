//! `check`.

use std::fmt;

use clap::Args;
use counterfoil_sync_agent::Answer;
use schemas::codes::{Code, Exit};
use schemas::numbers::Micros;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;
use crate::output::Fields;

/// Ask whether the licence covers a feature now.
///
/// Exit 0 when it does, also with a warning; 4 when it does not; 5 when the device's store is damaged. Without a
/// feature, it asks for the licence as a whole.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil-agent check render
  counterfoil-agent check export --release-date 2026-11-24
  counterfoil-agent check --json")]
pub(crate) struct CheckArgs {
    /// The feature's name
    feature: Option<String>,
    /// When the running release was made: a date, or RFC 3339
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    release_date: Option<Micros>,
}

#[derive(Serialize)]
struct Checked<'a> {
    allowed: bool,
    code: Code,
    title: &'static str,
    hint: &'static str,
    feature: Option<&'a str>,
    known_since: Option<Micros>,
    next_deadline: Option<Micros>,
    remaining: Option<u64>,
}

pub(crate) fn run(args: &CheckArgs, context: &Context) -> Result<Exit, Refusal> {
    let answer = context.reader()?.check(args.feature.as_deref(), args.release_date);
    let Answer { allowed, code, known_since, next_deadline, remaining, .. } = answer;
    let entry = code.entry();
    context.output.result(&Checked {
        allowed,
        code,
        title: entry.title,
        hint: entry.hint,
        feature: args.feature.as_deref(),
        known_since,
        next_deadline,
        remaining,
    })?;
    Ok(if allowed { Exit::Done } else { code.exit() })
}

/// Reads a date or an instant.
pub(crate) fn parse_date(text: &str) -> Result<Micros, String> {
    Micros::parse(text).ok_or_else(|| "expected a date such as 2026-11-24, or RFC 3339".to_owned())
}

impl Checked<'_> {
    fn words(&self) -> String {
        match (self.allowed, self.code) {
            (true, Code::Allowed | Code::CheckInDue) => self.title.to_owned(),
            (true, _) => format!("allowed for now; {}", self.title),
            (false, _) => format!("not allowed: {}", self.title),
        }
    }
}

impl fmt::Display for Checked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Fields::default()
            .with("answer", self.words())
            .with("code", self.code)
            .with_some("feature", self.feature)
            .with_some("units left", self.remaining)
            .with_some("known since", self.known_since)
            .with_some("next deadline", self.next_deadline)
            .with_some("hint", Some(self.hint).filter(|_| self.code != Code::Allowed))
            .fmt(f)
    }
}
