//! `counterfoil webhook replay`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::ids::{HookId, MessageId};
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;

/// Have messages sent again, each with the identifier that it has
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil webhook replay 019ab0c5-6f1d-7d0a-8c33-2f1f0e9b7a10
  counterfoil webhook replay --failed
  counterfoil webhook replay --failed --hook 019ab0c5-5d11-7b02-9d6e-0c8a54f0c2aa")]
pub(crate) struct WebhookReplayArgs {
    /// The messages, as `webhook deliveries` shows them
    #[arg(value_name = "ID", required_unless_present = "failed", conflicts_with = "failed")]
    messages: Vec<MessageId>,
    /// All that were given up
    #[arg(long)]
    failed: bool,
    /// Only those to this endpoint
    #[arg(long, value_name = "ID", requires = "failed")]
    hook: Option<HookId>,
}

impl WebhookReplayArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let replayed = if self.failed {
            vendor.replay_failed(self.hook.as_ref())?
        } else {
            for message in &self.messages {
                vendor.replay(message)?;
            }
            self.messages.len() as u64
        };
        context.output.result(&Replayed { replayed })?;
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct Replayed {
    replayed: u64,
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to be sent again: {}", self.replayed)
    }
}
