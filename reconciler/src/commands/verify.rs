//! `counterfoil verify`

use std::path::PathBuf;

use clap::Args;
use ledger::inspect;
use schemas::codes::{Code, Exit};
use schemas::ids::PublicKey;
use schemas::refusal::Refusal;

use super::files;
use crate::cli::Context;

/// Check every digest, link and signature of a file, offline and with public keys only
///
/// Grants are checked against the root key that is given, else the home's, else the one that their certificate
/// names, and the result says which.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil verify usage.cfbundle
  counterfoil verify out/request.cfgrant --root 3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29")]
pub(crate) struct VerifyArgs {
    /// The file, in its binary or its text form; `-` reads the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The public half of the root key to trust, in hex [default: the home's, where there is one]
    #[arg(long, value_name = "KEY")]
    root: Option<PublicKey>,
}

impl VerifyArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let root = match self.root {
            Some(root) => Some(root),
            None => home_root(context)?,
        };
        let bytes = files::read(&self.file)?;
        let verification =
            inspect::verify(&bytes, root.as_ref()).map_err(|refusal| refusal.at(self.file.display()))?;
        context.output.result(&verification)?;
        Ok(Exit::Done)
    }
}

fn home_root(context: &Context) -> Result<Option<PublicKey>, Refusal> {
    match context.home() {
        Ok(home) => Ok(Some(*home.root_public())),
        Err(refusal) if refusal.code() == Code::HomeMissing => Ok(None),
        Err(refusal) => Err(refusal),
    }
}
