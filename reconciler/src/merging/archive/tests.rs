//! Archives as they are read: whole, cut, swollen, and made to do harm.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::write::DeflateEncoder;
use rawzip::{CompressionMethod, ZipArchiveWriter};
use tar::{Builder, EntryType, Header};

use super::*;

/// What came of one entry.
#[derive(Debug, Eq, PartialEq)]
enum Came {
    /// So many bytes to be merged.
    Taken(u64),
    /// The code, and how many bytes are kept.
    Refused(Code, Option<usize>),
}

/// What reading came to.
type Outcome = (Vec<(String, Came)>, Result<bool, Code>);

/// Reads an archive of these bytes, recognised by its content.
fn read_bytes(bytes: &[u8]) -> Outcome {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("archive");
    fs::write(&path, bytes).expect("writable");
    read_file(&path)
}

fn read_file(path: &Path) -> Outcome {
    let format = Format::of(path).expect("an archive");
    let name = "archive".to_owned();
    let archive = Source { path: path.to_owned(), name, size: 0, archive: Some(format), answer: None };
    let mut found = Vec::new();
    let outcome = read(&archive, format, &mut |entry| {
        let came = match entry.content {
            Content::Whole(bytes) => Came::Taken(bytes.len() as u64),
            Content::Large(file) => Came::Taken(file.metadata().expect("open").len()),
            Content::Refused(refusal, bytes) => Came::Refused(refusal.code(), bytes.map(|bytes| bytes.len())),
        };
        found.push((entry.source.name, came));
        true
    });
    (found, outcome.map_err(|refusal| refusal.code()))
}

fn taken(name: &str, size: u64) -> (String, Came) {
    (format!("archive/{name}"), Came::Taken(size))
}

fn refused(name: &str, code: Code, kept: Option<usize>) -> (String, Came) {
    (format!("archive/{name}"), Came::Refused(code, kept))
}

fn header(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header
}

/// Appends a file under any name at all.
fn append(tar: &mut Builder<Vec<u8>>, name: &[u8], bytes: &[u8]) {
    let mut header = header(EntryType::Regular, bytes.len() as u64);
    header.as_ustar_mut().expect("ustar").name[..name.len()].copy_from_slice(name);
    header.set_cksum();
    tar.append(&header, bytes).expect("in memory");
}

fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (name, bytes) in files {
        append(&mut tar, name.as_bytes(), bytes);
    }
    tar.into_inner().expect("in memory")
}

fn zstd_of(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).expect("in memory")
}

fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut zip = ZipArchiveWriter::new(&mut bytes);
    for (number, (name, content)) in files.iter().enumerate() {
        let file = zip.new_file(name);
        // Every other one is stored as it is.
        if number % 2 == 0 {
            let (mut entry, config) =
                file.compression_method(CompressionMethod::DEFLATE).start().expect("in memory");
            let mut writer = config.wrap(DeflateEncoder::new(&mut entry, flate2::Compression::default()));
            writer.write_all(content).expect("in memory");
            let (encoder, descriptor) = writer.finish().expect("in memory");
            encoder.finish().expect("in memory");
            entry.finish(descriptor).expect("in memory");
        } else {
            let (mut entry, config) = file.start().expect("in memory");
            let mut writer = config.wrap(&mut entry);
            writer.write_all(content).expect("in memory");
            let (_, descriptor) = writer.finish().expect("in memory");
            entry.finish(descriptor).expect("in memory");
        }
    }
    zip.finish().expect("in memory");
    bytes
}

const FILES: [(&str, &[u8]); 3] = [("a/x.cfbundle", b"one"), ("y.cfbundle", b"second"), ("./b/z", b"")];

