//! What a command says: results on stdout, talk on stderr, a refusal with its code, hint and exit code.
//!
//! A closed stdout (`| head`) ends no command with an error. Colour is kept for terminals and dropped where `NO_COLOR`
//! says so (`anstream`).

use std::fmt::{self, Display};
use std::io::{self, Write};
use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Style};
use schemas::codes::{Code, Exit};
use schemas::refusal::Refusal;
use serde::Serialize;

/// Prints what a command has to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// Prints as JSON, or in words.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether results are JSON.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Prints a result: its words, or itself as one JSON document on one line. A command that streams calls this for
    /// each of its lines.
    pub(crate) fn result<T: Display + Serialize>(self, value: &T) -> Result<(), Refusal> {
        if self.json {
            print(|out| write_json(out, value))
        } else {
            print(|out| writeln!(out, "{}", value.to_string().trim_end()))
        }
    }

    /// Tells a refusal, and gives the exit code that it ends the program with.
    pub(crate) fn refuse(self, refusal: &Refusal) -> ExitCode {
        if self.json {
            // Nothing more can be told where stdout itself is what failed.
            drop(print(|out| write_json(out, refusal)));
        } else {
            talk(&Told(refusal));
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

/// Writes to stdout; that it was closed is no error.
pub(crate) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Refusal> {
    let mut out = io::BufWriter::new(anstream::stdout().lock());
    printed(write(&mut out).and_then(|()| out.flush()))
}

/// Writes a file's bytes to stdout as they are.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<(), Refusal> {
    let mut out = io::stdout().lock();
    printed(out.write_all(bytes).and_then(|()| out.flush()))
}

/// Names and values, one a line; those without a value are left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Adds a line.
    #[must_use]
    pub(crate) fn with(self, name: &str, value: impl Display) -> Self {
        self.with_some(name, Some(value))
    }

    /// Adds a line if there is a value.
    #[must_use]
    pub(crate) fn with_some(mut self, name: &str, value: Option<impl Display>) -> Self {
        self.0.extend(value.map(|value| (name.to_owned(), value.to_string())));
        self
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

fn printed(outcome: io::Result<()>) -> Result<(), Refusal> {
    match outcome {
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
    fn fields_stand_in_columns_and_absent_ones_are_left_out() {
        let fields =
            Fields::default().with("state", "active").with_some("reason", None::<String>).with("n", 5);
        assert_eq!(fields.to_string(), "state  active\nn      5\n");
    }
}
