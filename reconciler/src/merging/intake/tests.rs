//! Reading in the presence of files that the program was not made for.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::*;
use crate::merging::paths::sources;

/// What became of a file: nothing to tell, or its code and the bytes that are kept.
type Came = Option<(Code, Option<Vec<u8>>)>;

/// A decoder with a fault, given in place of the real one.
#[expect(clippy::needless_pass_by_value, clippy::unnecessary_wraps, reason = "decoders are called so")]
fn faulty(source: &Source, bytes: Vec<u8>) -> Result<Parcel, Refusal> {
    assert!(bytes != b"poison", "the decoder has a fault");
    Ok(Parcel::new(source.clone()))
}

/// Reads all below `folder`: what became of each name.
fn read(folder: &Path, jobs: usize) -> BTreeMap<String, Came> {
    let sources = sources(&[folder.to_owned()], None).expect("a folder");
    let mut came = BTreeMap::new();
    let mut shares = 0;
    read_all(&sources, jobs, faulty, |read, share| {
        shares += share;
        came.extend(read.into_iter().map(|read| match read {
            Ok(parcel) => (parcel.source.name, None),
            Err(unread) => (unread.source.name, Some((unread.refusal.code(), unread.bytes))),
        }));
        Ok(())
    })
    .expect("nothing is committed");
    let prefix = format!("{}/", folder.display());
    let short = |name: String| name.strip_prefix(&prefix).map_or(name.clone(), str::to_owned);
    // The end of an archive stands for nothing that was read.
    let sizes: u64 = sources.iter().map(|source| source.size).sum();
    assert!(sizes / 3 < shares && shares <= sizes, "{shares} of {sizes} bytes");
    came.into_iter().map(|(name, what)| (short(name), what)).collect()
}

fn tar_of(names: &[&str], bytes: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for name in names {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes).expect("in memory");
    }
    tar.into_inner().expect("in memory")
}

#[test]
fn a_file_that_the_decoder_panics_on_is_refused_with_its_bytes_and_the_others_are_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for number in 0..50 {
        let bytes: &[u8] = if number % 10 == 3 { b"poison" } else { b"sound" };
        fs::write(folder.path().join(format!("{number:02}")), bytes).expect("writable");
    }
    fs::write(folder.path().join("p.tar"), tar_of(&["a", "b"], b"poison")).expect("writable");
    fs::write(folder.path().join("s.tar"), tar_of(&["a", "b"], b"sound")).expect("writable");
    for jobs in [1, 2, 8] {
        let came = read(folder.path(), jobs);
        assert_eq!(came.len(), 54);
        for (name, what) in came {
            let is_poison = name.ends_with('3') || name.starts_with("p.tar/");
            let expected = is_poison.then(|| (Code::Internal, Some(b"poison".to_vec())));
            assert_eq!(what, expected, "{name}");
        }
    }
}

#[test]
fn more_entries_than_may_wait_are_all_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let names: Vec<String> = (0..5_000).map(|number| format!("{number}.cfbundle")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for name in ["a.tar", "b.tar", "c.tar"] {
        fs::write(folder.path().join(name), tar_of(&names, b"sound")).expect("writable");
    }
    for jobs in [1, 3] {
        let came = read(folder.path(), jobs);
        assert_eq!(came.len(), 15_000);
        assert!(came.values().all(Option::is_none));
    }
}

#[test]
fn a_commit_that_fails_ends_the_readers() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let names: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    fs::write(folder.path().join("a.tar"), tar_of(&names, b"sound")).expect("writable");
    fs::write(folder.path().join("b"), b"sound").expect("writable");
    for jobs in [1, 4] {
        let sources = sources(&[folder.path().to_owned()], None).expect("a folder");
        let mut taken = 0;
        let outcome = read_all(&sources, jobs, faulty, |_, _| {
            taken += 1;
            Err(Code::StoreFailed.into())
        });
        assert_eq!((outcome.map_err(|refusal| refusal.code()), taken), (Err(Code::StoreFailed), 1));
    }
}

#[test]
fn a_file_that_is_gone_is_refused_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["a", "b"] {
        fs::write(folder.path().join(name), b"sound").expect("writable");
    }
    let sources = sources(&[folder.path().to_owned()], None).expect("a folder");
    fs::remove_file(folder.path().join("a")).expect("just written");
    let mut codes = Vec::new();
    let outcome = read_all(&sources, 2, faulty, |read, _| {
        codes.extend(read.into_iter().map(|read| read.err().map(|unread| unread.refusal.code())));
        Ok(())
    });
    codes.sort();
    assert_eq!((outcome, codes), (Ok(()), vec![None, Some(Code::IoFailed)]));
}
