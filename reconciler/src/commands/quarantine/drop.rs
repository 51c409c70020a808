//! `counterfoil quarantine drop`

use std::collections::BTreeSet;
use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Context;
use crate::shown::quarantine::Dropped;

/// Delete entries for good
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil quarantine drop 12 --yes")]
pub(crate) struct QuarantineDropArgs {
    /// The entries' numbers
    #[arg(value_name = "N", required = true)]
    ids: Vec<i64>,
}

impl QuarantineDropArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let ids: BTreeSet<i64> = self.ids.into_iter().collect();
        vendor.refuse_unknown_entries(&ids)?;
        let entries = if ids.len() == 1 { "entry" } else { "entries" };
        context.output.confirm(&format!("Delete {} {entries} for good?", ids.len()))?;
        let dropped = vendor.drop_entries(&ids)?;
        context.output.result(&Dropped { dropped })?;
        Ok(Exit::Done)
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<_> = self.dropped.iter().map(ToString::to_string).collect();
        write!(f, "deleted {}", numbers.join(", "))
    }
}
