//! `counterfoil activation show`

use clap::Args;

/// Show an activation: its device, its grant, its quotas
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil activation show CHAIN")]
pub(crate) struct ActivationShowArgs {
    /// The device chain, or enough of its beginning
    #[arg(value_name = "CHAIN")]
    chain: String,
}
