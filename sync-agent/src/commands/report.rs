//! `report`.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use counterfoil_sync_agent::{State, Status, Usefulness};
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use schemas::typed::Day;
use serde::Serialize;

use super::code::{self, PictureArgs};
use super::files;
use super::status::Use;
use crate::cli::Context;
use crate::output::{Fields, talk};

/// Write a usage report for the vendor.
///
/// It holds all that the vendor is not known to have. Writing it changes nothing, works beside a running agent, and
/// can be repeated. With `--all` it holds the whole record from its first event, as far as it is kept, whatever was
/// acknowledged: for a vendor that restored an older ledger, and where a licence file is refused as too late again and
/// again.
///
/// With `--when-useful` it is written only if the vendor has a use for it now: 1,000 events or more wait, the check-in
/// deadline is near, or somebody waits for what it says, such as an activation request, a deactivation or quota that was
/// given back. Otherwise nothing is written, and the answer says what is waited for. That is for a job that runs every night.
///
/// Where no file may come or go, `--code` shows a return code: what was used of each metered feature in its present period, or
/// with `--day` in the periods that hold that day. The answer is an unlock code with new dates, so it is also how to ask for a
/// longer validity or another policy.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil-agent report -o usage.cfbundle
  counterfoil-agent report --all -o everything.cfbundle
  counterfoil-agent report --when-useful -o outbox/usage.cfbundle
  counterfoil-agent report -o - --armor | mail vendor@example.com
  counterfoil-agent report --code
  counterfoil-agent report --code --day 2026-10-31")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct ReportArgs {
    /// Write the report to this file; `-` is stdout
    #[arg(short, long, value_name = "FILE", required_unless_present = "code", conflicts_with = "code")]
    output: Option<PathBuf>,
    /// Show the report as a code that a person types
    #[arg(long, conflicts_with_all = ["all", "when_useful", "armor"])]
    code: bool,
    /// Report the periods that hold this day, such as 2026-10-31
    #[arg(long, value_name = "DATE", requires = "code", value_parser = code::day)]
    day: Option<Day>,
    #[command(flatten)]
    picture: PictureArgs,
    /// Report the whole record, what the vendor acknowledged too
    #[arg(long)]
    all: bool,
    /// Write it only if the vendor has a use for it now
    #[arg(long, conflicts_with = "all")]
    when_useful: bool,
    /// Write it as text that survives mail
    #[arg(long)]
    armor: bool,
}

#[derive(Serialize)]
struct Written {
    /// The report; nothing where it was asked for only if it is of use, and is not.
    file: Option<String>,
    chain: Option<String>,
    state: &'static str,
    license_id: Option<String>,
    /// Events of the present record that the report holds beyond those that the vendor is known to have, or of all.
    events: u64,
    unacknowledged: u64,
    report: Option<Usefulness>,
}

pub(crate) fn run(args: &ReportArgs, context: &Context) -> Result<Exit, Refusal> {
    match &args.output {
        Some(output) => by_file(output, args, context),
        None => by_code(args, context),
    }
}

fn by_code(args: &ReportArgs, context: &Context) -> Result<Exit, Refusal> {
    let agent = context.agent()?;
    let code = agent.report_by_code(args.day)?;
    let status = agent.status()?;
    let next = if status.state == State::Deactivated && args.day.is_some() {
        "Give it to the vendor. Its answer need not be typed here."
    } else {
        "Have it answered, then run `counterfoil-agent apply --code`."
    };
    args.picture.show("return code", &code, &status, next, context)
}

fn by_file(output: &Path, args: &ReportArgs, context: &Context) -> Result<Exit, Refusal> {
    let reader = context.reader()?;
    if args.when_useful && reader.status().report.is_some_and(|report| !report.useful) {
        let not_written = Written::of(None, 0, reader.status());
        if files::is_standard(output) {
            talk(&not_written);
            return Ok(Exit::Done);
        }
        context.output.result(&not_written)?;
        return Ok(Exit::Done);
    }
    let report = if args.all { reader.report_all() } else { reader.report() };
    files::write_bundle(output, &report?, args.armor)?;
    if files::is_standard(output) {
        return Ok(Exit::Done);
    }
    let status = reader.status();
    let events = if args.all { status.events.0 } else { status.unacknowledged };
    context.output.result(&Written::of(Some(output.display().to_string()), events, status))?;
    if !context.output.is_json() {
        talk(&"Give the report to the vendor, then run `counterfoil-agent apply` on the answer.");
    }
    Ok(Exit::Done)
}

impl Written {
    fn of(file: Option<String>, events: u64, status: Status) -> Self {
        Self {
            file,
            chain: status.chain.map(|chain| chain.to_string()),
            state: status.state.word(),
            license_id: status.license_id,
            events,
            unacknowledged: status.unacknowledged,
            report: status.report,
        }
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(file) = &self.file else {
            write!(f, "no report was written")?;
            return self.report.map_or(Ok(()), |report| write!(f, ": {}", Use(report)));
        };
        Fields::default()
            .with("report", file)
            .with("events", self.events)
            .with_some("chain", self.chain.as_ref())
            .fmt(f)
    }
}
