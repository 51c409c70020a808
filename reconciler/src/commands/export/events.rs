//! `counterfoil export events`

use std::path::PathBuf;

use clap::Args;

use super::ExportFormat;
use crate::commands::filter::UsageFilterOptions;

/// Write every event, one a line
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil export events --format jsonl -o events.jsonl")]
pub(crate) struct ExportEventsArgs {
    /// The form of the file
    #[arg(long, value_name = "FORM", value_enum, default_value_t)]
    format: ExportFormat,
    /// The file to write; `-` is the standard output
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    #[command(flatten)]
    filter: UsageFilterOptions,
}
