//! `counterfoil audit history`

use clap::Args;

/// Tell what happened to a licence, in order of time
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil audit history LICENSE
  counterfoil audit history LICENSE --json")]
pub(crate) struct AuditHistoryArgs {
    /// The licence, by its identifier or key
    #[arg(value_name = "LICENSE")]
    license: String,
}
