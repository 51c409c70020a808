//! `counterfoil webhook remove`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::ids::HookId;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;

/// Take an endpoint away with all messages to it; nothing is sent to it any more
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil webhook remove 019ab0c5-6f1d-7d0a-8c33-2f1f0e9b7a10")]
pub(crate) struct WebhookRemoveArgs {
    /// The endpoint, as `webhook list` shows it
    #[arg(value_name = "ID")]
    id: HookId,
}

impl WebhookRemoveArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let hook = context.vendor()?.remove_webhook(&self.id)?;
        context.output.result(&Removed { webhook_id: hook.id, url: hook.url })?;
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct Removed {
    webhook_id: HookId,
    url: String,
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "removed {}", self.url)
    }
}
