//! `activate`.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use counterfoil_sync_agent::{Agent, HttpTransport, LicenseKey, sync};
use schemas::codes::{Code, Exit};
use schemas::refusal::Refusal;
use serde::Serialize;

use super::code::PictureArgs;
use super::files;
use super::server::ServerArgs;
use super::sync::Told;
use crate::cli::Context;
use crate::output::{Fields, talk};

/// Ask the vendor to activate this device.
///
/// Opens a record for this device and asks for the activation: with `--server` over a connection, which applies the answer too,
/// or with `--request` by a file. Give the file to the vendor and apply the licence file that comes back. Asking again before
/// the answer came asks by the same request again. The server is remembered for `sync`, `run` and `deactivate`.
///
/// Where no file may come or go, `--code` shows a request code, and `apply --code` takes the unlock code that answers it. The
/// application's product pack must hold policies for that.
///
/// With `--trial` it asks for the product's trial, which needs no key. With `--successor`, a device that was set back to
/// an older state, and that a licence file has go on with a new record, asks again for that; the request carries the rest
/// of the old one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil-agent --pack studio.cfpack activate --license-key KEY --server https://licences.example.com
  counterfoil-agent --pack studio.cfpack activate --license-key KEY --request request.cfbundle
  COUNTERFOIL_LICENSE_KEY=KEY counterfoil-agent activate --request - --armor
  counterfoil-agent activate --license-key-file key.txt --request request.cfbundle
  counterfoil-agent --pack studio.cfpack activate --trial --request request.cfbundle
  counterfoil-agent --pack studio.cfpack activate --license-key KEY --code
  counterfoil-agent activate --license-key KEY --code --qr request.svg
  counterfoil-agent activate --successor --request request.cfbundle")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct ActivateArgs {
    /// The licence key
    #[arg(long, value_name = "KEY", env = "COUNTERFOIL_LICENSE_KEY", hide_env_values = true)]
    license_key: Option<String>,
    /// Read the licence key from this file, so that it is not seen on the command line; it goes before the others
    #[arg(long, value_name = "FILE")]
    license_key_file: Option<PathBuf>,
    /// Ask for the product's trial, without a key
    #[arg(long, conflicts_with_all = ["license_key_file", "successor"])]
    trial: bool,
    /// Go on with a new record after this device was set back to an older state
    #[arg(long, conflicts_with_all = ["license_key_file"])]
    successor: bool,
    /// Write the activation request to this file; `-` is stdout
    #[arg(long, value_name = "FILE", conflicts_with_all = ["server", "code"])]
    request: Option<PathBuf>,
    /// Show the request as a code that a person types
    #[arg(long, conflicts_with_all = ["server", "trial", "successor"])]
    code: bool,
    #[command(flatten)]
    picture: PictureArgs,
    /// Write it as text that survives mail
    #[arg(long, requires = "request", conflicts_with = "server")]
    armor: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize)]
struct Activation {
    chain: Option<String>,
    state: &'static str,
    license_id: Option<String>,
    request: String,
}

pub(crate) fn run(args: &ActivateArgs, context: &Context) -> Result<Exit, Refusal> {
    if args.code {
        return by_code(args, context);
    }
    match &args.request {
        Some(path) => by_file(path, args, context),
        None if args.server.is_named() => by_server(args, context),
        None => Err(Refusal::new(Code::Usage, "give --server URL, --request FILE or --code")),
    }
}

fn by_server(args: &ActivateArgs, context: &Context) -> Result<Exit, Refusal> {
    let server = args.server.find(context)?;
    let transport = HttpTransport::new(&server)?;
    let (agent, _) = ask(args, context)?;
    server.remember(context.state())?;
    // The directory is free for others while the answer is waited for.
    drop(agent);
    context.output.result(&Told(sync(&context.config()?, &transport)?))?;
    Ok(Exit::Done)
}

fn by_code(args: &ActivateArgs, context: &Context) -> Result<Exit, Refusal> {
    let key = read_key(args)?;
    let agent = context.new_agent()?;
    let code = agent.activate_by_code(&key)?;
    let next = "Have it answered, with the same licence key, then run `counterfoil-agent apply --code`.";
    args.picture.show("request code", &code, &agent.status()?, next, context)
}

fn by_file(path: &Path, args: &ActivateArgs, context: &Context) -> Result<Exit, Refusal> {
    let (agent, request) = ask(args, context)?;
    files::write_bundle(path, &request, args.armor)?;
    if files::is_standard(path) {
        return Ok(Exit::Done);
    }
    let status = agent.status()?;
    context.output.result(&Activation {
        chain: status.chain.map(|chain| chain.to_string()),
        state: status.state.word(),
        license_id: status.license_id,
        request: path.display().to_string(),
    })?;
    if !context.output.is_json() {
        talk(&"Give the request to the vendor, then run `counterfoil-agent apply` on the answer.");
    }
    Ok(Exit::Done)
}

fn ask(args: &ActivateArgs, context: &Context) -> Result<(Agent, Vec<u8>), Refusal> {
    if args.successor {
        let agent = context.agent()?;
        let request = agent.succeed()?;
        return Ok((agent, request));
    }
    let key = if args.trial { None } else { Some(read_key(args)?) };
    let agent = context.new_agent()?;
    let request = match key {
        Some(key) => agent.activate(&key)?,
        None => agent.activate_trial()?,
    };
    Ok((agent, request))
}

fn read_key(args: &ActivateArgs) -> Result<LicenseKey, Refusal> {
    let typed = match (&args.license_key, &args.license_key_file) {
        (_, Some(path)) => files::read_text(path)?,
        (Some(key), None) => key.clone(),
        (None, None) => {
            let detail = "give --license-key, --license-key-file, COUNTERFOIL_LICENSE_KEY or --trial";
            return Err(Refusal::new(Code::Usage, detail));
        }
    };
    LicenseKey::parse(&typed).map_err(|error| Refusal::from_error(Code::LicenseKeyMistyped, &error))
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Fields::default()
            .with("request", &self.request)
            .with_some("chain", self.chain.as_ref())
            .with("state", self.state)
            .with_some("licence", self.license_id.as_ref())
            .fmt(f)
    }
}
