//! `counterfoil audit forks`

use std::fmt;

use clap::Args;
use ledger::forks::Verdict;
use schemas::codes::Exit;
use schemas::ids::{ChainId, LicenseId};
use schemas::numbers::{Micros, Seq};
use schemas::refusal::Refusal;
use schemas::terms::OnFork;
use serde::Serialize;

use crate::cli::Context;
use crate::commands::words;
use crate::output::Table;
use crate::store::ForkRow;

/// List the device chains that were continued twice: copied, or set back to an older state
///
/// The verdict is what the histories themselves tell: `restored` when one ended before the other began, `clone` when
/// both were at work at a time, `unknown` when it cannot be told.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil audit forks
  counterfoil audit forks --license 01a20d53-3d26-72cd-9e59-5a0d0cf04e7a
  counterfoil audit proof FORK -o fork.cfbundle")]
pub(crate) struct AuditForksArgs {
    /// Only those of this licence
    #[arg(long, value_name = "LICENSE")]
    license: Option<String>,
}

impl AuditForksArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let wanted = self.license.map(|license| vendor.find_license(&license)).transpose()?;
        let forks = vendor.store.forks()?.into_iter();
        let of_license = forks.filter(|fork| wanted.as_ref().is_none_or(|wanted| wanted.id == fork.license));
        context.output.result(&Forks { forks: of_license.map(Shown::of).collect() })?;
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct Forks {
    forks: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    /// The beginning of the chain's name: a chain's partings are one fork.
    fork: String,
    license_id: LicenseId,
    chain: ChainId,
    /// The earliest place that is known at which the histories part.
    seq: Seq,
    verdict: Verdict,
    /// Histories that are attached.
    branches: u64,
    /// Nothing where no proof is short enough to be recorded.
    found_at: Option<Micros>,
    /// What follows from it by the terms of the licence.
    policy: OnFork,
}

impl Shown {
    fn of(fork: ForkRow) -> Self {
        Self {
            fork: words::short(&fork.chain),
            license_id: fork.license,
            chain: fork.chain,
            seq: fork.seq,
            verdict: fork.verdict.unwrap_or(Verdict::Unknown),
            branches: fork.branches,
            found_at: fork.at,
            policy: fork.on_fork,
        }
    }
}

impl fmt::Display for Forks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.forks.is_empty() {
            return write!(f, "no chain has forked");
        }
        let mut table =
            Table::new(&["FORK", "LICENCE", "EVENT", "VERDICT", "HISTORIES", "POLICY", "FOUND AT"]);
        for fork in &self.forks {
            table.row([
                fork.fork.clone(),
                fork.license_id.uuid().to_string(),
                fork.seq.to_string(),
                fork.verdict.word().to_owned(),
                fork.branches.to_string(),
                fork.policy.to_string(),
                words::or(fork.found_at.map(words::second), "without a short proof"),
            ]);
        }
        write!(f, "{table}")
    }
}
