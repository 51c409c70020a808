//! The shape of the workspace: which crate may know which, and what lies at the top of the repository.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The normal and build dependencies of every crate of the workspace, by package name.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages.iter().map(|package| (name(package), used_by(package))).collect()
}

fn used_by(package: &Value) -> BTreeSet<String> {
    let dependencies = package["dependencies"].as_array().expect("dependencies");
    dependencies.iter().filter(|dependency| dependency["kind"] != "dev").map(name).collect()
}

fn name(value: &Value) -> String {
    value["name"].as_str().expect("a name").to_owned()
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

const SCHEMAS: &str = "counterfoil-schemas";
const LEDGER: &str = "counterfoil-ledger";
const AGENT: &str = "counterfoil-sync-agent";
const RECONCILER: &str = "counterfoil-reconciler";

#[test]
fn each_crate_knows_only_those_below_it() {
    let dependencies = dependencies();
    let own: BTreeSet<String> = dependencies.keys().cloned().collect();
    let allowed = [
        (SCHEMAS, set(&[])),
        (LEDGER, set(&[SCHEMAS])),
        (AGENT, set(&[SCHEMAS, LEDGER])),
        (RECONCILER, set(&[SCHEMAS, LEDGER])),
    ];
    for (package, below) in allowed {
        let used: BTreeSet<String> = dependencies[package].intersection(&own).cloned().collect();
        assert!(used.is_subset(&below), "{package} uses {used:?}");
    }
    let known = set(&[SCHEMAS, LEDGER, AGENT, RECONCILER, "counterfoil-tests", "counterfoil-benches"]);
    assert_eq!(own, known);
}

#[test]
fn nobody_depends_on_tests_and_benches() {
    for (package, used) in dependencies() {
        assert!(!used.contains("counterfoil-tests"), "{package}");
        assert!(!used.contains("counterfoil-benches"), "{package}");
    }
}

#[test]
fn the_lower_layers_do_without_what_belongs_above() {
    let dependencies = dependencies();
    let forbidden = [
        (SCHEMAS, &["rusqlite", "refinery", "ed25519-dalek", "getrandom", "tokio"][..]),
        (LEDGER, &["tokio", "clap"]),
        (AGENT, &["tokio", "rusqlite"]),
    ];
    for (package, names) in forbidden {
        for name in names {
            assert!(!dependencies[package].contains(*name), "{package} uses {name}");
        }
    }
}

/// What is built from the lower crates holds no tokio at any depth, so that an application can embed the agent.
#[test]
fn the_agent_holds_no_tokio_at_any_depth() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--edges", "normal,build", "--prefix", "none", "-p", AGENT])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let tree = String::from_utf8_lossy(&output.stdout);
    assert!(tree.contains(LEDGER), "{}", String::from_utf8_lossy(&output.stderr));
    let tokio: Vec<&str> = tree.lines().filter(|line| line.starts_with("tokio")).collect();
    assert_eq!(tokio, [""; 0]);
}

#[test]
fn the_top_of_the_repository_holds_what_it_should_and_nothing_else() {
    let needed = set(&[
        ".ci",
        ".gitignore",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "benches",
        "clippy.toml",
        "docs",
        "ledger",
        "reconciler",
        "rustfmt.toml",
        "schemas",
        "sync-agent",
        "tests",
    ]);
    // What builds and tools of a working copy leave there.
    let passing = set(&[".git", "target", "counterfoil-home"]);
    let entries = std::fs::read_dir(root()).expect("the repository");
    let found: BTreeSet<String> =
        entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect();
    let found: BTreeSet<String> = found.difference(&passing).cloned().collect();
    assert_eq!(found, needed);
}
