//! Options from the cells of a table: a column is an option without its hyphens in front.

use clap::{FromArgMatches as _, error::ErrorKind};
use schemas::codes::Code;
use schemas::refusal::Refusal;

use super::PolicyOptions;

/// What separates the values of an option that may be repeated.
const SEPARATOR: char = ';';

impl PolicyOptions {
    /// Reads the options from columns and their cells, such as `valid` and `365d`. An empty cell says nothing.
    ///
    /// # Errors
    /// `csv_invalid` for a column that is no option, and for a cell that is not valid.
    pub fn from_cells<'a>(cells: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Refusal> {
        let arguments = cells.into_iter().flat_map(|(column, cell)| {
            let values = cell.split(SEPARATOR).map(str::trim).filter(|value| !value.is_empty());
            values.map(move |value| format!("--{column}={value}"))
        });
        let command = <Self as clap::Args>::augment_args(clap::Command::new("row").no_binary_name(true))
            .disable_help_flag(true);
        let matches = command.try_get_matches_from(arguments).map_err(|error| refused(&error))?;
        Self::from_arg_matches(&matches).map_err(|error| refused(&error))
    }
}

fn refused(error: &clap::Error) -> Refusal {
    let text = error.render().to_string();
    let sentence = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let sentence = match error.kind() {
        ErrorKind::UnknownArgument => sentence.replace("argument", "column"),
        _ => sentence.to_owned(),
    };
    Refusal::new(Code::CsvInvalid, sentence)
}
