//! Options from the cells of a table, or from named values: a name is an option without its hyphens in front.

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
        let values = cells.into_iter().flat_map(|(column, cell)| {
            let values = cell.split(SEPARATOR).map(str::trim).filter(|value| !value.is_empty());
            values.map(move |value| (column, value))
        });
        Self::from_named(values).map_err(|error| {
            let sentence = sentence(&error);
            Refusal::new(
                Code::CsvInvalid,
                match error.kind() {
                    ErrorKind::UnknownArgument => sentence.replace("argument", "column"),
                    _ => sentence,
                },
            )
        })
    }

    /// Reads the options from names and values, one for each that an option has.
    ///
    /// # Errors
    /// `request_invalid` for a name that is no option, and for a value that is not valid.
    pub fn from_values<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Refusal> {
        Self::from_named(values).map_err(|error| Refusal::new(Code::RequestInvalid, sentence(&error)))
    }

    fn from_named<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, clap::Error> {
        let arguments = values.into_iter().map(|(name, value)| format!("--{name}={value}"));
        let command = <Self as clap::Args>::augment_args(clap::Command::new("row").no_binary_name(true))
            .disable_help_flag(true);
        Self::from_arg_matches(&command.try_get_matches_from(arguments)?)
    }
}

fn sentence(error: &clap::Error) -> String {
    let text = error.render().to_string();
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
