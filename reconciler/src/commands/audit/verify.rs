//! `counterfoil audit verify`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::audit::{self, AuditFault, AuditReport};
use crate::cli::Context;
use crate::output::Table;
use crate::progress::Progress;

/// Check every stored run, and that each table follows from them
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil audit verify
  counterfoil audit verify --deep")]
pub(crate) struct AuditVerifyArgs {
    /// Check every signature, not only the one that each run ends with
    #[arg(long)]
    deep: bool,
}

impl AuditVerifyArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let progress = Progress::start("events checked", None);
        let report = audit::verify(&mut vendor, self.deep, context.config.jobs.value, &mut |events| {
            progress.add(events);
        });
        progress.finish();
        let report = report?;
        context.output.result(&report)?;
        Ok(report.exit())
    }
}

impl fmt::Display for AuditReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_faults(f, "These do not verify:", &self.faults)?;
        write_faults(
            f,
            "These signatures are bad although a later one commits to them:",
            &self.bad_signatures,
        )?;
        write_faults(f, "These codes contradict the chains or each other:", &self.codes)?;
        for mismatch in &self.mismatches {
            writeln!(
                f,
                "The table {} does not follow from the events: {} rows too many, {} missing.",
                mismatch.table, mismatch.unexpected, mismatch.missing
            )?;
        }
        let Self { chains, runs, events, signatures, .. } = self;
        write!(f, "{chains} chains, {runs} runs, {events} events, {signatures} signatures checked: ")?;
        let clean = self.exit() == Exit::Done;
        f.write_str(if clean { "all verify, and every table follows from them" } else { "see above" })
    }
}

fn write_faults(f: &mut fmt::Formatter<'_>, heading: &str, faults: &[AuditFault]) -> fmt::Result {
    if faults.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["LICENCE", "CHAIN", "EVENT", "CODE"]);
    for fault in faults {
        let license = fault.license_id.map_or_else(|| "catalog".to_owned(), |license| license.to_string());
        table.row([license, fault.chain.to_string(), fault.seq.to_string(), fault.code.to_string()]);
    }
    writeln!(f, "{heading}\n{table}")
}
