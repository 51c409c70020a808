//! Archives of bundles: `.tar`, `.tar.zst` and `.zip`, recognised by their first bytes and read as if they were folders.
//!
//! Nothing of an archive is believed: no path in it is written to but the answers below their own folder, no link is
//! followed, no archive inside it is opened. Entries come one after the other as they stand, so that memory does not grow
//! with the archive.

mod admission;
mod content;
mod meter;
mod tarred;
mod zipped;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use schemas::codes::Code;
use schemas::refusal::Refusal;

use self::admission::Admission;
pub(super) use self::content::Content;
use self::meter::Meter;
use super::paths::Source;

/// Most entries of one archive, folders included: some times what a vendor collects in a year, and what is remembered of
/// their names stays within 100 MB.
const ENTRIES: u64 = 1_000_000;
/// Most bytes that one archive unpacks to: a million bundles of a quarter of a megabyte, and hours of work.
const UNPACKED_BYTES: u64 = 256 * 1024 * 1024 * 1024;
/// Most bytes that an archive unpacks to for each of its own: bundles hardly shrink, the same bundle many times does.
const RATIO: u64 = 100;
/// What any archive may unpack to, so that small ones need not answer for their ratio.
const FREE_BYTES: u64 = 64 * 1024 * 1024;

/// How an archive is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// POSIX `ustar` and what GNU tar makes of it.
    Tar,
    /// The same, compressed by Zstandard (RFC 8878).
    TarZstd,
    /// ZIP, stored or deflated (APPNOTE 6.3).
    Zip,
}

/// Bytes by which an archive is recognised: up to the end of the magic in a tar header.
const HEAD_BYTES: u64 = 263;
/// Where the magic stands in a tar header.
const USTAR_AT: usize = 257;

impl Format {
    /// Recognises an archive by its first bytes; a name is never looked at.
    pub fn recognise(head: &[u8]) -> Option<Self> {
        match head {
            // A file's header, or the end of an empty directory.
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Self::Zip),
            // A frame, or one that is to be skipped, as parallel compressors write first.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::TarZstd),
            _ if head.get(USTAR_AT..).is_some_and(|magic| magic.starts_with(b"ustar")) => Some(Self::Tar),
            _ => None,
        }
    }

    /// The format of the file at `path`; none where it is no archive or cannot be read.
    pub fn of(path: &Path) -> Option<Self> {
        let mut head = Vec::new();
        File::open(path).ok()?.take(HEAD_BYTES).read_to_end(&mut head).ok()?;
        Self::recognise(&head)
    }
}

/// The path of an archive without its ending: the folder in which its entries are answered.
pub(super) fn stem(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let without = |ending: &str| {
        let at = name.len().checked_sub(ending.len()).filter(|at| *at > 0 && name.is_char_boundary(*at))?;
        name[at..].eq_ignore_ascii_case(ending).then(|| path.with_file_name(&name[..at]))
    };
    [".tar.zst", ".tzst", ".tar", ".zip"]
        .into_iter()
        .find_map(without)
        .unwrap_or_else(|| path.with_extension(""))
}

/// A file that an archive holds.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where it stands, under the name `ARCHIVE/ENTRY`.
    pub(super) source: Source,
    /// What it holds.
    pub(super) content: Content,
    /// The bytes of the archive that it stands for.
    pub(super) share: u64,
}

/// Takes an entry; says whether to go on.
pub(super) type Take<'a> = dyn FnMut(Entry) -> bool + 'a;

/// Reads an archive from its beginning to its end and hands every file in it to `take`; says whether to go on.
///
/// # Errors
/// `archive_damaged`, `archive_too_large` or `io_failed`, for the archive as a whole; what stands before that place was
/// handed over.
pub(super) fn read(archive: &Source, format: Format, take: &mut Take<'_>) -> Result<bool, Refusal> {
    let failed = |error: io::Error| Refusal::from_error(Code::IoFailed, &error);
    let file = File::open(&archive.path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let meter = Meter::new(size.saturating_mul(RATIO).saturating_add(FREE_BYTES).min(UNPACKED_BYTES));
    let mut admission = Admission::new(archive);
    match format {
        Format::Tar => tarred::read(file, false, &meter, &mut admission, take),
        Format::TarZstd => tarred::read(file, true, &meter, &mut admission, take),
        Format::Zip => zipped::read(file, size, &meter, &mut admission, take),
    }
}

#[cfg(test)]
mod tests;
