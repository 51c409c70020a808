//! `counterfoil serve`

use std::fmt;
use std::net::SocketAddr;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;
use crate::config::ServeFlags;
use crate::service;

/// Serve the ledger over HTTP: devices exchange bundles for licence files
///
/// Devices need no token; operators do, see `counterfoil token`. It listens on this machine only, unless it encrypts (`--tls-cert`, `--tls-key`) or a proxy in front
/// does (`--behind-proxy`). SIGTERM ends it: what was accepted is answered first.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil serve
  counterfoil serve --listen 0.0.0.0:443 --tls-cert chain.pem --tls-key key.pem
  counterfoil serve --listen 10.0.0.5:8080 --behind-proxy 10.0.0.1
  curl --data-binary @request.cfbundle -H 'content-type: application/vnd.counterfoil.bundle' \\
    http://127.0.0.1:8080/v1/exchange -o request.cfgrant")]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    flags: ServeFlags,
}

impl ServeArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let settings = context.config.serve.clone().or(self.flags).settings()?;
        settings.refuse_insecure()?;
        let brand = context.config.brand.brand()?;
        let vendor = context.vendor()?;
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        service::serve(vendor, &settings, brand, context.config.jobs.value, |listen, setup| {
            let setup_token = setup.map(|bearer| bearer.reveal().to_owned());
            context.output.result(&Serving { listen, url: format!("{scheme}://{listen}"), setup_token })
        })
    }
}

#[derive(Serialize)]
struct Serving {
    listen: SocketAddr,
    url: String,
    /// With this the first token is made, where there is none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    setup_token: Option<String>,
}

impl fmt::Display for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "serving on {}", self.url)?;
        let Some(token) = &self.setup_token else { return Ok(()) };
        write!(
            f,
            "\nThere is no token yet. Make an admin's with `counterfoil token create --role admin`, or once with"
        )?;
        write!(f, "\n  curl {}/v1/tokens -H 'authorization: Bearer {token}' \\", self.url)?;
        write!(
            f,
            "\n    -H 'content-type: application/json' -d '{{\"operator\": \"me\", \"role\": \"admin\"}}'"
        )
    }
}
