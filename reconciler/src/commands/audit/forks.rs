//! `counterfoil audit forks`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Context;
use crate::output::Table;
use crate::shown::forks::Forks;
use crate::shown::words;

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
        let license = self.license.map(|license| vendor.find_license(&license)).transpose()?;
        let forks = Forks::read(&mut vendor, license.map(|license| license.id).as_ref())?;
        context.output.result(&forks)?;
        Ok(Exit::Done)
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
