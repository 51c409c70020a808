//! `counterfoil webhook list`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use schemas::webhook::Topic;

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
                wanted(&webhook.on),
                webhook.sign.to_string(),
                webhook.state.to_owned(),
                words::second(webhook.created_at).to_string(),
            ]);
        }
        table.fmt(f)
    }
}

/// What an endpoint wants to be told.
pub(super) fn wanted(on: &[Topic]) -> String {
    if on.is_empty() {
        return "all".to_owned();
    }
    on.iter().map(|topic| topic.word()).collect::<Vec<_>>().join(", ")
}
