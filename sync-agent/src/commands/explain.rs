//! `explain`.

use clap::Args;
use schemas::codes::{Code, Exit, Explanation, Explanations};
use schemas::refusal::Refusal;

use crate::cli::Context;

/// Tell more about a code.
///
/// Every refusal carries a stable code. Without one, all codes are listed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil-agent explain overdue
  counterfoil-agent explain")]
pub(crate) struct ExplainArgs {
    /// The code
    code: Option<String>,
}

pub(crate) fn run(args: &ExplainArgs, context: &Context) -> Result<Exit, Refusal> {
    match &args.code {
        Some(word) => {
            let code = word.parse().map_err(|_| Refusal::new(Code::CodeUnknown, word.clone()))?;
            context.output.result(&Explanation::of(code))?;
        }
        None => context.output.result(&Explanations::all())?,
    }
    Ok(Exit::Done)
}
