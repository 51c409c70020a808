//! `counterfoil export events`

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use super::ExportOptions;
use crate::cli::Context;
use crate::export;

/// Write every event, one a line
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil export events --format jsonl -o events.jsonl")]
pub(crate) struct ExportEventsArgs {
    #[command(flatten)]
    options: ExportOptions,
}

impl ExportEventsArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        self.options.run(context, export::events)
    }
}
