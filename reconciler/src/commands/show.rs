//! `counterfoil show`

use std::path::PathBuf;

use clap::Args;
use ledger::inspect;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use super::files;
use crate::cli::Context;

/// Print what a bundle, licence file or product pack says, in words
///
/// A file is recognised by its content. What is shown is not thereby believed: see `verify`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil show request.cfbundle
  counterfoil show out/request.cfgrant --json
  cat mail.txt | counterfoil show -")]
pub(crate) struct ShowArgs {
    /// The file, in its binary or its text form; `-` reads the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl ShowArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let bytes = files::read(&self.file)?;
        let inspection = inspect::inspect(&bytes).map_err(|refusal| refusal.at(self.file.display()))?;
        context.output.result(&inspection)?;
        Ok(Exit::Done)
    }
}
