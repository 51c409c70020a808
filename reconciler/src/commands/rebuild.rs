//! `counterfoil rebuild`

use clap::Args;

/// Make every table anew from the signed events
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil rebuild --check
  counterfoil rebuild")]
pub(crate) struct RebuildArgs {
    /// Change nothing: compare with what stands, and end with exit code 6 if it differs
    #[arg(long)]
    check: bool,
}
