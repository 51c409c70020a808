//! `counterfoil digest`

use clap::Args;

/// Print the evidence digest: equal for equal evidence, whatever the order or the machine
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil digest
  counterfoil digest --json")]
pub(crate) struct DigestArgs {}
