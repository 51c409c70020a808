//! The program: exit codes, JSON, files.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use counterfoil_sync_agent::wall_clock::{Clock as _, SystemClock};
use schemas::numbers::Micros;
use serde_json::Value;
use tempfile::TempDir;

use crate::vendor::{Vendor, license_key};

/// A folder in which the program is run.
pub(crate) struct Shell {
    folder: TempDir,
    vendor: Vendor,
}

impl Shell {
    pub(crate) fn new() -> Self {
        let shell =
            Self { folder: tempfile::tempdir().expect("a temporary directory"), vendor: Vendor::new() };
        fs::write(shell.path("studio.cfpack"), shell.vendor.pack()).expect("writable");
        shell
    }

    fn activated() -> Self {
        let mut shell = Self::new();
        shell.activate();
        let request = fs::read(shell.path("request.cfbundle")).expect("written");
        let grant = shell.vendor.answer(&request, now(), |_| {});
        fs::write(shell.path("request.cfgrant"), grant).expect("writable");
        shell.succeeds(&["apply", "request.cfgrant"]);
        shell
    }

    fn activate(&self) -> Value {
        let key = license_key().reveal();
        let args =
            ["--pack", "studio.cfpack", "activate", "--license-key", &key, "--request", "request.cfbundle"];
        self.succeeds(&args)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_counterfoil-agent"));
        command.args(args).current_dir(self.folder.path()).env_clear().env("COUNTERFOIL_OUTPUT", "json");
        command
    }

    pub(crate) fn start(&self, args: &[&str]) -> Child {
        let piped = Stdio::piped;
        let mut command = self.command(args);
        command.stdin(piped()).stdout(piped()).stderr(piped()).spawn().expect("the program starts")
    }

    pub(crate) fn run(&self, args: &[&str], stdin: &str) -> Output {
        let mut child = self.start(args);
        let mut input = child.stdin.take().expect("piped");
        let stdin = stdin.to_owned();
        // A program that stops early reads no further; what it says is what is tested.
        let writer = thread::spawn(move || input.write_all(stdin.as_bytes()).is_ok());
        let output = child.wait_with_output().expect("it ends");
        writer.join().expect("no panic");
        output
    }

    fn documents(output: &Output) -> Vec<Value> {
        let told = String::from_utf8_lossy(&output.stdout);
        told.lines().map(|line| serde_json::from_str(line).expect("a document a line")).collect()
    }

    /// Runs a command that must succeed, and reads its documents, one a line.
    fn lines(&self, args: &[&str], stdin: &str) -> Vec<Value> {
        let output = self.run(args, stdin);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        Self::documents(&output)
    }

    /// Runs a command that must exit with `exit`, and reads its one document.
    pub(crate) fn exits(&self, exit: i32, args: &[&str]) -> Value {
        let output = self.run(args, "");
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            output.status.code(),
            Some(exit),
            "{args:?}: {told}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_str(&told).unwrap_or_else(|error| panic!("{args:?}: {error}: {told}"))
    }

    pub(crate) fn succeeds(&self, args: &[&str]) -> Value {
        self.exits(0, args)
    }

    pub(crate) fn refused(&self, exit: i32, args: &[&str]) -> String {
        let refusal = self.exits(exit, args);
        assert!(refusal["hint"].as_str().is_some_and(|hint| !hint.is_empty()));
        refusal["code"].as_str().expect("a code").to_owned()
    }
}

pub(crate) fn now() -> Micros {
    SystemClock.read().wall
}

#[test]
fn every_step_of_a_devices_life_is_a_command() {
    let mut shell = Shell::new();
    assert_eq!(shell.succeeds(&["status"])["state"], "unregistered");
    assert_eq!(shell.exits(4, &["check", "render"])["code"], "not_activated");

    let asked = shell.activate();
    assert_eq!((&asked["state"], &asked["license_id"]), (&Value::from("pending"), &Value::Null));
    let request = fs::read(shell.path("request.cfbundle")).expect("written");
    fs::write(shell.path("request.cfgrant"), shell.vendor.answer(&request, now(), |_| {})).expect("writable");
    let applied = shell.succeeds(&["apply", "request.cfgrant"]);
    assert_eq!((&applied["state"], &applied["chain"]), (&Value::from("active"), &asked["chain"]));

    let checked = shell.succeeds(&["check", "render"]);
    assert_eq!((&checked["allowed"], &checked["code"]), (&Value::from(true), &Value::from("allowed")));
    assert_eq!(shell.succeeds(&["consume", "render", "5"])["total"], 5);
    shell.succeeds(&["set", "site", "plant 7"]);

    shell.succeeds(&["report", "-o", "usage.cfbundle"]);
    let usage = fs::read(shell.path("usage.cfbundle")).expect("written");
    fs::write(shell.path("usage.cfgrant"), shell.vendor.answer(&usage, now(), |_| {})).expect("writable");
    shell.succeeds(&["apply", "usage.cfgrant"]);
    assert_eq!(shell.refused(4, &["apply", "request.cfgrant"]), "superseded");

    shell.succeeds(&["deactivate", "--file", "bye.cfbundle"]);
    let status = shell.succeeds(&["status"]);
    assert_eq!((&status["state"], &status["chain"]), (&Value::from("deactivated"), &asked["chain"]));
    shell.succeeds(&["verify"]);
    shell.succeeds(&["verify", "bye.cfbundle"]);
    shell.succeeds(&["show", "bye.cfbundle"]);
    shell.succeeds(&["verify", "usage.cfgrant"]);
    shell.succeeds(&["doctor"]);
}

