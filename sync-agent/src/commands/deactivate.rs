//! `deactivate`.

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use serde::Serialize;

use super::files;
use crate::cli::Context;
use crate::output::{Fields, talk};

/// Give the licence back on this device.
///
/// Closes the device's record for good and writes the proof for the vendor, with the last usage. It can be written
/// again; the licence works no more on this device until it is activated anew.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil-agent deactivate --file bye.cfbundle")]
pub(crate) struct DeactivateArgs {
    /// Write the deactivation file here; `-` is stdout
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// Write it as text that survives mail
    #[arg(long)]
    armor: bool,
}

#[derive(Serialize)]
struct Deactivated {
    file: String,
    chain: Option<String>,
    state: &'static str,
    license_id: Option<String>,
}

pub(crate) fn run(args: &DeactivateArgs, context: &Context) -> Result<Exit, Refusal> {
    let agent = context.agent()?;
    files::write_bundle(&args.file, &agent.deactivate()?, args.armor)?;
    if files::is_standard(&args.file) {
        return Ok(Exit::Done);
    }
    let status = agent.status()?;
    context.output.result(&Deactivated {
        file: args.file.display().to_string(),
        chain: status.chain.map(|chain| chain.to_string()),
        state: status.state.word(),
        license_id: status.license_id,
    })?;
    if !context.output.is_json() {
        talk(&"Give the file to the vendor: the seat is free when it was taken in.");
    }
    Ok(Exit::Done)
}

impl fmt::Display for Deactivated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Fields::default()
            .with("deactivation", &self.file)
            .with_some("chain", self.chain.as_ref())
            .with("state", self.state)
            .fmt(f)
    }
}
