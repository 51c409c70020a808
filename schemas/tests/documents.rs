//! The documents say what the code does: every code, every kind with its fields, every limit.
//!
//! `UPDATE_DOCS=1 cargo test -p counterfoil-schemas --test documents` writes `docs/codes.md` anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use counterfoil_schemas::canonical::DecodeError;
use counterfoil_schemas::codes::Code;
use counterfoil_schemas::event::Body;
use counterfoil_schemas::ids::Digest;
use counterfoil_schemas::limits;

#[test]
fn the_table_of_codes_is_current() {
    let made = table_of_codes();
    let path = root().join("docs/codes.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &made).expect("writable");
    }
    let kept = fs::read_to_string(path).expect("docs/codes.md is there");
    assert!(kept == made, "docs/codes.md is not current; UPDATE_DOCS=1 writes it anew");
}

#[test]
fn every_kind_is_specified_with_its_number() {
    let events = page("events.md");
    for (kind, name) in Body::KINDS {
        assert!(events.contains(&format!("\n### {} {name}\n", kind.0)), "{name}");
    }
}

#[test]
fn every_kind_is_specified_with_its_fields_in_order() {
    for (kind, name) in Body::KINDS {
        let section = match *name {
            "grant.issued" => section(&page("grants.md"), "## grant-body"),
            _ => section(&page("events.md"), &format!("### {} {name}", kind.0)),
        };
        assert_eq!(documented_fields(&section), fields_of_vector(name), "{name}");
    }
}

#[test]
fn every_limit_is_specified_with_its_value() {
    let page = page("limits.md");
    let source = fs::read_to_string(root().join("schemas/src/limits.rs")).expect("readable");
    let names: Vec<_> = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split_once(':').map(|(name, _)| name))
        .collect();
    assert_eq!(names, LIMITS.map(|(name, _)| name));
    for (name, value) in LIMITS {
        assert!(page.contains(&format!("| `{name}` | {value} |")), "{name} is {value}");
    }
}

#[test]
fn the_worked_examples_are_those_of_the_vectors() {
    let run = fs::read_to_string(root().join("schemas/golden/v1/runs/device.json")).expect("readable");
    let chains = page("runs-and-chains.md");
    let signature =
        chains.lines().find_map(|line| line.strip_prefix("| signature | `")).expect("a signature");
    assert!(run.contains(signature.trim_end_matches("` |")));

    let bundle = fs::read(root().join("schemas/golden/v1/files/bundle.cfbundle")).expect("readable");
    let (content, digest) = bundle.split_at(bundle.len() - 32);
    let digest = Digest::from_slice(digest).expect("32 bytes were split off");
    let files = page("files.md");
    assert!(files.contains(&format!("of the vectors, {} bytes", bundle.len())));
    assert!(files.contains(&format!("| {} | `{digest}` | digest |", content.len())));

    let request =
        fs::read_to_string(root().join("schemas/golden/codes/v1/written/request.json")).expect("readable");
    let codes = page("codes.md");
    let code = codes.lines().find_map(|line| line.strip_prefix("| code | `")).expect("a code");
    assert!(request.contains(code.trim_end_matches("` |")));

    let section = section(&codes, "### Example");
    let mut examples = section.split("\nAnd ");
    for name in ["unlock-with-quotas", "return"] {
        let path = root().join(format!("schemas/golden/codes/v1/messages/{name}.json"));
        let vector = fs::read_to_string(path).expect("readable");
        let example = examples.next().expect("an example of each");
        assert!(example.contains(&format!("`messages/{name}.json`")), "{name}");
        let values = example.lines().filter_map(|line| line.split_once(" | `")?.1.strip_suffix("` |"));
        assert!(values.clone().count() >= 6, "{name}");
        for value in values {
            assert!(vector.contains(value), "{name}: {value}");
        }
    }
}

#[test]
fn every_decode_error_is_specified() {
    let page = page("canonical.md");
    for error in DECODE_ERRORS {
        assert!(page.contains(&format!("`{}`", error.code())), "{error}");
    }
}

