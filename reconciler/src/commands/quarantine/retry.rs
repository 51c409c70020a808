//! `counterfoil quarantine retry`

use std::collections::BTreeSet;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Context;
use crate::merging;

/// Merge entries again; those that go in leave the quarantine
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil quarantine retry
  counterfoil quarantine retry 12 13")]
pub(crate) struct QuarantineRetryArgs {
    /// The entries' numbers; without any, all
    #[arg(value_name = "N")]
    ids: Vec<i64>,
}

impl QuarantineRetryArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let ids: BTreeSet<i64> = self.ids.iter().copied().collect();
        vendor.refuse_unknown_entries(&ids)?;
        let only = (!ids.is_empty()).then_some(self.ids.as_slice());
        let report = merging::retry_quarantine(&mut vendor, only)?;
        context.output.result(&report)?;
        Ok(report.exit())
    }
}
