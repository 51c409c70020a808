//! Codes as they come in: typed by a person with a live check, as text on stdin, or as arguments.
//!
//! What is typed is never corrected: it is right, or its groups are named by number.

mod drawing;
mod keys;
mod line;
mod slip;
mod terminal;

use std::io::{self, IsTerminal as _, Read as _};

use schemas::codes::{Code, Exit};
use schemas::refusal::Refusal;
use schemas::typed::{Kind, ReadError, TypedCode};

use self::drawing::Drawing;
use self::keys::Happened;
use self::line::Line;
use self::terminal::Terminal;
use crate::output::talk;
use schemas::typed::unnumbered;

/// No text that holds one code is longer, whatever stands between its symbols.
const TEXT_BYTES: u64 = 64 * 1024;

/// Asks for a code: a person where stdin and stderr are a terminal, else all of stdin is the code.
///
/// An interrupt ends the program, after the terminal is as it was.
///
/// # Errors
/// The refusals of [`read_plain`], and `io_failed` where the terminal fails.
pub(crate) fn read(kind: Kind) -> Result<TypedCode, Refusal> {
    if !terminal::is_there() {
        return read_plain(kind);
    }
    talk(&format_args!("Type the {kind} code: each group is checked at once. Enter ends the code."));
    match ask(kind) {
        Ok(Some(code)) => Ok(code),
        Ok(None) => interrupted(),
        Err(error) => Err(Refusal::from_error(Code::IoFailed, &error).at("the terminal")),
    }
}

/// Reads all of stdin as one code.
///
/// # Errors
/// Those of [`parse`], and `io_failed`.
pub(crate) fn read_plain(kind: Kind) -> Result<TypedCode, Refusal> {
    if io::stdin().is_terminal() {
        talk(&format_args!("Type the {kind} code, and Ctrl-D on a line of its own to end it."));
    }
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(TEXT_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| Refusal::from_error(Code::IoFailed, &error).at("stdin"))?;
    if bytes.len() as u64 > TEXT_BYTES {
        return Err(Refusal::new(Code::CodeLength, "stdin holds more than any code"));
    }
    // What is no text is no symbol either, and its group is named.
    of_text(kind, &String::from_utf8_lossy(&bytes))
}

/// Reads a code that was given as arguments: in one, group by group, or however it was divided.
///
/// # Errors
/// The code of the first group that is wrong, with all of them by number; `code_kind` for a code of another kind, and
/// `code_length` where there is none.
pub(crate) fn parse(kind: Kind, words: &[String]) -> Result<TypedCode, Refusal> {
    of_text(kind, &words.join(" "))
}

fn of_text(kind: Kind, text: &str) -> Result<TypedCode, Refusal> {
    TypedCode::read(Some(kind), &unnumbered(text, 1)).map_err(|error| refuse(&error))
}

fn refuse(error: &ReadError) -> Refusal {
    Refusal::from_error(error.code(), error)
}

/// Lets a person type; nothing where they want the program to end.
fn ask(kind: Kind) -> io::Result<Option<TypedCode>> {
    let mut terminal = Terminal::open()?;
    let mut line = Line::new(kind);
    loop {
        terminal.draw(&Drawing::of(&line, Terminal::room()))?;
        for happened in Terminal::next()? {
            match happened {
                Happened::Interrupted => return Ok(None),
                Happened::Other => {}
                Happened::Pressed(key) => {
                    if let Some(code) = line.press(&key) {
                        terminal.draw(&Drawing::ended(&line, Terminal::room()))?;
                        return Ok(Some(code));
                    }
                }
            }
        }
    }
}

#[expect(
    clippy::exit,
    reason = "the terminal handed the interrupt over as a key; it ends the program from wherever it asks"
)]
fn interrupted() -> ! {
    std::process::exit(Exit::Interrupted.number().into())
}

#[cfg(test)]
mod tests;
