//! `counterfoil license import`

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;
use crate::commands::files;
use crate::output;
use crate::progress::Progress;
use crate::shown::licenses::IssuedLine;
use crate::vendor::sheet::OfLine;

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

impl LicenseImportArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let bytes = files::read(&self.file)?;
        let mut vendor = context.vendor()?;
        let sheet =
            vendor.read_sheet(&bytes, usize::MAX).map_err(|refusal| refusal.at(self.file.display()))?;
        let progress = Progress::start("issuing", Some(sheet.licenses() as u64));
        let mut number = 0_u64;
        vendor.issue_sheet(&sheet, &mut |OfLine { issued, policy, customer }| {
            let issued = IssuedLine::of(&issued, policy, customer.as_str());
            context.output.result(&Row { issued, is_first: number == 0 })?;
            number += 1;
            progress.add(1);
            Ok(())
        })?;
        progress.finish();
        output::talk(&format_args!("licences issued: {number}"));
        Ok(Exit::Done)
    }
}

/// One line of a table that is written while licences are issued.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    issued: IssuedLine,
    /// Whether the headings stand before it.
    #[serde(skip)]
    is_first: bool,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_first {
            writeln!(f, "{:<36}  {:<31}  {:<12}  CUSTOMER", "LICENCE", "LICENCE KEY", "POLICY")?;
        }
        let IssuedLine { license_id, license_key, policy, customer, .. } = &self.issued;
        write!(f, "{license_id:<36}  {license_key:<31}  {policy:<12}  {customer}")
    }
}
