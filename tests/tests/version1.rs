//! What version 1 wrote stays readable: a home, two devices and their files, made once by `tests/fixtures/make`.

use std::fs;
use std::path::{Path, PathBuf};

use counterfoil_tests::lab::{Lab, number};
use serde_json::Value;

#[test]
fn a_home_of_version_1_verifies_and_folds_to_the_same() {
    let lab = copied();
    let audit = lab.vendor("audit verify --deep").done();
    assert_eq!(
        (audit["faults"].as_array().map(Vec::len), audit["mismatches"].as_array().map(Vec::len)),
        (Some(0), Some(0))
    );
    lab.vendor("rebuild --check").done();
    assert_eq!(lab.vendor("digest").done(), recorded("digest.json"));
    // What figures rest on is told since then.
    let mut usage = lab.vendor("audit usage").done();
    for row in usage["rows"].as_array_mut().expect("rows") {
        assert_eq!(row.as_object_mut().expect("a row").remove("basis"), Some("events".into()));
    }
    assert_eq!(usage, recorded("usage.json"));
    lab.vendor("rebuild").done();
    assert_eq!(lab.vendor("digest").done(), recorded("digest.json"));
}

#[test]
fn what_waits_in_the_quarantine_of_version_1_is_still_there() {
    let lab = copied();
    let quarantine = lab.vendor("quarantine list").done();
    let codes: Vec<&str> = quarantine["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .filter_map(|entry| entry["code"].as_str())
        .collect();
    assert_eq!(codes, ["chain_fork"]);
}

#[test]
fn the_devices_of_version_1_verify_and_go_on() {
    let lab = copied();
    for device in ["dev1", "dev2"] {
        lab.device(device, "verify").done();
        lab.device(device, "status").done();
    }
    // The second device never reported: all that it did goes in now.
    lab.device("dev2", "report -o late.cfbundle").done();
    let merged = lab.vendor("merge late.cfbundle --answers late").done();
    assert_eq!(number(&merged, "merged"), 1);
    let usage = lab.vendor("audit usage").done();
    let miles =
        usage["rows"].as_array().expect("rows").iter().find(|row| row["feature"] == "miles").expect("used");
    assert_eq!(number(miles, "n"), 600);
    lab.device("dev2", "apply late/late.cfgrant").done();
    // On another machine the fingerprint warns; within its grace the licence is not refused.
    assert_eq!(lab.device("dev2", "check beta").done()["allowed"], true);
}

#[test]
fn the_files_of_version_1_are_read() {
    let lab = copied();
    for file in
        ["studio.cfpack", "dev1-request.cfbundle", "dev1-usage.cfbundle", "answers/dev1-usage.cfgrant"]
    {
        lab.vendor(&format!("show {file}")).done();
        lab.vendor(&format!("verify {file}")).done();
    }
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/v1")
}

fn recorded(name: &str) -> Value {
    let text = fs::read_to_string(fixture().join(name)).expect("part of the fixture");
    serde_json::from_str(&text).expect("JSON")
}

/// A copy to work on. The repository keeps no access rights; secrets are the owner's only again.
fn copied() -> Lab {
    let lab = Lab::empty();
    copy(&fixture(), &lab.path(""));
    lab
}

fn copy(from: &Path, to: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    for entry in fs::read_dir(from).expect("the fixture") {
        let entry = entry.expect("the fixture");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).expect("writable");
            fs::set_permissions(&target, fs::Permissions::from_mode(0o700)).expect("the owner's own");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("writable");
            fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).expect("the owner's own");
        }
    }
}
