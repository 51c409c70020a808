//! `explain`.

use std::fmt;

use clap::Args;
use schemas::codes::{Code, Exit};
use schemas::refusal::Refusal;
use serde::Serialize;

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

#[derive(Serialize)]
struct Explanation {
    code: &'static str,
    title: &'static str,
    meaning: &'static str,
    hint: &'static str,
    exit: u8,
}

#[derive(Serialize)]
struct Explanations {
    codes: Vec<Explanation>,
}

pub(crate) fn run(args: &ExplainArgs, context: &Context) -> Result<Exit, Refusal> {
    match &args.code {
        Some(word) => {
            let code = word.parse().map_err(|_| Refusal::new(Code::CodeUnknown, word.clone()))?;
            context.output.result(&explain(code))?;
        }
        None => context
            .output
            .result(&Explanations { codes: Code::ALL.iter().copied().map(explain).collect() })?,
    }
    Ok(Exit::Done)
}

fn explain(code: Code) -> Explanation {
    let entry = code.entry();
    Explanation {
        code: entry.word,
        title: entry.title,
        meaning: entry.meaning,
        hint: entry.hint,
        exit: code.exit().number(),
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.code, self.title)?;
        writeln!(f, "{}", self.meaning)?;
        write!(f, "{} (exit {})", self.hint, self.exit)
    }
}

impl fmt::Display for Explanations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.codes.iter().try_for_each(|code| writeln!(f, "{:24}  {}", code.code, code.title))
    }
}