const LIMITS: [(&str, u64); 21] = [
    ("CORE_BYTES", limits::CORE_BYTES as u64),
    ("TEXT_BYTES", limits::TEXT_BYTES as u64),
    ("REF_BYTES", limits::REF_BYTES as u64),
    ("RUN_EVENTS", limits::RUN_EVENTS as u64),
    ("RUN_BYTES", limits::RUN_BYTES as u64),
    ("BUNDLE_CHAINS", limits::BUNDLE_CHAINS as u64),
    ("BUNDLE_BYTES", limits::BUNDLE_BYTES),
    ("PARKED_RUNS", limits::PARKED_RUNS as u64),
    ("PARKED_BYTES", limits::PARKED_BYTES as u64),
    ("BRANCHES", limits::BRANCHES as u64),
    ("ATTACHMENT_BYTES", limits::ATTACHMENT_BYTES as u64),
    ("GRANT_BYTES", limits::GRANT_BYTES as u64),
    ("CERTIFICATE_BYTES", limits::CERTIFICATE_BYTES as u64),
    ("PACK_BYTES", limits::PACK_BYTES as u64),
    ("FEATURES", limits::FEATURES as u64),
    ("AIR_GAPPED_POLICIES", limits::AIR_GAPPED_POLICIES as u64),
    ("LIST_ENTRIES", limits::LIST_ENTRIES as u64),
    ("NESTING", limits::NESTING as u64),
    ("TOTAL_MAX", limits::TOTAL_MAX),
    ("PLACE_MAX", limits::PLACE_MAX),
    ("CODE_GROUPS", limits::CODE_GROUPS as u64),
];

const DECODE_ERRORS: [DecodeError; 17] = [
    DecodeError::Truncated,
    DecodeError::TrailingBytes,
    DecodeError::NotMinimal,
    DecodeError::Map,
    DecodeError::Float,
    DecodeError::Nil,
    DecodeError::Boolean,
    DecodeError::Extension,
    DecodeError::Negative,
    DecodeError::NotUtf8,
    DecodeError::TooLong,
    DecodeError::TooDeep,
    DecodeError::WrongArity,
    DecodeError::WrongType,
    DecodeError::OutOfRange,
    DecodeError::UnknownKind,
    DecodeError::UnknownVersion,
];

fn table_of_codes() -> String {
    let mut table = String::from(
        "# Codes\n\n\
         Every refusal that a person or a program can meet, by the word that never changes its meaning. `counterfoil\n\
         explain CODE` tells the same. This page is made from the table in `schemas/src/codes.rs`.\n\n\
         `exit` is the exit code of a program that ends with it, `HTTP` the status of an answer that carries it.\n\n\
         | code | exit | HTTP | title | meaning | way out |\n|---|---|---|---|---|---|\n",
    );
    for code in Code::ALL {
        let entry = code.entry();
        let (exit, status) = (code.exit().number(), code.status());
        let cells = [entry.title, entry.meaning, entry.hint].map(|text| text.replace('|', "\\|"));
        writeln!(table, "| `{code}` | {exit} | {status} | {} |", cells.join(" | "))
            .expect("a string takes every write");
    }
    table
}

/// The fields of a kind as its golden vector shows them: the names at the first level of its content.
fn fields_of_vector(name: &str) -> Vec<String> {
    let path = root().join(format!("schemas/golden/v1/events/{name}.json"));
    let vector = fs::read_to_string(path).expect("every kind has a vector");
    // Six blanks: the fields of `content.body`, in the order in which they are written.
    vector
        .lines()
        .filter_map(|line| line.strip_prefix("      \"")?.split_once("\":"))
        .map(|(field, _)| field.to_owned())
        .collect()
}

fn documented_fields(section: &str) -> Vec<String> {
    section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(field, _)| field.to_owned())
        .collect()
}

/// What stands below `heading`, up to the next heading.
fn section(page: &str, heading: &str) -> String {
    let below = page.split_once(&format!("\n{heading}\n")).map_or("", |(_, below)| below);
    below.split("\n#").next().unwrap_or_default().to_owned()
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs/formats").join(name)).expect("the page is there")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