#[test]
fn refusals_have_their_codes_and_exits() {
    let shell = Shell::new();
    assert_eq!(shell.refused(2, &["consume"]), "usage");
    assert_eq!(shell.refused(2, &["frobnicate"]), "usage");
    assert_eq!(shell.refused(3, &["explain", "nonsense"]), "code_unknown");
    assert_eq!(shell.refused(4, &["report", "-o", "x"]), "not_activated");
    assert_eq!(
        shell.refused(2, &["activate", "--license-key", "short", "--request", "x"]),
        "license_key_mistyped"
    );
    let key = license_key().reveal();
    assert_eq!(shell.refused(2, &["activate", "--license-key", &key, "--request", "x"]), "pack_missing");
    assert_eq!(shell.refused(1, &["--pack", "none", "status"]), "io_failed");
    assert_eq!(shell.refused(5, &["show", "/dev/null"]), "unknown_file");

    let shell = Shell::activated();
    assert_eq!(shell.refused(2, &["consume", "render", "0"]), "amount_invalid");
    assert_eq!(shell.refused(2, &["consume", "render", "-5"]), "amount_invalid");
    assert_eq!(shell.refused(2, &["consume", "render", "4294967296"]), "amount_invalid");
    assert_eq!(shell.refused(4, &["consume", "render", "101"]), "quota_exhausted");
    assert_eq!(shell.refused(4, &["consume", "export"]), "feature_not_metered");
    assert_eq!(shell.refused(4, &["consume", "miles", "--used-at", "2999-01-01"]), "used_at_in_future");
    assert_eq!(shell.refused(2, &["set", "site", &"x".repeat(257)]), "text_invalid");
    assert_eq!(shell.refused(2, &["set", "", "plant 7"]), "text_invalid");
    assert_eq!(shell.refused(2, &["consume", "miles", "--ref", ""]), "text_invalid");
    assert_eq!(shell.refused(5, &["apply", "studio.cfpack"]), "wrong_file");
    let key = license_key().reveal();
    let again = ["activate", "--license-key", &key, "--request", "x"];
    assert_eq!(shell.refused(4, &again), "already_activated");
    assert_eq!(shell.exits(4, &["check", "beta"])["code"], "feature_absent");
    assert_eq!(shell.exits(4, &["check", "--release-date", "2999-01-01"])["code"], "version_not_covered");

    fs::write(shell.path("counterfoil-state/chain.db"), b"").expect("writable");
    assert_eq!(shell.exits(5, &["check", "render"])["code"], "needs_repair");
    assert_eq!(shell.refused(5, &["consume", "miles"]), "needs_repair");
    assert_eq!(shell.succeeds(&["status"])["state"], "damaged");
    assert_eq!(shell.exits(6, &["doctor"])["findings"].as_array().map(Vec::len), Some(1));
}

#[test]
fn only_an_activation_makes_the_state_directory() {
    let shell = Shell::new();
    fs::write(shell.path("batch"), "{}").expect("writable");
    for args in [
        &["consume", "miles"][..],
        &["consume", "--batch", "batch"],
        &["set", "site", "plant 7"],
        &["apply", "studio.cfpack"],
        &["deactivate", "--file", "bye.cfbundle"],
        &["report", "-o", "usage.cfbundle"],
        &["verify"],
    ] {
        assert_eq!(shell.refused(4, args), "not_activated", "{args:?}");
    }
    shell.succeeds(&["status"]);
    assert!(!shell.path("counterfoil-state").exists());
    shell.activate();
    assert!(shell.path("counterfoil-state").exists());
}

#[test]
fn a_value_that_is_not_here_is_not_known() {
    let shell = Shell::activated();
    shell.succeeds(&["set", "site", "plant 7"]);
    let db = rusqlite::Connection::open(shell.path("counterfoil-state/chain.db")).expect("opens");
    db.execute("DELETE FROM attachments", []).expect("executes");
    drop(db);
    let output = shell.command(&["history"]).env_remove("COUNTERFOIL_OUTPUT").output().expect("it runs");
    assert!(String::from_utf8_lossy(&output.stdout).contains("site = (not known)"));
}

