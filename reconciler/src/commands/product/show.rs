//! `counterfoil product show`

use clap::Args;
use schemas::text::Text;

/// Show a product, its features and its policies
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil product show studio")]
pub(crate) struct ProductShowArgs {
    /// The product
    #[arg(value_name = "ID")]
    product: Text,
}
