//! `counterfoil export usage`

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use super::ExportOptions;
use crate::cli::Context;
use crate::export;

/// Write the usage of each device, feature and UTC day, one a line
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil export usage --format csv -o usage.csv
  counterfoil export usage --format jsonl -o - --license LICENSE")]
pub(crate) struct ExportUsageArgs {
    #[command(flatten)]
    options: ExportOptions,
}

impl ExportUsageArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        self.options.run(context, export::usage)
    }
}