#[test]
fn every_format_gives_the_same_files() {
    let expected = [taken("a/x.cfbundle", 3), taken("y.cfbundle", 6), taken("b/z", 0)];
    let tar = tar_of(&FILES);
    let two_frames = [zstd_of(&tar[..700]), zstd_of(&tar[700..])].concat();
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2][..], &zstd_of(&tar)].concat();
    for bytes in [tar.clone(), zstd_of(&tar), two_frames, skippable, zip_of(&FILES)] {
        assert_eq!(read_bytes(&bytes), (expected.iter().map(again).collect(), Ok(true)));
    }
}

fn again((name, came): &(String, Came)) -> (String, Came) {
    let came = match came {
        Came::Taken(size) => Came::Taken(*size),
        Came::Refused(code, kept) => Came::Refused(*code, *kept),
    };
    (name.clone(), came)
}

#[test]
fn names_longer_than_a_header_are_read() {
    let name = format!("{}/x.cfbundle", ["a-folder-with-a-name"; 12].join("/"));
    let mut gnu = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(1);
    gnu.append_data(&mut header, &name, &b"1"[..]).expect("in memory");
    let mut pax = Builder::new(Vec::new());
    pax.append_pax_extensions([("path", name.as_bytes())]).expect("in memory");
    append(&mut pax, b"short", b"1");
    for tar in [gnu, pax] {
        let bytes = tar.into_inner().expect("in memory");
        assert_eq!(read_bytes(&bytes), (vec![taken(&name, 1)], Ok(true)));
    }
}

#[test]
fn a_tar_that_is_cut_gives_what_stood_before() {
    let tar = tar_of(&FILES);
    for cut in 1_024..=tar.len() - 1_024 {
        let (found, outcome) = read_bytes(&tar[..cut]);
        // The data of the first is padded to 1024, those of the second to 2048.
        let whole = [512 + 3, 1_024 + 512 + 6, 2_048 + 512].iter().filter(|end| **end <= cut).count();
        assert_eq!(found.len(), whole, "cut at {cut}");
        assert_eq!(outcome, Err(Code::ArchiveDamaged), "cut at {cut}");
    }
    let packed = zstd_of(&tar);
    for cut in 8..packed.len() {
        assert_eq!(read_bytes(&packed[..cut]).1, Err(Code::ArchiveDamaged), "cut at {cut}");
    }
}

#[test]
fn a_changed_byte_of_a_compressed_or_zipped_file_is_seen() {
    let compressed = {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).expect("in memory");
        encoder.include_checksum(true).expect("before the first byte");
        encoder.write_all(&tar_of(&FILES)).expect("in memory");
        encoder.finish().expect("in memory")
    };
    let mut changed = compressed.clone();
    *changed.last_mut().expect("not empty") ^= 1;
    assert_eq!(read_bytes(&compressed).1, Ok(true));
    assert_eq!(read_bytes(&changed).1, Err(Code::ArchiveDamaged));

    let mut zip = zip_of(&FILES);
    let at = zip.windows(6).position(|window| window == b"second").expect("stored");
    zip[at] ^= 1;
    let (found, outcome) = read_bytes(&zip);
    let expected =
        vec![taken("a/x.cfbundle", 3), refused("y.cfbundle", Code::ArchiveDamaged, None), taken("b/z", 0)];
    assert_eq!((found, outcome), (expected, Ok(true)));
}

#[test]
fn no_byte_that_is_changed_or_missing_makes_more_of_a_zip_than_it_was() {
    let zip = zip_of(&FILES);
    for at in 4..zip.len() {
        let mut changed = zip.clone();
        changed[at] ^= 0x55;
        let (found, _) = read_bytes(&changed);
        assert!(found.len() <= FILES.len(), "changed at {at}");
        // Without its end there is no directory.
        assert_eq!(read_bytes(&zip[..at]), (Vec::new(), Err(Code::ArchiveDamaged)), "cut at {at}");
    }
}

