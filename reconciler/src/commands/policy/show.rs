//! `counterfoil policy show`

use clap::Args;
use schemas::text::Text;

/// Show a policy in full
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil policy show standard")]
pub(crate) struct PolicyShowArgs {
    /// The policy
    #[arg(value_name = "ID")]
    policy: Text,
}
