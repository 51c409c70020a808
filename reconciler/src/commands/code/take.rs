//! `counterfoil code return`

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use schemas::typed::Kind;

use super::answer::TermsOptions;
use super::answered::{self, Answered};
use crate::cli::Context;

/// Take in a return code, and acknowledge it by an unlock code
///
/// A device shows one after `counterfoil-agent report --code` or `deactivate --code`. What it tells was used counts from now on,
/// and a seat that was given back is free. The unlock code that answers carries new dates; of a device that gave its licence
/// back, it is the receipt. The same code again has the same answer.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil code return G60FNF-22DD0H-…
  counterfoil code return G60FNF 22DD0H … --json")]
pub(crate) struct CodeReturnArgs {
    /// The return code; its groups may be apart
    #[arg(value_name = "CODE", required = true)]
    code: Vec<String>,
    #[command(flatten)]
    terms: TermsOptions,
}

impl CodeReturnArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let code = answered::read(Kind::Return, &self.code)?;
        let answered = context.vendor()?.take_code(&code, self.terms.terms())?;
        context.output.result(&Answered::of(&answered))?;
        Ok(Exit::Done)
    }
}
