//! Codes that are typed, at the device's terminal: how they are shown, and how a person types them. What they say is read
//! by the library.

pub(crate) mod qr;
pub(crate) mod typing;

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::Args;
use counterfoil_sync_agent::Status;
use ledger::durable::{self, Access};
use schemas::codes::{Code, Exit};
use schemas::numbers::Micros;
use schemas::refusal::Refusal;
use schemas::typed::{Day, Kind, Lines, TypedCode};
use serde::Serialize;

use crate::cli::Context;
use crate::output::{Fields, talk};

/// How a code is shown beside its symbols.
#[derive(Debug, Args)]
pub(crate) struct PictureArgs {
    /// Write the code as a QR picture to this SVG file as well
    #[arg(long, value_name = "FILE", requires = "code")]
    qr: Option<PathBuf>,
}

impl PictureArgs {
    /// Shows a code with its picture: in a terminal it is drawn.
    pub(crate) fn show(
        &self,
        name: &'static str,
        code: &TypedCode,
        status: &Status,
        next: &str,
        context: &Context,
    ) -> Result<Exit, Refusal> {
        if let Some(path) = &self.qr {
            write_picture(path, &qr::svg(code)?)?;
        }
        let picture = (!context.output.is_json() && io::stdout().is_terminal()).then(|| qr::terminal(code));
        context.output.result(&Shown {
            chain: status.chain.map(|chain| chain.to_string()),
            state: status.state.word(),
            license_id: status.license_id.clone(),
            qr: self.qr.as_deref().map(|path| path.display().to_string()),
            code,
            name,
            picture,
        })?;
        if !context.output.is_json() {
            talk(&next);
        }
        Ok(Exit::Done)
    }
}

/// A code that is shown.
#[derive(Serialize)]
struct Shown<'a> {
    chain: Option<String>,
    state: &'static str,
    license_id: Option<String>,
    qr: Option<String>,
    code: &'a TypedCode,
    #[serde(skip)]
    name: &'static str,
    #[serde(skip)]
    picture: Option<String>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = Fields::default()
            .with_some("chain", self.chain.as_ref())
            .with("state", self.state)
            .with_some("picture", self.qr.as_ref());
        write!(f, "{fields}\n{}:\n\n{}", self.name, Lines(self.code))?;
        self.picture.iter().try_for_each(|picture| write!(f, "\n\n{picture}"))
    }
}

/// The unlock code that was given in one piece or several, or is typed now.
pub(crate) fn unlock_code(words: &[String]) -> Result<TypedCode, Refusal> {
    match words {
        [] if io::stdin().is_terminal() && io::stderr().is_terminal() => typing::read(Kind::Unlock),
        [] => typing::read_plain(Kind::Unlock),
        words => typing::parse(Kind::Unlock, words),
    }
}

/// A day such as `2026-10-31`.
pub(crate) fn day(text: &str) -> Result<Day, String> {
    let instant = Micros::parse(text).and_then(Day::of);
    instant.ok_or_else(|| "expected a day from 2020-01-01 on, such as 2026-10-31".to_owned())
}

fn write_picture(path: &Path, svg: &str) -> Result<(), Refusal> {
    durable::write(path, svg.as_bytes(), Access::Shared)
        .map_err(|error| Refusal::from_error(Code::IoFailed, &error).at(path.display()))
}

/// A code of so many groups, for tests.
#[cfg(test)]
fn sample(kind: Kind, groups: usize) -> TypedCode {
    let mut writer = schemas::typed::BitWriter::new(kind);
    writer.uint(0x9_1a2b, 20);
    (1..groups).for_each(|group| writer.uint(group as u64 * 199_999, 25));
    writer.finish()
}
