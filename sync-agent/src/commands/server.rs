//! Options that say where the vendor's server is.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use counterfoil_sync_agent::Server;
use counterfoil_sync_agent::server::{Trust, parse_pin};
use schemas::codes::Code;
use schemas::ids::Digest;
use schemas::refusal::Refusal;

use super::files;
use crate::cli::Context;

/// Where the vendor's server is, and by what it is known. What is not given is taken from the environment, then from what the
/// activation named, then from the product pack.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    #[arg(
        long,
        value_name = "URL",
        help = "The vendor's server, such as https://licences.example.com [env: COUNTERFOIL_SERVER]"
    )]
    pub(crate) server: Option<String>,
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "server_pin",
        help = "Know the server by an authority of your own: certificates in PEM form [env: COUNTERFOIL_SERVER_CA]"
    )]
    server_ca: Option<PathBuf>,
    #[arg(
        long,
        value_name = "HEX",
        help = "Know the server by the SHA-256 of its certificate, whoever signed it [env: COUNTERFOIL_SERVER_PIN]"
    )]
    server_pin: Option<String>,
    /// Allow `http://` to another machine: anybody on the way can read what is reported
    #[arg(long)]
    insecure_http: bool,
}

impl ServerArgs {
    /// Whether the command line or the environment names a server.
    pub(crate) fn is_named(&self) -> bool {
        self.named().is_some()
    }

    /// The server that is meant.
    pub(crate) fn find(&self, context: &Context) -> Result<Server, Refusal> {
        let remembered = Server::recall(context.state())?;
        let url = match (self.named(), &remembered) {
            (Some(url), _) => url,
            (None, Some(server)) => server.url().to_owned(),
            (None, None) => context.reader()?.portal().ok_or(Code::ServerMissing)?.to_owned(),
        };
        // What was said of another server says nothing of this one.
        let remembered = remembered.filter(|server| server.url() == url.trim().trim_end_matches('/'));
        let trust = match self.trust()? {
            Some(trust) => trust,
            None => remembered.as_ref().map(|server| server.trust().clone()).unwrap_or_default(),
        };
        let allowed = remembered.is_some_and(|server| server.allows_insecure_http());
        Server::new(&url, trust, self.insecure_http || allowed)
    }

    fn named(&self) -> Option<String> {
        self.server.clone().or_else(|| from_env("COUNTERFOIL_SERVER")?.into_string().ok())
    }

    fn trust(&self) -> Result<Option<Trust>, Refusal> {
        let (ca, pin) = match (&self.server_ca, &self.server_pin) {
            (None, None) => {
                let pin = from_env("COUNTERFOIL_SERVER_PIN");
                let ca = from_env("COUNTERFOIL_SERVER_CA").filter(|_| pin.is_none());
                (ca.map(PathBuf::from), pin.map(|pin| pin.to_string_lossy().into_owned()))
            }
            (ca, pin) => (ca.clone(), pin.clone()),
        };
        if let Some(pin) = pin {
            return Ok(Some(Trust::Pinned(read_pin(&pin)?)));
        }
        Ok(ca.map(|path| files::read_text(&path)).transpose()?.map(Trust::Authority))
    }
}

fn from_env(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

fn read_pin(text: &str) -> Result<Digest, Refusal> {
    let what = "a server's pin is the SHA-256 of its certificate: 64 hexadecimal digits";
    parse_pin(text).ok_or_else(|| Refusal::new(Code::Usage, what))
}
