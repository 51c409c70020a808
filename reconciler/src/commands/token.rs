//! `counterfoil token`

mod create;
mod list;
mod revoke;

use clap::Subcommand;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Context;

/// Tokens for the service's management interface
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    Create(create::TokenCreateArgs),
    List(list::TokenListArgs),
    Revoke(revoke::TokenRevokeArgs),
}

impl TokenCommand {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        match self {
            Self::Create(args) => args.run(context),
            Self::List(args) => args.run(context),
            Self::Revoke(args) => args.run(context),
        }
    }
}
