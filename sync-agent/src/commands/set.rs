//! `set`.

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::numbers::Seq;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;

/// Set a variable of this device, such as its site.
///
/// The value travels beside the signed record, so that it can be erased without breaking it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil-agent set site \"plant 7\"")]
pub(crate) struct SetArgs {
    /// The variable's name
    name: String,
    /// Its value
    #[arg(allow_hyphen_values = true)]
    value: String,
}

#[derive(Serialize)]
struct Recorded<'a> {
    name: &'a str,
    seq: Seq,
}

pub(crate) fn run(args: &SetArgs, context: &Context) -> Result<Exit, Refusal> {
    let seq = context.agent()?.set(&args.name, &args.value)?;
    context.output.result(&Recorded { name: &args.name, seq })?;
    Ok(Exit::Done)
}

impl fmt::Display for Recorded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}: {} is set", self.seq, self.name)
    }
}
