//! `counterfoil customer create`

use clap::Args;
use schemas::text::Text;

/// Add a customer
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil customer create \"ACME GmbH\"")]
pub(crate) struct CustomerCreateArgs {
    /// The customer's name
    #[arg(value_name = "NAME")]
    name: Text,
}