#[test]
fn a_batch_is_acknowledged_line_by_line_and_can_be_repeated() {
    let shell = Shell::activated();
    let mut batch = String::new();
    for n in 0..600 {
        let line = format!(r#"{{"feature":"miles","n":2,"ref":"job-{n}","used_at":"2013-01-01T10:00:00Z"}}"#);
        batch.push_str(&line);
        batch.push('\n');
    }
    let first = shell.lines(&["consume", "--batch", "-"], &batch);
    assert_eq!(first.len(), 600);
    assert_eq!((&first[599]["line"], &first[0]["repeated"]), (&Value::from(600), &Value::from(false)));
    let again = shell.lines(&["consume", "--batch", "-"], &batch);
    assert_eq!(again[599]["seq"], first[599]["seq"]);
    assert!(again.iter().all(|line| line["repeated"] == true));
    assert_eq!(shell.succeeds(&["consume", "miles", "1", "--used-at", "2013-01-31"])["total"], 1_201);
}

#[test]
fn a_batch_stops_at_the_first_bad_line_and_keeps_those_before_it() {
    let shell = Shell::activated();
    let good = r#"{"feature":"render","n":60}"#;
    for (bad, exit, code) in [("{}", 2, "batch_invalid"), (good, 4, "quota_exhausted")] {
        let batch = format!("{}\n{bad}\n{good}\n", r#"{"feature":"render","n":30}"#);
        let output = shell.run(&["consume", "--batch", "-"], &batch);
        assert_eq!(output.status.code(), Some(exit));
        let told = Shell::documents(&output);
        assert_eq!((told.len(), &told[0]["line"]), (2, &Value::from(1)));
        assert_eq!(told[1]["code"], code);
        assert!(told[1]["detail"].as_str().is_some_and(|detail| detail.starts_with("line 2")));
    }
    assert_eq!(shell.succeeds(&["check", "render"])["remaining"], 40);
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let shell = Shell::activated();
    let mut child = shell.start(&["consume", "--batch", "-"]);
    let mut stdin = child.stdin.take().expect("piped");
    let writer = thread::spawn(move || {
        let lines = "{\"feature\":\"miles\",\"n\":1}\n".repeat(256);
        while stdin.write_all(lines.as_bytes()).is_ok() {}
    });
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut last = String::new();
    for _ in 0..1_000 {
        last.clear();
        stdout.read_line(&mut last).expect("it acknowledges");
    }
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    writer.join().expect("no panic");
    let acknowledged: Value = serde_json::from_str(&last).expect("a document");
    let verified = shell.succeeds(&["verify"]);
    assert!(verified["events"].as_u64() >= acknowledged["seq"].as_u64());
    assert_eq!(acknowledged["line"], 1_000);
}

#[test]
fn files_travel_as_text_and_through_pipes() {
    let mut shell = Shell::new();
    let key = license_key().reveal();
    fs::write(shell.path("key.txt"), format!("{key}\n")).expect("writable");
    let args =
        ["--pack", "studio.cfpack", "activate", "--license-key-file", "key.txt", "--request", "-", "--armor"];
    let text = shell.run(&args, "").stdout;
    assert!(text.starts_with(b"-----BEGIN COUNTERFOIL BUNDLE-----"));
    let bundle = schemas::armor::dearmor(text).expect("armored");
    let grant = shell.vendor.answer(&bundle, now(), |_| {});
    let text = schemas::armor::armor(schemas::container::FileKind::Grants, &grant);
    let applied = shell.run(&["apply", "-"], &text.replace('\n', "\r\n"));
    assert_eq!(applied.status.code(), Some(0));
    shell.succeeds(&["report", "-o", "usage.txt", "--armor"]);
    shell.succeeds(&["verify", "usage.txt"]);
    let history = shell.lines(&["history"], "");
    let kinds: Vec<_> = history.iter().map(|event| event["kind"].as_str().unwrap_or_default()).collect();
    assert_eq!(kinds, ["chain.opened", "activation.requested", "agent.started", "grant.applied"]);
}

#[test]
fn people_are_told_in_words() {
    let shell = Shell::activated();
    let said = |args: &[&str]| {
        let output = shell.command(args).env_remove("COUNTERFOIL_OUTPUT").output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (exit, text) = said(&["status"]);
    assert_eq!(exit, Some(0));
    for word in ["active", "render", "100 left", "check in by"] {
        assert!(text.contains(word), "{word} in {text}");
    }
    let (exit, text) = said(&["consume", "render", "1000"]);
    assert_eq!(exit, Some(4));
    assert!(text.contains("[quota_exhausted]") && text.contains("hint:"), "{text}");
    for args in [&["completions", "bash"][..], &["explain"], &["help"], &["history"], &["doctor"]] {
        assert_eq!(said(args).0, Some(0), "{args:?}");
    }
}
