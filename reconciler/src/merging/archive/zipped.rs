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

/// Reads the entries of a zip archive.
///
/// # Errors
/// As [`super::read`]. An entry that does not unpack to what the directory says is refused by itself.
pub(super) fn read(
    file: File,
    meter: &Meter,
    admission: &mut Admission<'_>,
    take: &mut Take<'_>,
) -> Result<bool, Refusal> {
    let damaged = |error: rawzip::Error, entries| meter.refusal(&io::Error::other(error), entries);
    let mut buffer = vec![0; DIRECTORY_BYTES];
    let archive = ZipArchive::from_file(file, &mut buffer).map_err(|error| damaged(error, 0))?;
    let mut records = archive.entries(&mut buffer);
    let mut found = 0;
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
        let share = record.compressed_size_hint();
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
