//! Tar archives, read as a stream: one entry after the other, compressed or not.

use std::fs::File;
use std::io::{self, BufReader, Read};

use schemas::refusal::Refusal;
use tar::EntryType;

use super::admission::{Admission, Kind};
use super::content::Content;
use super::meter::{Meter, Packed, Unpacked};
use super::{Entry, Take};

/// Most bytes that stand between two entries and tell of the next one: long names, extended headers, maps of holes. The
/// library reads them into memory.
const EXTENSION_BYTES: u64 = 1024 * 1024;
const BUFFER_BYTES: usize = 256 * 1024;

/// Reads the entries of a tar archive.
///
/// # Errors
/// As [`super::read`].
pub(super) fn read(
    file: File,
    is_compressed: bool,
    meter: &Meter,
    admission: &mut Admission<'_>,
    take: &mut Take<'_>,
) -> Result<bool, Refusal> {
    if !is_compressed {
        let reader = BufReader::with_capacity(BUFFER_BYTES, file);
        return entries(Packed::new(reader, meter), meter, admission, take).map(|(goes_on, _)| goes_on);
    }
    // Frames whose window is larger than 128 MiB (`--long=28` and more) are refused by the library.
    let decoder = zstd::Decoder::new(Packed::new(file, meter)).map_err(|error| meter.refusal(&error, 0))?;
    let (goes_on, mut rest) = entries(decoder, meter, admission, take)?;
    if goes_on {
        // What is behind the last entry says nothing, but whether the stream is whole is known only at its end.
        meter.allow_until(u64::MAX);
        io::copy(&mut rest, &mut io::sink()).map_err(|error| meter.refusal(&error, admission.entries()))?;
    }
    Ok(goes_on)
}

/// Reads the entries, and gives back what is behind them.
fn entries<'a, R: Read>(
    reader: R,
    meter: &'a Meter,
    admission: &mut Admission<'_>,
    take: &mut Take<'_>,
) -> Result<(bool, Unpacked<'a, R>), Refusal> {
    let mut archive = tar::Archive::new(Unpacked::new(reader, meter));
    let mut goes_on = true;
    let mut told = 0;
    meter.allow_until(EXTENSION_BYTES);
    for entry in archive.entries().map_err(|error| meter.refusal(&error, 0))? {
        let mut entry = entry.map_err(|error| meter.refusal(&error, admission.entries()))?;
        let kind = kind(&entry);
        // Of a file with holes the library tells the size that it would have outside.
        let stored =
            if kind == Kind::Other { entry.header().entry_size().unwrap_or(0) } else { entry.size() };
        let next = entry.raw_file_position().saturating_add(stored);
        meter.allow_until(next.saturating_add(2 * EXTENSION_BYTES));
        let size = entry.size();
        let Some(admitted) = admission.judge(&entry.path_bytes(), kind, size)? else { continue };
        let content = Content::read(&admitted, size, &mut entry)
            .map_err(|error| meter.refusal(&error, admission.entries()))?;
        let share = meter.packed() - told;
        told += share;
        if !take(Entry { source: admitted.source, content, share }) {
            goes_on = false;
            break;
        }
    }
    // An archive ends in a block of zeros: one that ends in nothing was cut between two entries.
    if goes_on && meter.has_ended() {
        return Err(meter.refusal(&io::ErrorKind::UnexpectedEof.into(), admission.entries()));
    }
    Ok((goes_on, archive.into_inner()))
}

fn kind<R: Read>(entry: &tar::Entry<'_, R>) -> Kind {
    match entry.header().entry_type() {
        EntryType::Directory | EntryType::XGlobalHeader => Kind::Folder,
        // Before there was a type for them, folders were files whose names end so.
        EntryType::Regular if entry.path_bytes().ends_with(b"/") => Kind::Folder,
        EntryType::Regular | EntryType::Continuous => Kind::File,
        _ => Kind::Other,
    }
}
