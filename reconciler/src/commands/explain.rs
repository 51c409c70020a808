//! `counterfoil explain`

use std::fmt;

use clap::Args;
use schemas::codes::{Code, Exit};
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;
use crate::output::{Fields, Table};

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
                context.output.result(&Explained::of(code))?;
            }
            None => context
                .output
                .result(&All { codes: Code::ALL.iter().copied().map(Explained::of).collect() })?,
        }
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct Explained {
    code: Code,
    title: &'static str,
    meaning: &'static str,
    hint: &'static str,
    exit: u8,
    status: u16,
}

impl Explained {
    fn of(code: Code) -> Self {
        let entry = code.entry();
        Self {
            code,
            title: entry.title,
            meaning: entry.meaning,
            hint: entry.hint,
            exit: code.exit().number(),
            status: code.status(),
        }
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Fields::default()
            .with("code", self.code)
            .with("it says", self.title)
            .with("meaning", self.meaning)
            .with("what to do", self.hint)
            .with("exit code", self.exit)
            .with("HTTP status", self.status)
            .fmt(f)
    }
}

#[derive(Serialize)]
struct All {
    codes: Vec<Explained>,
}

impl fmt::Display for All {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["CODE", "EXIT", "IT SAYS"]);
        for code in &self.codes {
            table.row([code.code.to_string(), code.exit.to_string(), code.title.to_owned()]);
        }
        table.fmt(f)
    }
}
