//! `counterfoil export usage`

use std::path::PathBuf;

use clap::Args;

use super::ExportFormat;
use crate::commands::filter::UsageFilterOptions;

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
