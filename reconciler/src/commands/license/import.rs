//! `counterfoil license import`

use std::path::PathBuf;

use clap::Args;

/// Issue a licence for every line of a CSV file
///
/// The first line names the columns: `policy` and `customer`, and any option of `license issue` without its hyphens in
/// front, such as `valid` or `max-activations`; several values of one, such as of `quota`, are separated by `;`. Either
/// every line is issued or, when one is not valid, none.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil license import licences.csv
  counterfoil license import licences.csv --json > issued.json")]
pub(crate) struct LicenseImportArgs {
    /// The CSV file, UTF-8, with a line of headings; `-` reads the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}
