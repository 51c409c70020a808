//! `counterfoil webhook list`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Context;
use crate::output::{self, Table};
use crate::shown::webhooks::{WebhookLine, Webhooks};
use crate::shown::words;

/// List the endpoints, the earliest first
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil webhook list")]
pub(crate) struct WebhookListArgs {}

impl WebhookListArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let Self {} = self;
        let webhooks: Vec<_> = context.vendor()?.webhooks()?.into_iter().map(WebhookLine::of).collect();
        if webhooks.is_empty() {
            output::talk(&"there are no endpoints");
        }
        context.output.result(&Webhooks { webhooks })?;
        Ok(Exit::Done)
    }
}

impl fmt::Display for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["ENDPOINT", "URL", "ON", "SIGN", "STATE", "CREATED AT"]);
        for webhook in &self.webhooks {
            table.row([
                webhook.webhook_id.to_string(),
                webhook.url.clone(),
                webhook.wanted(),
                webhook.sign.to_string(),
                webhook.state.to_owned(),
                words::second(webhook.created_at).to_string(),
            ]);
        }
        table.fmt(f)
    }
}
