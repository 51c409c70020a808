//! `counterfoil quarantine drop`

use std::collections::BTreeSet;
use std::fmt;

use clap::Args;
use schemas::codes::{Code, Exit};
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;

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
        let known: BTreeSet<i64> = vendor.store.quarantine()?.iter().map(|entry| entry.id).collect();
        let wanted: BTreeSet<i64> = self.ids.into_iter().collect();
        if let Some(unknown) = wanted.difference(&known).next() {
            return Err(Refusal::new(Code::QuarantineUnknown, unknown.to_string()));
        }
        let dropped: Vec<i64> = wanted.into_iter().collect();
        let entries = if dropped.len() == 1 { "entry" } else { "entries" };
        context.output.confirm(&format!("Delete {} {entries} for good?", dropped.len()))?;
        vendor.store.drop_from_quarantine(&dropped)?;
        context.output.result(&Dropped { dropped })?;
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct Dropped {
    dropped: Vec<i64>,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<_> = self.dropped.iter().map(ToString::to_string).collect();
        write!(f, "deleted {}", numbers.join(", "))
    }
}
