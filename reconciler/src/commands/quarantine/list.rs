//! `counterfoil quarantine list`

use clap::Args;
use schemas::codes::Code;

use crate::commands::filter::LimitOption;

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
