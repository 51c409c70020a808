//! The program from outside: exit codes, what goes to which stream, and how refusals look to programs.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The program in an empty directory, with none of the caller's own options.
fn counterfoil(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_counterfoil"));
    command.args(args).current_dir(directory).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("COUNTERFOIL_") {
            command.env_remove(name);
        }
    }
    command
}

fn run(directory: &Path, args: &[&str]) -> Output {
    counterfoil(directory, args).output().expect("the program was built")
}

fn exit(output: &Output) -> i32 {
    output.status.code().expect("it was not killed")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[test]
fn each_outcome_has_its_exit_code() {
    let directory = directory();
    std::fs::write(directory.path().join("other.bin"), b"not ours").expect("writable");
    for (args, expected) in [
        (&["--version"][..], 0),
        (&["init", "--help"], 0),
        (&[], 2),
        (&["frobnicate"], 2),
        (&["init", "--nonsense"], 2),
        (&["--config", "missing.toml", "doctor"], 2),
        (&["init", "--store", "mysql://db/ledger"], 2),
        (&["doctor"], 3),
        (&["explain", "no_such_code"], 3),
        (&["explain", "chain_fork"], 0),
        (&["show", "missing.bin"], 1),
        (&["show", "other.bin"], 5),
        (&["verify", "other.bin"], 5),
        (&["init"], 0),
        (&["init"], 1),
        (&["doctor"], 6),
        (&["keys", "show"], 0),
        (&["config", "show"], 0),
        (&["completions", "zsh"], 0),
    ] {
        let output = run(directory.path(), args);
        assert_eq!(exit(&output), expected, "{args:?}: {output:?}");
    }
}

#[test]
fn a_doctor_that_finds_nothing_ends_well_once_the_root_key_is_away() {
    let directory = directory();
    assert_eq!(exit(&run(directory.path(), &["init"])), 0);
    let key = directory.path().join("counterfoil-home/keys/root.key");
    std::fs::rename(key, directory.path().join("root.key")).expect("writable");
    assert_eq!(exit(&run(directory.path(), &["doctor"])), 0);
    let keys = json(&run(directory.path(), &["keys", "show", "--json"]));
    assert_eq!(keys["root_key"], "elsewhere");
}

#[test]
fn a_doctor_finds_a_ledger_that_is_gone_and_makes_none() {
    let directory = directory();
    assert_eq!(exit(&run(directory.path(), &["init"])), 0);
    let home = directory.path().join("counterfoil-home");
    std::fs::rename(home.join("keys/root.key"), directory.path().join("root.key")).expect("writable");
    std::fs::rename(home.join("ledger.db"), directory.path().join("ledger.db")).expect("init made it");
    assert_eq!(exit(&run(directory.path(), &["doctor"])), 6);
    assert!(!home.join("ledger.db").exists());
}

#[test]
fn a_refusal_is_an_object_on_stdout_for_programs_and_words_on_stderr_for_people() {
    let directory = directory();
    for (args, code) in
        [(&["doctor"][..], "home_missing"), (&["init", "--nonsense"], "usage"), (&[], "usage")]
    {
        let words = run(directory.path(), args);
        assert!(words.stdout.is_empty() && !words.stderr.is_empty(), "{args:?}");
        let refusal = run(directory.path(), &[args, &["--json"]].concat());
        assert_eq!(json(&refusal)["code"], code);
        assert!(json(&refusal)["hint"].is_string() && json(&refusal)["detail"].is_string());
        assert!(refusal.stderr.is_empty(), "{args:?}");
        let by_environment = counterfoil(directory.path(), args).env("COUNTERFOIL_OUTPUT", "json").output();
        assert_eq!(json(&by_environment.expect("the program was built"))["code"], code);
    }
}

#[test]
fn every_result_is_one_json_document() {
    let directory = directory();
    for args in [
        &["init"][..],
        &["config", "show"],
        &["keys", "show"],
        &["keys", "certificate"],
        &["doctor"],
        &["explain"],
        &["explain", "chain_gap"],
        &["completions", "bash"],
    ] {
        let output = run(directory.path(), &[args, &["--json"]].concat());
        assert!(json(&output).is_object(), "{args:?}");
        assert_eq!(output.stdout.split_inclusive(|byte| *byte == b'\n').count(), 1, "{args:?}");
    }
}

#[test]
fn a_closed_stdout_is_no_failure() {
    let directory = directory();
    let mut child = counterfoil(directory.path(), &["explain"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((exit(&output), output.stderr), (0, Vec::new()));
}

#[test]
fn a_passphrase_comes_by_file_or_by_environment_and_is_never_shown() {
    let directory = directory();
    std::fs::write(directory.path().join("passphrase.txt"), "tally stick\nsecond line\n").expect("writable");
    let by_file = run(directory.path(), &["--home", "one", "init", "--passphrase-file", "passphrase.txt"]);
    let by_environment = counterfoil(directory.path(), &["--home", "two", "init"])
        .env("COUNTERFOIL_ROOT_PASSPHRASE", "tally stick")
        .output()
        .expect("the program was built");
    for (home, output) in [("one", by_file), ("two", by_environment)] {
        assert_eq!(exit(&output), 0);
        assert!(!String::from_utf8_lossy(&output.stdout).contains("tally"));
        let keys = json(&run(directory.path(), &["--home", home, "keys", "show", "--json"]));
        assert_eq!(keys["root_key"], "in_home_sealed");
    }
}

#[test]
fn the_certificate_is_written_as_it_is_carried() {
    let directory = directory();
    run(directory.path(), &["init"]);
    let output = run(directory.path(), &["keys", "certificate", "-o", "issuer.cert", "--json"]);
    let written = std::fs::read(directory.path().join("issuer.cert")).expect("written");
    let kept = std::fs::read(directory.path().join("counterfoil-home/keys/issuer.cert")).expect("made");
    assert_eq!(written, kept);
    assert_eq!(json(&output)["environment"], "production");
}

#[test]
fn options_show_where_they_came_from() {
    let directory = directory();
    run(directory.path(), &["--home", "here", "init", "--portal", "https://licences.example.com"]);
    std::fs::write(directory.path().join("here/config.toml"), "jobs = 3\n").expect("writable");
    let output =
        counterfoil(directory.path(), &["config", "show", "--json"]).env("COUNTERFOIL_HOME", "here").output();
    let settings = json(&output.expect("the program was built"));
    let source = |name: &str| {
        let rows = settings["settings"].as_array().expect("a list");
        rows.iter().find(|row| row["name"] == name).map(|row| row["source"].clone()).expect(name)
    };
    for (name, expected) in [
        ("home", "environment"),
        ("output", "flag"),
        ("jobs", "file"),
        ("portal", "home"),
        ("environment", "home"),
        ("config", "default"),
    ] {
        assert_eq!(source(name), expected, "{name}");
    }
}
