//! `counterfoil audit`

pub(crate) mod clocks;
pub(crate) mod forks;
pub(crate) mod history;
pub(crate) mod proof;
pub(crate) mod usage;
pub(crate) mod verify;

use clap::Subcommand;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Context;

/// See what was granted and used, and prove it
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    Clocks(clocks::AuditClocksArgs),
    Forks(forks::AuditForksArgs),
    History(history::AuditHistoryArgs),
    Proof(proof::AuditProofArgs),
    Usage(usage::AuditUsageArgs),
    Verify(verify::AuditVerifyArgs),
}

impl AuditCommand {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        match self {
            Self::Clocks(args) => args.run(context),
            Self::Forks(args) => args.run(context),
            Self::Proof(args) => args.run(context),
            Self::History(args) => args.run(context),
            Self::Usage(args) => args.run(context),
            Self::Verify(args) => args.run(context),
        }
    }
}
