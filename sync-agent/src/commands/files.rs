//! Files that commands take and give; `-` is stdin or stdout.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use ledger::durable::{self, Access};
use schemas::armor;
use schemas::codes::Code;
use schemas::container::FileKind;
use schemas::limits;
use schemas::refusal::Refusal;

use crate::output::print_bytes;

/// No licence file and no pack is longer, not even as text.
const SMALL_BYTES: u64 = 16 * 1024 * 1024;

/// Reads a file of any kind, or stdin.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Refusal> {
    read_at_most(path, limits::BUNDLE_BYTES)
}

/// Reads a licence file or a product pack, or stdin.
pub(crate) fn read_small(path: &Path) -> Result<Vec<u8>, Refusal> {
    read_at_most(path, SMALL_BYTES)
}

/// Reads a short text file without the white space around it.
pub(crate) fn read_text(path: &Path) -> Result<String, Refusal> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|error| Refusal::from_error(Code::IoFailed, &error).at(path.display()))?;
    Ok(text.trim().to_owned())
}

/// Writes a bundle durably, or to stdout.
pub(crate) fn write_bundle(path: &Path, bytes: &[u8], armored: bool) -> Result<(), Refusal> {
    let text;
    let bytes = if armored {
        text = armor::armor(FileKind::Bundle, bytes);
        text.as_bytes()
    } else {
        bytes
    };
    if is_standard(path) {
        return print_bytes(bytes);
    }
    durable::write(path, bytes, Access::Shared)
        .map_err(|error| Refusal::from_error(Code::IoFailed, &error).at(path.display()))
}

/// Whether a path stands for stdin or stdout.
pub(crate) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn read_at_most(path: &Path, most: u64) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let read = if is_standard(path) {
        io::stdin().lock().take(most + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| Refusal::from_error(Code::IoFailed, &error).at(path.display()))?;
    if bytes.len() as u64 > most {
        return Err(Refusal::new(Code::TooLarge, path.display().to_string()));
    }
    Ok(bytes)
}
