//! Tokens.

use schemas::event::authority::Role;
use schemas::numbers::Micros;
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::Token;
use crate::vendor::tokens::{Bearer, Named, token_name};

/// A token that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewToken {
    /// What its holder has. It is not shown again.
    token: String,
    #[serde(flatten)]
    line: TokenLine,
}

impl NewToken {
    pub(crate) fn of(bearer: &Bearer, token: Token, operator: String, now: Micros) -> Self {
        let line = TokenLine::of(Named { token, operator: Some(operator) }, now);
        Self { token: bearer.reveal().to_owned(), line }
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.token
    }

    pub(crate) fn line(&self) -> &TokenLine {
        &self.line
    }
}

/// Tokens, the earliest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Tokens {
    pub(crate) tokens: Vec<TokenLine>,
}

/// A token as lists show it.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenLine {
    /// What it is called. This does not let anybody use it.
    pub(crate) name: String,
    /// Who holds it; absent when the name was erased.
    pub(crate) operator: Option<String>,
    /// `admin`, `operator` or `auditor`.
    #[schema(value_type = String)]
    pub(crate) role: Role,
    /// `valid`, `expired` or `revoked`.
    pub(crate) state: &'static str,
    /// When it was made (RFC 3339).
    #[schema(value_type = String)]
    pub(crate) created_at: Micros,
    /// From when on it is of no use; absent: never.
    #[schema(value_type = Option<String>)]
    pub(crate) expires_at: Option<Micros>,
    /// When it was revoked.
    #[schema(value_type = Option<String>)]
    pub(crate) revoked_at: Option<Micros>,
}

impl TokenLine {
    pub(crate) fn of(Named { token, operator }: Named, now: Micros) -> Self {
        Self {
            name: token_name(&token.digest),
            operator,
            role: token.role,
            state: match token.revoked_at {
                Some(_) => "revoked",
                None if token.is_valid(now) => "valid",
                None => "expired",
            },
            created_at: token.created_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
        }
    }
}
