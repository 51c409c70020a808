//! Zip archives, read by their directory, which stands at the end.

use std::fs::File;
use std::io::{self, BufReader, Read};

use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, FileReader, ZipArchive, ZipEntry, ZipFileHeaderRecord};
use schemas::codes::Code;
use schemas::refusal::Refusal;

use super::admission::{Admission, Kind};
use super::content::Content;
use super::meter::{Meter, Packed, Unpacked};
use super::{Entry, Take};

/// Room for the longest record of a directory, whose three texts have 65,535 bytes each.
const DIRECTORY_BYTES: usize = 256 * 1024;

/// Reads the entries of a zip archive of `packed_size` bytes.
///
/// # Errors
/// As [`super::read`]. An entry that does not unpack to what the directory says is refused by itself.
pub(super) fn read(
    file: File,
    packed_size: u64,
    meter: &Meter,
    admission: &mut Admission<'_>,
    take: &mut Take<'_>,
) -> Result<bool, Refusal> {
    let damaged = |error: rawzip::Error, entries| meter.refusal(&io::Error::other(error), entries);
    let mut buffer = vec![0; DIRECTORY_BYTES];
    let archive = ZipArchive::from_file(file, &mut buffer).map_err(|error| damaged(error, 0))?;
    let mut records = archive.entries(&mut buffer);
    let (mut found, mut told) = (0, 0);
    while let Some(record) = records.next_entry().map_err(|error| damaged(error, admission.entries()))? {
        found += 1;
        let size = record.uncompressed_size_hint();
        let Some(admitted) = admission.judge(record.file_path().as_bytes(), kind(&record), size)? else {
            continue;
        };
        let content = archive
            .get_entry(record.wayfinder())
            .map_err(io::Error::other)
            .and_then(|entry| Content::read(&admitted, size, &mut *unpack(&entry, &record, meter)));
        let content = match content {
            Ok(content) => content,
            Err(error) if meter.has_stopped() => return Err(meter.refusal(&error, admission.entries())),
            Err(_) => Content::Refused(Code::ArchiveDamaged.into(), None),
        };
        let share = part(packed_size, found, archive.entries_hint()) - told;
        told += share;
        if !take(Entry { source: admitted.source, content, share }) {
            return Ok(false);
        }
    }
    if found == archive.entries_hint() {
        Ok(true)
    } else {
        Err(meter.refusal(&io::ErrorKind::InvalidData.into(), admission.entries()))
    }
}

/// What the first `entries` of `all` stand for, each as much as the others: their sizes leave out what stands between them.
fn part(packed_size: u64, entries: u64, all: u64) -> u64 {
    let part = u128::from(packed_size) * u128::from(entries) / u128::from(all.max(entries).max(1));
    u64::try_from(part).expect("no more than the archive has")
}

/// The bytes of an entry, held to their checksum and size at the end.
fn unpack<'a>(
    entry: &ZipEntry<'a, FileReader>,
    record: &ZipFileHeaderRecord<'_>,
    meter: &'a Meter,
) -> Box<dyn Read + 'a> {
    let packed = BufReader::new(Packed::new(entry.reader(), meter));
    if record.compression_method() == CompressionMethod::DEFLATE {
        Box::new(entry.verifying_reader(Unpacked::new(DeflateDecoder::new(packed), meter)))
    } else {
        Box::new(entry.verifying_reader(Unpacked::new(packed, meter)))
    }
}

fn kind(record: &ZipFileHeaderRecord<'_>) -> Kind {
    let is_packed_otherwise =
        !matches!(record.compression_method(), CompressionMethod::STORE | CompressionMethod::DEFLATE);
    if record.is_dir() {
        Kind::Folder
    } else if record.mode().is_symlink() || record.flags().is_encrypted() || is_packed_otherwise {
        Kind::Other
    } else {
        Kind::File
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_an_archive_are_all_of_it_whatever_its_end_says() {
        for (size, all) in [(1_000, 3), (7, 100), (u64::MAX, u64::MAX), (5, 0)] {
            assert_eq!(part(size, all, all), if all == 0 { 0 } else { size });
        }
        let parts: Vec<u64> = (1..=6).map(|entries| part(1_000, entries, 4)).collect();
        assert_eq!(
            parts,
            [250, 500, 750, 1_000, 1_000, 1_000],
            "more entries than were announced stand for nothing more"
        );
    }
}
