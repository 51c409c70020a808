//! `counterfoil demo`

use std::path::PathBuf;

use clap::Args;

/// Play the whole story: activations, usage, a copied device, and what is found
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil demo
  counterfoil demo --dir demo")]
pub(crate) struct DemoArgs {
    /// Play it here and keep it [default: a temporary directory]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}
