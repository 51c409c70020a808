//! The terminal on which a code is typed: keys come from it one by one while nothing echoes them, and it is given back as
//! it was, however that ends.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use crossterm::cursor::{MoveDown, MoveToColumn, MoveUp};
use crossterm::event::{self, DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{self, Clear, ClearType};
use crossterm::{execute, queue};

use super::drawing::{Drawing, Room};
use super::keys::{self, Happened};

/// Whether there is somebody to ask, on a terminal that can be drawn on.
pub(super) fn is_there() -> bool {
    let is_dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
    io::stdin().is_terminal() && io::stderr().is_terminal() && !is_dumb
}

/// The terminal, as long as it hands over every key.
#[derive(Debug)]
pub(super) struct Terminal {
    /// The row of the drawing in which the cursor stands.
    row: usize,
    /// Rows of the drawing below it.
    below: usize,
    has_colour: bool,
}

impl Terminal {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub(super) fn open() -> io::Result<Self> {
        signals::watch()?;
        terminal::enable_raw_mode()?;
        let has_colour = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
        let terminal = Self { row: 0, below: 0, has_colour };
        // Where it is not known, what is pasted is told by its speed.
        drop(execute!(io::stderr(), EnableBracketedPaste));
        Ok(terminal)
    }

    /// The room that there is; a terminal that does not say has the usual one.
    pub(super) fn room() -> Room {
        let or = |number: u16, usual| if number == 0 { usual } else { usize::from(number) };
        let (width, height) =
            terminal_size::terminal_size().map_or((0, 0), |(width, height)| (width.0, height.0));
        Room { columns: or(width, 80), rows: or(height, 24) }
    }

    /// Waits for what happens next: all that happened meanwhile, in order.
    pub(super) fn next() -> io::Result<Vec<Happened>> {
        let mut happened = vec![Happened::of(event::read()?)];
        while event::poll(Duration::ZERO)? {
            happened.push(Happened::of(event::read()?));
        }
        Ok(keys::together(&happened))
    }

    /// Draws over what was drawn before.
    pub(super) fn draw(&mut self, drawing: &Drawing) -> io::Result<()> {
        // In one piece, so that nothing flickers.
        let mut out = io::BufWriter::new(io::stderr().lock());
        up(&mut out, self.row)?;
        queue!(out, MoveToColumn(0), Clear(ClearType::FromCursorDown))?;
        let text = drawing.lines.join("\r\n");
        let text = if self.has_colour { text } else { strip_str(&text).to_string() };
        write!(out, "{text}")?;
        self.row = drawing.row;
        self.below = drawing.lines.len().saturating_sub(drawing.row + 1);
        up(&mut out, self.below)?;
        queue!(out, MoveToColumn(number(drawing.column)))?;
        out.flush()
    }
}

impl Drop for Terminal {
    /// Leaves the drawing, and the terminal as it was.
    fn drop(&mut self) {
        let mut out = io::stderr().lock();
        // `MoveDown(0)` moves by one.
        if self.below > 0 {
            drop(queue!(out, MoveDown(number(self.below))));
        }
        drop(write!(out, "\r\n"));
        drop(out);
        give_back();
    }
}

fn give_back() {
    if terminal::is_raw_mode_enabled().unwrap_or(false) {
        // Where it fails, the terminal is gone.
        drop(execute!(io::stderr(), DisableBracketedPaste));
        drop(terminal::disable_raw_mode());
    }
}

fn up(out: &mut impl io::Write, rows: usize) -> io::Result<()> {
    // `MoveUp(0)` moves by one.
    if rows > 0 { queue!(out, MoveUp(number(rows))) } else { Ok(()) }
}

fn number(of: usize) -> u16 {
    u16::try_from(of).unwrap_or(u16::MAX)
}

/// Signals that end the program while the terminal is not as it was.
mod signals {
    use std::io;

    /// From now on the terminal is given back before the program ends by a signal.
    #[cfg(unix)]
    pub(super) fn watch() -> io::Result<()> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
        use signal_hook::iterator::Signals;

        let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])?;
        // It stays for as long as the program runs: a signal that was watched once is not the system's again.
        std::thread::spawn(move || {
            for signal in signals.forever() {
                super::give_back();
                drop(signal_hook::low_level::emulate_default_handler(signal));
            }
        });
        Ok(())
    }

    /// Elsewhere the system gives the terminal back.
    #[cfg(not(unix))]
    pub(super) fn watch() -> io::Result<()> {
        Ok(())
    }
}
