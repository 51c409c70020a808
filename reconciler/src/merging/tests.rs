//! A merge in which files meet faults of the program, into a real ledger.

use std::fs;

use schemas::numbers::Micros;
use schemas::text::Text;

use super::*;
use crate::home::{Home, NewHome, StoreUrl};

/// A decoder with a fault, given in place of the real one.
fn faulty(source: &Source, bytes: Vec<u8>) -> Result<Parcel, Refusal> {
    assert!(bytes != b"poison", "the decoder has a fault");
    parse_bytes(source, bytes)
}

fn vendor(folder: &tempfile::TempDir) -> Vendor {
    let now = Micros::parse("2026-11-24T07:00:00Z").expect("RFC 3339");
    let environment = Text::new("production").expect("short");
    let new = NewHome { environment, store: StoreUrl::IN_HOME, portal: None, passphrase: None, now };
    let dir = folder.path().join("home");
    Home::create(&dir, &new, |home| Vendor::found(home, now).map(drop)).expect("writable");
    Vendor::open(Home::open(&dir).expect("just made"), now).expect("just made")
}

#[test]
fn a_bundle_that_the_program_fails_on_waits_in_quarantine_with_its_bytes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let inbox = folder.path().join("inbox");
    fs::create_dir(&inbox).expect("writable");
    for (name, bytes) in [("a", &b"letter"[..]), ("b", b"poison"), ("c", b"another letter")] {
        fs::write(inbox.join(name), bytes).expect("writable");
    }
    let mut vendor = vendor(&folder);
    let found = sources(std::slice::from_ref(&inbox), None).expect("a folder");
    for _ in 0..2 {
        let mut told = Merged::default();
        let report = merge_decoded(&mut vendor, &found, 2, faulty, &mut |merged| {
            told = merged;
            Ok(())
        })
        .expect("a fault of one file is no error");
        assert_eq!((report.files, report.refused, report.exit()), (3, 3, Exit::Findings));
        assert_eq!((told.files, told.bytes), (3, found.iter().map(|source| source.size).sum()));
        let mut codes: Vec<Code> = report.findings.iter().map(|finding| finding.code).collect();
        codes.sort();
        assert_eq!(codes, [Code::UnknownFile, Code::UnknownFile, Code::Internal]);
        let entries = vendor.store.quarantine().expect("readable");
        assert_eq!(entries.len(), 3, "the same bytes are kept once");
        let poison = entries.iter().find(|entry| entry.code == Code::Internal.word()).expect("it waits");
        assert_eq!(poison.source, inbox.join("b").display().to_string());
        assert_eq!(
            vendor.store.quarantined_bytes(poison.id).expect("readable").as_deref(),
            Some(&b"poison"[..])
        );
    }
    // What waits is tried again with the program that has no such fault, and is refused for what it is.
    let report = merge(&mut vendor, &found, 1, &mut |_| {}).expect("nothing fails");
    assert!(report.findings.iter().all(|finding| finding.code == Code::UnknownFile));
}
