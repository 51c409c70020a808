//! `counterfoil webhook deliveries`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::ids::HookId;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;
use crate::output::{self, Table};
use crate::shown::webhooks::DeliveryLine;
use crate::shown::words;
use crate::webhooks::DeliveryFilter;

/// List messages to endpoints and what became of them, the latest first
///
/// They are kept for 30 days after they were delivered or given up.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil webhook deliveries
  counterfoil webhook deliveries --failed --limit 20 --json")]
pub(crate) struct WebhookDeliveriesArgs {
    /// Only those that were given up
    #[arg(long, help_heading = "Filters")]
    failed: bool,
    /// Only to this endpoint
    #[arg(long, value_name = "ID", help_heading = "Filters")]
    hook: Option<HookId>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = "Filters")]
    limit: u64,
}

impl WebhookDeliveriesArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let Self { failed, hook, limit } = self;
        let filter = DeliveryFilter { hook, failed, before: None, limit };
        let found = context.vendor()?.store.deliveries(&filter)?;
        let deliveries: Vec<_> = found.into_iter().map(DeliveryLine::of).collect();
        if deliveries.is_empty() {
            output::talk(&"no message matches");
        }
        context.output.result(&Deliveries { deliveries })?;
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct Deliveries {
    deliveries: Vec<DeliveryLine>,
}

impl fmt::Display for Deliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["MESSAGE", "TYPE", "STATE", "ATTEMPTS", "CREATED AT", "NEXT", "ANSWER"]);
        for delivery in &self.deliveries {
            table.row([
                delivery.message_id.to_string(),
                delivery.topic.to_string(),
                delivery.state.to_owned(),
                delivery.attempts.to_string(),
                words::second(delivery.created_at).to_string(),
                words::or(delivery.due_at.map(words::second), ""),
                delivery.answered(),
            ]);
        }
        table.fmt(f)
    }
}
