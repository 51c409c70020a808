//! `counterfoil explain`

use clap::Args;
use schemas::codes::{Code, Exit, Explanation, Explanations};
use schemas::refusal::Refusal;

use crate::cli::Context;

/// Tell what a refusal code means and what to do about it
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil explain chain_fork
  counterfoil explain")]
pub(crate) struct ExplainArgs {
    /// The code; without one, all are listed
    code: Option<String>,
}

impl ExplainArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        match self.code {
            Some(word) => {
                let code: Code = word.parse().map_err(|_| Refusal::new(Code::CodeUnknown, word))?;
                context.output.result(&Explanation::of(code))?;
            }
            None => context.output.result(&Explanations::all())?,
        }
        Ok(Exit::Done)
    }
}