#[test]
fn what_would_lead_elsewhere_is_refused_and_its_bytes_are_kept() {
    let names: [&[u8]; 5] = [b"/etc/x", b"../x", b"a\\x", b"c:x", b"a\nx"];
    let mut tar = Builder::new(Vec::new());
    for name in names {
        append(&mut tar, name, b"evil");
    }
    append(&mut tar, b"good", b"good");
    let (found, outcome) = read_bytes(&tar.into_inner().expect("in memory"));
    assert_eq!((found.len(), outcome), (6, Ok(true)));
    let evil = Came::Refused(Code::EntryNameUnsafe, Some(4));
    assert!(found[..5].iter().all(|(_, came)| *came == evil), "{found:?}");
    assert_eq!(found[5], taken("good", 4));
}

#[test]
fn links_devices_and_files_with_holes_are_told_and_not_followed() {
    let mut tar = Builder::new(Vec::new());
    let others = [
        (EntryType::Symlink, "link"),
        (EntryType::Link, "hard"),
        (EntryType::Char, "char"),
        (EntryType::Block, "block"),
        (EntryType::Fifo, "fifo"),
    ];
    for (kind, name) in others {
        let mut header = header(kind, 0);
        header.set_path(name).expect("short");
        header.set_link_name("/etc/passwd").expect("short");
        header.set_cksum();
        tar.append(&header, &[][..]).expect("in memory");
    }
    let mut folder = header(EntryType::Directory, 0);
    folder.set_path("folder").expect("short");
    folder.set_cksum();
    tar.append(&folder, &[][..]).expect("in memory");
    let mut sparse = Header::new_gnu();
    sparse.set_entry_type(EntryType::GNUSparse);
    sparse.set_path("sparse").expect("short");
    sparse.set_size(4);
    {
        let gnu = sparse.as_gnu_mut().expect("GNU");
        gnu.sparse[0].offset.copy_from_slice(b"77777777777\0");
        gnu.sparse[0].numbytes.copy_from_slice(b"00000000000\0");
        gnu.sparse[1].offset.copy_from_slice(b"77777777777\0");
        gnu.sparse[1].numbytes.copy_from_slice(b"00000000004\0");
        gnu.realsize.copy_from_slice(&base_256(0o77_777_777_777 + 4));
    }
    sparse.set_cksum();
    tar.append(&sparse, &b"data"[..]).expect("in memory");
    append(&mut tar, b"good", b"good");
    let (found, outcome) = read_bytes(&tar.into_inner().expect("in memory"));
    let mut expected: Vec<_> =
        others.iter().map(|(_, name)| refused(name, Code::EntryNotAFile, None)).collect();
    expected.extend([refused("sparse", Code::EntryNotAFile, None), taken("good", 4)]);
    assert_eq!((found, outcome), (expected, Ok(true)));
}

/// Twelve bytes of a size, in the base-256 form of GNU tar.
fn base_256(size: u64) -> [u8; 12] {
    let mut field = [0; 12];
    field[0] = 0x80;
    field[4..].copy_from_slice(&size.to_be_bytes());
    field
}

#[test]
fn an_archive_in_an_archive_is_not_opened() {
    let inner = tar_of(&FILES);
    let (found, outcome) = read_bytes(&tar_of(&[("inner.cfbundle", &inner), ("good", b"good")]));
    let expected = vec![refused("inner.cfbundle", Code::ArchiveNested, Some(inner.len())), taken("good", 4)];
    assert_eq!((found, outcome), (expected, Ok(true)));
}

#[test]
fn two_entries_of_one_name_are_one_entry_in_every_format() {
    let files: [(&str, &[u8]); 3] = [("x", b"first"), ("./x", b"later"), ("y", b"good")];
    let expected = [taken("x", 5), refused("x", Code::EntryRepeated, Some(5)), taken("y", 4)];
    for bytes in [tar_of(&files), zip_of(&files)] {
        assert_eq!(read_bytes(&bytes), (expected.iter().map(again).collect(), Ok(true)));
    }
}

