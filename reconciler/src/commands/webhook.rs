//! `counterfoil webhook`

mod create;
mod deliveries;
mod list;
mod remove;
mod replay;

use clap::Subcommand;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Context;

/// Endpoints that the service tells over HTTPS what happens
#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    Create(create::WebhookCreateArgs),
    List(list::WebhookListArgs),
    Remove(remove::WebhookRemoveArgs),
    Deliveries(deliveries::WebhookDeliveriesArgs),
    Replay(replay::WebhookReplayArgs),
}

impl WebhookCommand {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        match self {
            Self::Create(args) => args.run(context),
            Self::List(args) => args.run(context),
            Self::Remove(args) => args.run(context),
            Self::Deliveries(args) => args.run(context),
            Self::Replay(args) => args.run(context),
        }
    }
}
