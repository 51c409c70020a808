//! Files that commands are given and write: `-` is the standard input or output.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use ledger::durable::{self, Access};
use schemas::armor;
use schemas::codes::Code;
use schemas::container::FileKind;
use schemas::limits;
use schemas::refusal::Refusal;

/// Reads a whole file, or the standard input for `-`.
///
/// # Errors
/// `io_failed`; `too_large` beyond the longest file there is.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        read_bounded(io::stdin().lock(), &mut bytes)
    } else {
        fs::File::open(path).and_then(|file| read_bounded(file, &mut bytes))
    };
    match read {
        Ok(()) if bytes.len() as u64 > limits::BUNDLE_BYTES => Err(Refusal::from(Code::TooLarge)),
        Ok(()) => Ok(bytes),
        Err(error) => Err(Refusal::from_error(Code::IoFailed, &error)),
    }
    .map_err(|refusal| refusal.at(path.display()))
}

/// Writes a file of ours, whole or not at all, in its text form where asked for; `-` is the standard output.
///
/// # Errors
/// `io_failed`.
pub(crate) fn write(path: &Path, kind: FileKind, bytes: Vec<u8>, armored: bool) -> Result<(), Refusal> {
    let bytes = if armored { armor::armor(kind, &bytes).into_bytes() } else { bytes };
    let written = if path == Path::new("-") {
        io::stdout().lock().write_all(&bytes)
    } else {
        durable::write(path, &bytes, Access::Shared)
    };
    written.map_err(|error| Refusal::from_error(Code::IoFailed, &error).at(path.display()))
}

fn read_bounded(reader: impl io::Read, bytes: &mut Vec<u8>) -> io::Result<()> {
    reader.take(limits::BUNDLE_BYTES + 1).read_to_end(bytes).map(drop)
}
