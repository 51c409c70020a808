//! What a command says: results on stdout, talk on stderr, a refusal with its code, hint and exit code.
//!
//! A closed stdout (`| head`) ends no command with an error. Colour is kept for terminals and dropped where
//! `NO_COLOR` says so (`anstream`).

use std::fmt::{self, Display};
use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Style};
use comfy_table::{ContentArrangement, presets};
use schemas::codes::{Code, Exit};
use schemas::refusal::Refusal;
use serde::Serialize;

/// How results are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    /// In words and tables.
    Words,
    /// As JSON.
    Json,
}

impl Format {
    /// The format of a word as in `COUNTERFOIL_OUTPUT`.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "words" => Some(Self::Words),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// The word that stands for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Words => "words",
            Self::Json => "json",
        }
    }
}

/// Prints what a command has to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    format: Format,
    /// Whether questions are answered with yes.
    yes: bool,
}

impl Output {
    /// Prints in `format`; `yes` answers every question.
    pub(crate) fn new(format: Format, yes: bool) -> Self {
        Self { format, yes }
    }

    /// Prints a command's result: its words, or itself as one JSON document on one line.
    ///
    /// A command that streams calls this for each of its lines.
    ///
    /// # Errors
    /// `io_failed` when stdout cannot be written, unless it was closed.
    pub(crate) fn result<T: Display + Serialize>(self, value: &T) -> Result<(), Refusal> {
        match self.format {
            Format::Words => print(|out| writeln!(out, "{}", value.to_string().trim_end())),
            Format::Json => print(|out| write_json(out, value)),
        }
    }

    /// Asks before something that cannot be taken back.
    ///
    /// # Errors
    /// `usage` when the answer is no, or when there is no terminal to ask on and `--yes` was not given.
    pub(crate) fn confirm(self, question: &str) -> Result<(), Refusal> {
        if self.yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            return Err(Refusal::new(Code::Usage, format!("{question} Give --yes to answer")));
        }
        talk(&format_args!("{question} [y/N] "));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map_err(|error| Refusal::from_error(Code::IoFailed, &error))?;
        match answer.trim() {
            "y" | "yes" => Ok(()),
            _ => Err(Refusal::new(Code::Usage, "it was not confirmed")),
        }
    }

    /// Tells a refusal, and gives the exit code that it ends the program with.
    pub(crate) fn refuse(self, refusal: &Refusal) -> ExitCode {
        match self.format {
            // Nothing more can be told where stdout itself is what failed.
            Format::Json => drop(print(|out| write_json(out, refusal))),
            Format::Words => talk(&Told(refusal)),
        }
        exit_code(refusal.code().exit())
    }
}

/// The process's exit code.
pub(crate) fn exit_code(exit: Exit) -> ExitCode {
    ExitCode::from(exit.number())
}

/// Says something beside the result, on stderr; where that fails there is no place left to say so.
pub(crate) fn talk(text: &dyn Display) {
    drop(writeln!(anstream::stderr().lock(), "{text}"));
}

/// Rows under headings, without lines; made to be read and to be cut by other programs.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = comfy_table::Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(&self.headings);
        for row in &self.rows {
            table.add_row(row);
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table.lines().try_for_each(|line| writeln!(f, "{}", line.trim_end()))
    }
}

/// Names and values, one a line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Vec<(&'static str, String)>);

impl Fields {
    /// Adds a line.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.0.push((name, value.to_string()));
        self
    }

    /// Adds several lines.
    #[must_use]
    pub(crate) fn with_all(mut self, lines: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        self.0.extend(lines);
        self
    }

    /// The lines as they stand.
    pub(crate) fn into_lines(self) -> Vec<(&'static str, String)> {
        self.0
    }
}

impl Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        self.0.iter().try_for_each(|(name, value)| writeln!(f, "{name:width$}  {value}"))
    }
}

/// A refusal as people read it.
struct Told<'a>(&'a Refusal);

impl Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = AnsiColor::Red.on_default().bold();
        let faint = Style::new().dimmed();
        let code = self.0.code();
        writeln!(f, "{error}error:{error:#} {} {faint}[{code}]{faint:#}", self.0)?;
        write!(f, "{faint}hint:{faint:#} {}", self.0.hint())
    }
}

fn write_json<T: Serialize + ?Sized>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    writeln!(out)
}

/// Writes to stdout; that it was closed is no error.
fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Refusal> {
    let mut out = io::BufWriter::new(anstream::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Refusal::from_error(Code::IoFailed, &error).at("stdout"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_its_columns_apart_and_no_blanks_at_the_end() {
        let mut table = Table::new(&["NAME", "N"]);
        table.row(["render".to_owned(), "5".to_owned()]);
        table.row(["export".to_owned(), String::new()]);
        assert_eq!(table.to_string(), "NAME    N\nrender  5\nexport\n");
    }

    #[test]
    fn every_code_exits_with_the_number_of_its_kind() {
        for (code, exit) in [
            (Code::Allowed, 0),
            (Code::Failed, 1),
            (Code::Usage, 2),
            (Code::HomeMissing, 3),
            (Code::NoSeatFree, 4),
            (Code::Damaged, 5),
            (Code::ProjectionMismatch, 6),
            (Code::Busy, 8),
        ] {
            assert_eq!(exit_code(code.exit()), ExitCode::from(exit), "{code}");
        }
    }

    #[test]
    fn a_refusal_is_told_with_code_and_hint() {
        let told = Told(&Refusal::new(Code::HomeMissing, "here")).to_string();
        assert!(told.contains("[home_missing]"));
        assert!(told.contains(Code::HomeMissing.entry().hint));
    }
}
