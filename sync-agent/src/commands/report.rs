//! `report`.

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use serde::Serialize;

use super::files;
use crate::cli::Context;
use crate::output::{Fields, talk};

/// Write a usage report for the vendor.
///
/// It holds all that the vendor is not known to have. Writing it changes nothing, works beside a running agent, and
/// can be repeated. With `--all` it holds the whole record from its first event, as far as it is kept, whatever was
/// acknowledged: for a vendor that restored an older ledger, and where a licence file is refused as too late again and
/// again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil-agent report -o usage.cfbundle
  counterfoil-agent report --all -o everything.cfbundle
  counterfoil-agent report -o - --armor | mail vendor@example.com")]
pub(crate) struct ReportArgs {
    /// Write the report to this file; `-` is stdout
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Report the whole record, what the vendor acknowledged too
    #[arg(long)]
    all: bool,
    /// Write it as text that survives mail
    #[arg(long)]
    armor: bool,
}

#[derive(Serialize)]
struct Written {
    file: String,
    chain: Option<String>,
    state: &'static str,
    license_id: Option<String>,
    /// Events of the present record that the report holds beyond those that the vendor is known to have, or of all.
    events: u64,
    unacknowledged: u64,
}

pub(crate) fn run(args: &ReportArgs, context: &Context) -> Result<Exit, Refusal> {
    let reader = context.reader()?;
    let report = if args.all { reader.report_all() } else { reader.report() };
    files::write_bundle(&args.output, &report?, args.armor)?;
    if files::is_standard(&args.output) {
        return Ok(Exit::Done);
    }
    let status = reader.status();
    context.output.result(&Written {
        file: args.output.display().to_string(),
        chain: status.chain.map(|chain| chain.to_string()),
        state: status.state.word(),
        license_id: status.license_id,
        events: if args.all { status.events.0 } else { status.unacknowledged },
        unacknowledged: status.unacknowledged,
    })?;
    if !context.output.is_json() {
        talk(&"Give the report to the vendor, then run `counterfoil-agent apply` on the answer.");
    }
    Ok(Exit::Done)
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Fields::default()
            .with("report", &self.file)
            .with("events", self.events)
            .with_some("chain", self.chain.as_ref())
            .fmt(f)
    }
}