#[test]
fn a_large_entry_goes_to_a_file_without_a_name() {
    let large = vec![7; 17 * 1024 * 1024];
    let size = large.len() as u64;
    let files: [(&str, &[u8]); 2] = [("large", &large), ("good", b"good")];
    let expected = [taken("large", size), taken("good", 4)];
    for bytes in [tar_of(&files), zstd_of(&tar_of(&files)), zip_of(&files)] {
        assert_eq!(read_bytes(&bytes), (expected.iter().map(again).collect(), Ok(true)));
    }
}

#[test]
fn what_says_that_it_is_larger_than_a_bundle_may_be_is_not_unpacked() {
    let mut tar = Builder::new(Vec::new());
    append(&mut tar, b"good", b"good");
    let mut header = header(EntryType::Regular, schemas::limits::BUNDLE_BYTES + 1);
    header.set_path("huge").expect("short");
    header.set_cksum();
    let mut bytes = tar.into_inner().expect("in memory");
    bytes.truncate(1_024);
    bytes.extend_from_slice(header.as_bytes());
    let (found, outcome) = read_bytes(&bytes);
    assert_eq!(found, vec![taken("good", 4), refused("huge", Code::TooLarge, None)]);
    assert_eq!(outcome, Err(Code::ArchiveDamaged), "nothing is where it should be");
}

/// Zeros, many times more than their archive has bytes.
#[test]
fn an_archive_that_swells_is_left_off() {
    let zeros = vec![0; 15 * 1024 * 1024];
    let names = ["a", "b", "c", "d", "e", "f"];
    let files = names.map(|name| (name, zeros.as_slice()));
    for bytes in [zstd_of(&tar_of(&files)), zip_of(&files[..1])] {
        assert!(bytes.len() < 1024 * 1024);
    }
    let (found, outcome) = read_bytes(&zstd_of(&tar_of(&files)));
    assert_eq!((found.len(), outcome), (4, Err(Code::ArchiveTooLarge)), "64 MiB are free");
    let uncompressed = read_bytes(&tar_of(&files));
    assert_eq!((uncompressed.0.len(), uncompressed.1), (6, Ok(true)), "these bytes are all there");
}

#[test]
fn a_name_that_fills_memory_is_left_off() {
    let mut tar = Builder::new(Vec::new());
    append(&mut tar, b"good", b"good");
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    let name = vec![b'x'; 8 * 1024 * 1024];
    header.set_size(name.len() as u64);
    header.set_path("././@LongLink").expect("short");
    header.set_cksum();
    tar.append(&header, name.as_slice()).expect("in memory");
    append(&mut tar, b"other", b"other");
    let (found, outcome) = read_bytes(&zstd_of(&tar.into_inner().expect("in memory")));
    assert_eq!((found, outcome), (vec![taken("good", 4)], Err(Code::ArchiveTooLarge)));
}

#[test]
fn nobody_who_listens_ends_the_reading() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, bytes) in [("tar", tar_of(&FILES)), ("zst", zstd_of(&tar_of(&FILES))), ("zip", zip_of(&FILES))]
    {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("writable");
        let format = Format::of(&path);
        let archive = Source { path, name: name.to_owned(), size: 0, archive: format, answer: None };
        let mut heard = 0;
        let outcome = read(&archive, format.expect("an archive"), &mut |_| {
            heard += 1;
            false
        });
        assert_eq!((outcome, heard), (Ok(false), 1), "{name}");
    }
}

#[test]
fn the_folder_of_answers_is_the_name_without_its_ending() {
    for (name, folder) in [
        ("a.tar", "a"),
        ("a.TAR.ZST", "a"),
        ("x/a.tzst", "x/a"),
        ("a.zip", "a"),
        ("a.b.zip", "a.b"),
        ("a.tar.old", "a.tar"),
        ("a", "a"),
        ("x/.tar", "x/.tar"),
    ] {
        assert_eq!(stem(Path::new(name)), Path::new(folder), "{name}");
    }
}
