//! `counterfoil quarantine list`

use std::fmt;

use clap::Args;
use schemas::codes::{Code, Exit};
use schemas::refusal::Refusal;

use crate::cli::Context;
use crate::commands::filter::LimitOption;
use crate::output::{self, Table};
use crate::shown::quarantine::{QuarantineLine, QuarantineLines};
use crate::shown::words;

/// List what waits in quarantine, with the code that says why
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil quarantine list
  counterfoil quarantine list --code chain_gap --json")]
pub(crate) struct QuarantineListArgs {
    /// Only with this code
    #[arg(long, value_name = "CODE", help_heading = "Filters")]
    code: Option<Code>,
    #[command(flatten)]
    limit: LimitOption,
}

impl QuarantineListArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let entries = context.vendor()?.store.quarantine()?;
        let mut entries: Vec<QuarantineLine> = entries
            .into_iter()
            .filter(|entry| self.code.is_none_or(|code| entry.code == code.word()))
            .map(QuarantineLine::of)
            .collect();
        self.limit.cut(&mut entries);
        if entries.is_empty() {
            output::talk(&"nothing waits in quarantine");
        }
        context.output.result(&QuarantineLines { entries })?;
        Ok(Exit::Done)
    }
}

impl fmt::Display for QuarantineLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["N", "CODE", "CHAIN", "RECEIVED AT", "BYTES", "SOURCE"]);
        for entry in &self.entries {
            table.row([
                entry.id.to_string(),
                entry.code.clone(),
                words::or(entry.chain.as_ref().map(words::short), "unknown"),
                words::second(entry.received_at).to_string(),
                entry.size.to_string(),
                words::printable(&entry.source),
            ]);
        }
        table.fmt(f)
    }
}
