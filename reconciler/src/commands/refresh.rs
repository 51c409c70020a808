//! `counterfoil refresh`

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use schemas::bundle::{Answer, encode_answers};
use schemas::codes::Exit;
use schemas::container::FileKind;
use schemas::grant::GrantStatus;
use schemas::ids::{ChainId, LicenseId};
use schemas::numbers::Seq;
use schemas::refusal::Refusal;
use serde::Serialize;

use super::files;
use crate::cli::Context;

/// Write a refresh file for a device that did not ask
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil refresh CHAIN -o refresh.cfgrant")]
pub(crate) struct RefreshArgs {
    /// The device chain, or enough of its beginning
    #[arg(value_name = "CHAIN")]
    chain: String,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Write the text form, which survives mail
    #[arg(long)]
    armor: bool,
}

impl RefreshArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let (license, chain) = vendor.find_chain(&self.chain)?;
        let grant = vendor.refresh(&license, chain)?;
        let license = vendor.find_license(&license.to_string())?;
        let status = license.activations[&chain].status;
        let refreshed =
            Refreshed { chain, license_id: license.id, status, seq: grant.seq, file: self.output };
        let answer = [Answer::Grant(Box::new(grant))];
        files::write(&refreshed.file, FileKind::Grants, encode_answers(&answer), self.armor)?;
        if refreshed.file != Path::new("-") {
            context.output.result(&refreshed)?;
        }
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct Refreshed {
    chain: ChainId,
    license_id: LicenseId,
    status: GrantStatus,
    seq: Seq,
    file: PathBuf,
}

impl fmt::Display for Refreshed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wrote {} for {} ({})", self.file.display(), self.chain, self.status)
    }
}
