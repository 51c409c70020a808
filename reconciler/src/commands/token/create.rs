//! `counterfoil token create`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::event::authority::Role;
use schemas::refusal::Refusal;
use schemas::text::Text;

use crate::cli::Context;
use crate::options::SpanOrNever;
use crate::output::Fields;
use crate::shown::tokens::NewToken;
use crate::shown::words;
use crate::vendor::tokens::VALID;

/// Make a token for an operator; it is shown once
///
/// An auditor may read everything and prove it; an operator may also issue and change licences and take in bundles; an admin
/// may do everything, and make and revoke tokens.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil token create --role operator --name \"Ada, support\"
  counterfoil token create --role auditor --name \"Audit 2027\" --valid 30d --json")]
pub(crate) struct TokenCreateArgs {
    /// What its holder may do: admin, operator or auditor
    #[arg(long, value_name = "ROLE")]
    role: Role,
    /// Who holds it [default: the role]
    #[arg(long, value_name = "NAME")]
    name: Option<Text>,
    /// How long it is of use, such as 90d, or `never` for without end [default: 365d]
    #[arg(long, value_name = "SPAN")]
    valid: Option<SpanOrNever>,
}

impl TokenCreateArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let operator = match self.name {
            Some(name) => name,
            None => Text::new(self.role.word()).expect("the word for a role is short"),
        };
        let valid = self.valid.map_or(Some(VALID), |valid| valid.0);
        let (bearer, token) = context.vendor()?.create_token(&operator, self.role, valid)?;
        context.output.result(&NewToken::of(&bearer, token, operator.to_string(), context.now))?;
        Ok(Exit::Done)
    }
}

impl fmt::Display for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line();
        let fields = Fields::default()
            .with("token", self.reveal())
            .with("name", &line.name)
            .with("operator", words::or(line.operator.as_ref(), ""))
            .with("role", line.role)
            .with("expires at", words::or(line.expires_at, "never"));
        write!(f, "{fields}Keep the token now: it is not shown again.")
    }
}
