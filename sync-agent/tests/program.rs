//! The program from outside: exit codes, JSON, files.

mod vendor;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use counterfoil_sync_agent::wall_clock::{Clock as _, SystemClock};
use schemas::numbers::Micros;
use serde_json::Value;
use tempfile::TempDir;
use vendor::Vendor;

/// A folder in which the program is run.
struct Shell {
    folder: TempDir,
    vendor: Vendor,
}

impl Shell {
    fn new() -> Self {
        let shell = Self { folder: tempfile::tempdir().expect("a temporary directory"), vendor: Vendor::new() };
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
        let key = self.vendor.license_key().reveal();
        let args = ["--pack", "studio.cfpack", "activate", "--license-key", &key, "--request", "request.cfbundle"];
        self.succeeds(&args)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, args: &[&str], stdin: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_counterfoil-agent"))
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("COUNTERFOIL_OUTPUT", "json")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        child.stdin.take().expect("piped").write_all(stdin.as_bytes()).expect("it reads");
        child.wait_with_output().expect("it ends")
    }

    /// Runs a command that must exit with `exit`, and reads its one document.
    fn exits(&self, exit: i32, args: &[&str]) -> Value {
        let output = self.run(args, "");
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(exit), "{args:?}: {told}{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&told).unwrap_or_else(|error| panic!("{args:?}: {error}: {told}"))
    }

    fn succeeds(&self, args: &[&str]) -> Value {
        self.exits(0, args)
    }

    fn refused(&self, exit: i32, args: &[&str]) -> String {
        let refusal = self.exits(exit, args);
        assert!(refusal["hint"].as_str().is_some_and(|hint| !hint.is_empty()));
        refusal["code"].as_str().expect("a code").to_owned()
    }
}

fn now() -> Micros {
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
