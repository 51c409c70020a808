//! `verify`.

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use ledger::inspect;
use ledger::store::StoreVerified;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use serde::Serialize;

use super::files;
use crate::cli::Context;

/// Check every signature of a file, or of this device's own record.
///
/// A file is checked with public keys only; licence files are held against the product pack. Without a file, the
/// device's record is: each link, each signature, and that all sums follow from it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil-agent verify
  counterfoil-agent verify request.cfgrant")]
pub(crate) struct VerifyArgs {
    /// The file; `-` is stdin
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Verified(StoreVerified);

pub(crate) fn run(args: &VerifyArgs, context: &Context) -> Result<Exit, Refusal> {
    let reader = context.reader()?;
    match &args.file {
        None => context.output.result(&Verified(reader.verify()?))?,
        Some(path) => {
            let bytes = files::read(path)?;
            let verified = inspect::verify(&bytes, reader.root().as_ref());
            context.output.result(&verified.map_err(|refusal| refusal.at(path.display()))?)?;
        }
    }
    Ok(Exit::Done)
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StoreVerified { events, attachments, meters } = self.0;
        write!(f, "verified: {events} events, {attachments} attachments, {meters} sums")
    }
}
