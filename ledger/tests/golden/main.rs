//! The golden vectors of format version 1, in `schemas/golden/v1`: what another implementation is held to, and what
//! this one must still read when it has moved on.
//!
//! Every vector is made from fixed seeds. `UPDATE_GOLDEN=1 cargo test -p counterfoil-ledger --test golden` writes
//! those that are not there yet; one that is there and differs is never written over.

mod corrupt;
mod messages;
mod samples;
mod vectors;
mod world;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

use counterfoil_ledger::inspect::{self, RootSource};
use counterfoil_ledger::license_key::{self, LicenseKey};
use counterfoil_ledger::{chain, commitment, fingerprint, run, trust};
use data_encoding::HEXLOWER;
use schemas::bundle::{Answer, Attachment, decode_answers, decode_pack, encode_answers, encode_pack};
use schemas::codes::Code;
use schemas::event::{Body, Event};
use schemas::run::{RunBytes, assemble};
use serde_json::Value;

use crate::vectors::Vector;

#[test]
fn the_vectors_are_what_is_made_today() {
    let made = made();
    let made_paths: BTreeSet<_> = made.iter().map(|vector| vector.path.clone()).collect();
    assert_eq!(made_paths.len(), made.len(), "two vectors have one name");
    assert_eq!(paths_of(&folder()), made_paths);
    for vector in made {
        let kept = read(&vector.path);
        assert!(kept == vector.bytes, "{} is not what is made today", vector.path);
    }
}

#[test]
fn every_kind_has_a_vector() {
    let shown: BTreeSet<_> = samples::events().iter().map(|(_, event)| event.body.kind().0).collect();
    for (kind, name) in Body::KINDS {
        assert!(shown.contains(&kind.0), "{name}");
    }
}

#[test]
fn every_event_decodes_and_encodes_to_itself() {
    for path in paths_of(&folder()).iter().filter(|path| path.starts_with("events/")) {
        let vector = parsed(path);
        let core = unhex(&vector["hex"]);
        let event = Event::decode(&core).expect(path);
        assert_eq!(event.encode(), core, "{path}");
        assert_eq!(serde_json::to_value(&event).expect("JSON"), vector["content"], "{path}");
        assert_eq!(event.body.kind().0, vector["kind"], "{path}");
    }
}

#[test]
fn every_run_decodes_links_and_assembles_to_itself() {
    for name in ["device", "authority", "catalog"] {
        let vector = parsed(&format!("runs/{name}.json"));
        let bytes = unhex(&vector["hex"]);
        let parsed = RunBytes::parse(&bytes).expect(name);
        assert_eq!(assemble(&parsed.header, parsed.count, parsed.pairs), bytes);
        assert_eq!(chain::chain_of(&parsed.header.origin).to_string(), vector["chain"]);
        let signer = if name == "device" { world::device() } else { world::issuer() };
        let run = run::verify_with(&bytes, |_, _| Ok(signer.public())).expect(name);
        let links: Vec<_> = run.events().iter().map(|event| event.link.to_string()).collect();
        let written: Vec<_> = array(&vector["events"]).iter().map(|event| event["link"].clone()).collect();
        assert_eq!(links, written);
    }
}

#[test]
fn every_file_reads_verifies_and_encodes_to_itself() {
    let root = world::root().public();
    for (name, form) in [("bundle", "cfbundle"), ("bundle", "txt"), ("grants", "cfgrant"), ("pack", "cfpack")]
    {
        let bytes = read(&format!("files/{name}.{form}"));
        let said = serde_json::to_value(inspect::inspect(&bytes).expect(name)).expect("JSON");
        assert_eq!(said, parsed(&format!("files/{name}.json")), "{name}");
        inspect::verify(&bytes, Some(&root)).expect(name);
    }
    let grants = read("files/grants.cfgrant");
    assert_eq!(encode_answers(&decode_answers(&grants).expect("grants")), grants);
    let pack = read("files/pack.cfpack");
    assert_eq!(encode_pack(&decode_pack(&pack).expect("a pack")), pack);
}

#[test]
fn the_certificate_the_key_the_commitment_and_the_tag_hold() {
    let certificate = parsed("certificate.json");
    let believed =
        trust::verify_certificate(&unhex(&certificate["hex"]), &world::root().public()).expect("signed");
    assert_eq!(believed.id.to_string(), certificate["id"]);

    let key = parsed("license-key.json");
    let typed = LicenseKey::parse(key["license_key"].as_str().expect("text")).expect("a licence key");
    assert_eq!(typed.reference().to_string(), key["reference"]);
    let chain = key["chain"].as_str().and_then(|chain| chain.parse().ok()).expect("a chain");
    assert_eq!(typed.proof(&chain).to_string(), key["proof"]);

    let trial = license_key::trial_reference(key["trial_product"].as_str().expect("text"));
    assert_eq!(trial.to_string(), key["trial_reference"]);

    let vector = parsed("commitment.json");
    let salt = vector["salt"].as_str().and_then(|salt| salt.parse().ok()).expect("a salt");
    let value = vector["value"].as_str().expect("text").as_bytes().to_vec();
    let made = commitment::commit(&salt, &value);
    assert_eq!(made.to_string(), vector["commitment"]);
    assert!(commitment::opens(&Attachment { commitment: made, salt, value }));

    let vector = parsed("fingerprint.json");
    let key = vector["key"].as_str().and_then(|key| key.parse().ok()).expect("a key");
    let tag = fingerprint::tag(&key, 1, vector["value"].as_str().expect("text").as_bytes());
    assert_eq!(tag.to_string(), vector["tag"]);
}

