//! `counterfoil token list`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Context;
use crate::output::{self, Table};
use crate::shown::tokens::{TokenLine, Tokens};
use crate::shown::words;

/// List the tokens, the earliest first
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil token list")]
pub(crate) struct TokenListArgs {}

impl TokenListArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let Self {} = self;
        let tokens = context.vendor()?.tokens()?;
        let tokens: Vec<_> = tokens.into_iter().map(|named| TokenLine::of(named, context.now)).collect();
        if tokens.is_empty() {
            output::talk(&"there are no tokens");
        }
        context.output.result(&Tokens { tokens })?;
        Ok(Exit::Done)
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["NAME", "OPERATOR", "ROLE", "STATE", "CREATED AT", "EXPIRES AT"]);
        for token in &self.tokens {
            table.row([
                token.name.clone(),
                words::or(token.operator.as_ref(), "(erased)"),
                token.role.to_string(),
                token.state.to_owned(),
                words::second(token.created_at).to_string(),
                words::or(token.expires_at.map(words::second), "never"),
            ]);
        }
        table.fmt(f)
    }
}
