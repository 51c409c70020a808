//! `sync`.

use std::fmt;

use clap::Args;
use counterfoil_sync_agent::{HttpTransport, Synced, sync};
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use serde::Serialize;

use super::apply::write_outcome;
use super::server::ServerArgs;
use crate::cli::Context;

/// Report to the vendor's server and apply the answer.
///
/// Sends all that the vendor is not known to have, a part at a time, and applies each answer before the next part. Cut
/// anywhere, it goes on from there when it is run again: nothing is lost and nothing counts twice. With nothing to report it
/// fetches the newest licence file. Other commands work beside it while it waits for the network.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil-agent sync
  counterfoil-agent sync --server https://licences.example.com
  counterfoil-agent sync --server https://10.0.0.7:8443 --server-ca ca.pem")]
pub(crate) struct SyncArgs {
    #[command(flatten)]
    server: ServerArgs,
}

/// What a sync came to, as every command tells it.
#[derive(Serialize)]
pub(crate) struct Told(pub(crate) Synced);

pub(crate) fn run(args: &SyncArgs, context: &Context) -> Result<Exit, Refusal> {
    context.activated()?;
    let transport = HttpTransport::new(&args.server.find(context)?)?;
    context.output.result(&Told(sync(&context.config()?, &transport)?))?;
    Ok(Exit::Done)
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Synced { state, why, parts, events, changes, .. } = &self.0;
        write_outcome(f, *state, *why, changes)?;
        write!(f, "\n{} acknowledged, {} sent", counted(*events, "event"), counted(*parts, "part"))
    }
}

pub(crate) fn counted(n: u64, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}
