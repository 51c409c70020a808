//! `counterfoil audit history`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Context;
use crate::shown::history::History;

/// Tell what happened to a licence, in order of time
///
/// Single consumptions are left out: see `audit usage` for their sums and `export events` for each of them.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil audit history LICENSE
  counterfoil audit history LICENSE --json")]
pub(crate) struct AuditHistoryArgs {
    /// The licence, by its identifier or key
    #[arg(value_name = "LICENSE")]
    license: String,
}

impl AuditHistoryArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let license = vendor.find_license(&self.license)?;
        context.output.result(&History::read(&mut vendor, &license)?)?;
        Ok(Exit::Done)
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.events.iter().try_for_each(|told| {
            let words = told.says(&self.features);
            let at = told.at.to_string();
            let line = format!("{at:<27}  {:<21}  {:<8}  {}", told.kind, told.who(), words);
            writeln!(f, "{}", line.trim_end())
        })
    }
}
