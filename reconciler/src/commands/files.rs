//! Files that commands are given: `-` is the standard input.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use schemas::codes::Code;
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

fn read_bounded(reader: impl io::Read, bytes: &mut Vec<u8>) -> io::Result<()> {
    reader.take(limits::BUNDLE_BYTES + 1).read_to_end(bytes).map(drop)
}
