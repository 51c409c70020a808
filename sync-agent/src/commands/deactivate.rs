//! `deactivate`.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use counterfoil_sync_agent::{HttpTransport, sync};
use schemas::codes::{Code, Exit};
use schemas::refusal::Refusal;
use serde::Serialize;

use super::code::PictureArgs;
use super::files;
use super::server::ServerArgs;
use super::sync::Told;
use crate::cli::Context;
use crate::output::{Fields, talk};

/// Give the licence back on this device.
///
/// Closes the device's record for good, and then sends the proof to the vendor's server or writes it to a file, with the last
/// usage. It can be sent or written again; the licence works no more on this device until it is activated anew.
///
/// Where no file may come or go, `--code` shows the proof as a return code. The unlock code that answers it is the receipt.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil-agent deactivate --server https://licences.example.com
  counterfoil-agent deactivate --file bye.cfbundle
  counterfoil-agent deactivate --code")]
pub(crate) struct DeactivateArgs {
    /// Write the deactivation file here; `-` is stdout
    #[arg(long, value_name = "FILE", conflicts_with_all = ["server", "code"])]
    file: Option<PathBuf>,
    /// Show the proof as a code that a person types
    #[arg(long, conflicts_with = "server")]
    code: bool,
    #[command(flatten)]
    picture: PictureArgs,
    /// Write it as text that survives mail
    #[arg(long, requires = "file", conflicts_with = "server")]
    armor: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What a person must know where the vendor could not be told.
const NOT_TOLD: &str = "the licence was given back on this device, and the vendor does not know it yet: run `counterfoil-agent sync`, \
                        or write the proof with `counterfoil-agent deactivate --file FILE`";

#[derive(Serialize)]
struct Deactivated {
    file: String,
    chain: Option<String>,
    state: &'static str,
    license_id: Option<String>,
}

pub(crate) fn run(args: &DeactivateArgs, context: &Context) -> Result<Exit, Refusal> {
    if args.code {
        return by_code(args, context);
    }
    match &args.file {
        Some(path) => by_file(path, args, context),
        None if args.server.is_named() => by_server(args, context),
        None => Err(Refusal::new(Code::Usage, "give --server URL, --file FILE or --code")),
    }
}

fn by_server(args: &DeactivateArgs, context: &Context) -> Result<Exit, Refusal> {
    context.activated()?;
    let transport = HttpTransport::new(&args.server.find(context)?)?;
    // Closed first, and the directory is free again while the vendor is told.
    context.agent()?.deactivate()?;
    let synced = sync(&context.config()?, &transport);
    context.output.result(&Told(synced.map_err(|error| Refusal::from(error).at(NOT_TOLD))?))?;
    Ok(Exit::Done)
}

fn by_code(args: &DeactivateArgs, context: &Context) -> Result<Exit, Refusal> {
    let agent = context.agent()?;
    let code = agent.deactivate_by_code()?;
    let next = "Give it to the vendor: the seat is free when it was taken in.";
    args.picture.show("return code", &code, &agent.status()?, next, context)
}

fn by_file(path: &Path, args: &DeactivateArgs, context: &Context) -> Result<Exit, Refusal> {
    let agent = context.agent()?;
    files::write_bundle(path, &agent.deactivate()?, args.armor)?;
    if files::is_standard(path) {
        return Ok(Exit::Done);
    }
    let status = agent.status()?;
    context.output.result(&Deactivated {
        file: path.display().to_string(),
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
