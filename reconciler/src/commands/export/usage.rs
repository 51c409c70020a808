//! `counterfoil export usage`

use std::path::PathBuf;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use super::{ExportFormat, Exported};
use crate::cli::Context;
use crate::commands::filter::UsageFilterOptions;
use crate::export;

/// Write the usage of each device, feature and UTC day, one a line
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil export usage --format csv -o usage.csv
  counterfoil export usage --format jsonl -o - --license LICENSE")]
pub(crate) struct ExportUsageArgs {
    /// The form of the file
    #[arg(long, value_name = "FORM", value_enum, default_value_t)]
    format: ExportFormat,
    /// The file to write; `-` is the standard output
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    #[command(flatten)]
    filter: UsageFilterOptions,
}

impl ExportUsageArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let filter = self.filter.resolve(&mut vendor)?;
        let format = self.format.into();
        Exported::write(context, self.output, |target, progress| {
            export::usage(&mut vendor, &filter, format, target, progress)
        })
    }
}
