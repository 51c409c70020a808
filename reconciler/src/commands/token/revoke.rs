//! `counterfoil token revoke`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::numbers::Micros;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;

/// Make a token useless, at once and for good
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil token revoke 3f0a6c1de29b84c7")]
pub(crate) struct TokenRevokeArgs {
    /// The token's name, as `token list` shows it
    #[arg(value_name = "NAME")]
    name: String,
}

impl TokenRevokeArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let token = context.vendor()?.revoke_token(&self.name)?;
        context.output.result(&Revoked { name: self.name, revoked_at: token.revoked_at })?;
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct Revoked {
    name: String,
    revoked_at: Option<Micros>,
}

impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "revoked {}", self.name)
    }
}