#[test]
fn every_corrupt_file_is_refused_with_its_code() {
    let mut tried = 0;
    for path in paths_of(&folder()).iter().filter(|path| path.starts_with("corrupt/")) {
        let vector = parsed(path);
        let bytes = corrupt::assembled(&vector["bytes"]);
        let code = corrupt::refused(vector["as"].as_str().expect("text"), &bytes);
        assert_eq!(code.map(Code::word), vector["code"].as_str(), "{path}");
        tried += 1;
    }
    assert_eq!(tried, corrupt::all().len());
}

#[test]
fn every_cut_and_every_flipped_bit_of_a_file_has_its_code() {
    for (form, path) in [("bundle", "files/bundle.cfbundle"), ("grant", "files/grants.cfgrant")] {
        let sound = read(path);
        for len in 0..sound.len() {
            let expected = if len < 4 { Code::UnknownFile } else { Code::Damaged };
            assert_eq!(corrupt::refused(form, &sound[..len]), Some(expected), "{form} cut at {len}");
        }
        for (at, bit) in (0..sound.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut flipped = sound.clone();
            flipped[at] ^= 1 << bit;
            let expected = match at {
                0..4 => Code::UnknownFile,
                4 => Code::UnsupportedVersion,
                _ => Code::Damaged,
            };
            assert_eq!(corrupt::refused(form, &flipped), Some(expected), "{form} bit {bit} of byte {at}");
        }
    }
}

#[test]
fn every_decode_error_has_a_corrupt_file() {
    let written: BTreeSet<_> =
        corrupt::all().iter().map(|vector| parsed(&vector.path)["code"].clone().to_string()).collect();
    for code in corrupt::DECODE_CODES.iter().chain(corrupt::FILE_CODES) {
        assert!(written.contains(&format!("{:?}", code.word())), "{code}");
    }
}

#[test]
fn a_file_without_a_given_root_says_whose_root_it_took() {
    let verified = inspect::verify(&read("files/grants.cfgrant"), None).expect("signed");
    let json = serde_json::to_value(&verified).expect("JSON");
    assert_eq!(json["checked"][1]["root_from"], serde_json::to_value(RootSource::File).expect("JSON"));
    assert_eq!(json["checked"][1]["root"], world::root().public().to_string());
}

#[test]
fn a_bundle_tells_in_words_all_that_leaves_the_device() {
    let words = inspect::inspect(&vectors::bundle().encode()).expect("sound").to_string();
    let chain = world::device_chain().to_string();
    let events = world::device_events();
    let names = events.iter().map(|event| event.body.name().to_owned());
    let times = events.iter().map(|event| event.at.to_string());
    let told = [chain, "plant 7".to_owned(), "n 7, total 12, reference job-17".to_owned()];
    for part in names.chain(times).chain(told) {
        assert!(words.contains(&part), "{part}");
    }
}

#[test]
fn a_grant_tells_in_words_what_it_allows() {
    let every_field = parsed("events/grant.issued.every-field.json");
    let core = unhex(&every_field["hex"]);
    let event = Event::decode(&core).expect("a grant");
    let grant = world::grant_of(&event, chain::Head::START, world::certificate());
    let file = encode_answers(&[Answer::Grant(Box::new(grant))]);
    let words = inspect::inspect(&file).expect("sound").to_string();
    let mut told = Vec::new();
    leaves(&every_field["content"], &mut told);
    // Spans are told in days and hours, modes in words, and a feature's number by its name.
    let otherwise = ["grant.issued", "on-off", "hard", "never"];
    for leaf in told.iter().filter(|leaf| !otherwise.contains(&leaf.as_str())) {
        assert!(words.contains(leaf.as_str()), "{leaf} in {words}");
    }
}

#[test]
fn a_run_that_does_not_verify_is_told_with_its_code() {
    let bytes = corrupt::assembled(&parsed("corrupt/bundle.run-signature-flipped.json")["bytes"]);
    let said = inspect::inspect(&bytes).expect("the file is whole");
    let json = serde_json::to_value(&said).expect("JSON");
    assert_eq!(json["runs"][0]["verified"], false);
    assert_eq!(json["runs"][0]["code"], "signature_bad");
    assert_eq!(array(&json["runs"][0]["events"]).len(), world::device_events().len());
    assert!(said.to_string().contains("signature_bad"));
}

/// The texts below `value`; numbers are left out, as words may tell them in other units.
fn leaves(value: &Value, told: &mut Vec<String>) {
    match value {
        Value::String(text) => told.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| leaves(value, told)),
        Value::Object(fields) => fields.values().for_each(|value| leaves(value, told)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The folder of the vectors; those that are missing are written first where that is asked for.
fn folder() -> PathBuf {
    static WRITTEN: Once = Once::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/golden/v1");
    WRITTEN.call_once(|| {
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            for vector in made() {
                write_missing(&folder, &vector);
            }
        }
    });
    folder
}

fn made() -> Vec<Vector> {
    vectors::all().into_iter().chain(corrupt::all()).collect()
}

fn read(path: &str) -> Vec<u8> {
    fs::read(folder().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn parsed(path: &str) -> Value {
    serde_json::from_slice(&read(path)).expect("a vector is JSON")
}

fn array(value: &Value) -> &[Value] {
    value.as_array().expect("an array")
}

fn unhex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().expect("text").as_bytes()).expect("hexadecimal")
}

fn write_missing(folder: &Path, vector: &Vector) {
    let path = folder.join(&vector.path);
    if !path.exists() {
        fs::create_dir_all(path.parent().expect("inside the folder")).expect("writable");
        fs::write(path, &vector.bytes).expect("writable");
    }
}

/// The files below `folder`, as paths from it.
fn paths_of(folder: &Path) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() {
            paths.extend(paths_of(&path).into_iter().map(|below| format!("{name}/{below}")));
        } else {
            paths.insert(name);
        }
    }
    paths
}
