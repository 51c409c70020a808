//! `counterfoil audit`

pub(crate) mod history;
pub(crate) mod usage;
pub(crate) mod verify;

use clap::Subcommand;

/// See what was granted and used, and prove it
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    History(history::AuditHistoryArgs),
    Usage(usage::AuditUsageArgs),
    Verify(verify::AuditVerifyArgs),
}
