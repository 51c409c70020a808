//! `counterfoil activation release`

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use schemas::bundle::{Answer, encode_answers};
use schemas::codes::Exit;
use schemas::container::FileKind;
use schemas::grant::GrantStatus;
use schemas::ids::{ChainId, LicenseId};
use schemas::refusal::Refusal;
use schemas::text::Text;
use serde::Serialize;

use crate::cli::Context;
use crate::commands::files;

/// Take an activation's seat back, for a device that is lost or broken
///
/// The seat is free at once. The device learns it with its next licence file, which can be written here; what it
/// reports is still taken in.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil activation release CHAIN --reason \"disk broken\"
  counterfoil activation release CHAIN -o released.cfgrant")]
pub(crate) struct ActivationReleaseArgs {
    /// The device chain, or enough of its beginning
    #[arg(value_name = "CHAIN")]
    chain: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<Text>,
    /// Write the device's licence file, which tells it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the text form, which survives mail
    #[arg(long, requires = "output")]
    armor: bool,
}

impl ActivationReleaseArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let (license_id, chain) = vendor.find_chain(&self.chain)?;
        let grant = vendor.release(&license_id, chain, self.reason.as_ref().map(Text::as_str))?;
        if let Some(path) = &self.output {
            let answer = [Answer::Grant(Box::new(grant))];
            files::write(path, FileKind::Grants, encode_answers(&answer), self.armor)?;
        }
        if self.output.as_deref() != Some(Path::new("-")) {
            let released = Released { chain, license_id, state: GrantStatus::Released, file: self.output };
            context.output.result(&released)?;
        }
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct Released {
    chain: ChainId,
    license_id: LicenseId,
    state: GrantStatus,
    file: Option<PathBuf>,
}

impl fmt::Display for Released {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "released {} of licence {}", self.chain, self.license_id)?;
        match &self.file {
            Some(file) => write!(f, "; {} tells the device", file.display()),
            None => Ok(()),
        }
    }
}
