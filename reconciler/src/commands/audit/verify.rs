//! `counterfoil audit verify`

use clap::Args;

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
