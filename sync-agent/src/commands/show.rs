//! `show`.

use std::path::PathBuf;

use clap::Args;
use ledger::inspect;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use super::files;
use crate::cli::Context;

/// Show in words what a file says.
///
/// Reads what leaves the device and what comes to it: activation requests, usage reports, licence files, packs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil-agent show usage.cfbundle
  counterfoil-agent show request.cfgrant --json")]
pub(crate) struct ShowArgs {
    /// The file; `-` is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(crate) fn run(args: &ShowArgs, context: &Context) -> Result<Exit, Refusal> {
    let bytes = files::read(&args.file)?;
    let shown = inspect::inspect(&bytes).map_err(|refusal| refusal.at(args.file.display()))?;
    context.output.result(&shown)?;
    Ok(Exit::Done)
}
