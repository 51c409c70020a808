//! The program over a connection: what it prints, how it exits, what it remembers.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use schemas::grant::{GrantBody, GrantStatus};
use schemas::text::Text;
use serde_json::Value;

use crate::program::{Shell, now};
use crate::transport::{certificate, pin};
use crate::vendor::license_key;
use crate::wire::{Act, Office, Wire};

fn vendor(change: impl FnMut(&mut GrantBody) + Send + 'static) -> (Arc<Mutex<Office>>, Wire) {
    let office = Office::new(now, change);
    let wire = Office::on_the_wire(&office);
    (office, wire)
}

fn activate(shell: &Shell, wire: &Wire) -> Value {
    let key = license_key().reveal();
    shell.succeeds(&["--pack", "studio.cfpack", "activate", "--license-key", &key, "--server", &wire.url()])
}

fn activated() -> (Shell, Wire) {
    let (shell, (_, wire)) = (Shell::new(), vendor(|_| {}));
    assert_eq!(activate(&shell, &wire)["state"], "active");
    (shell, wire)
}

#[test]
fn a_devices_life_needs_no_file() {
    let (shell, wire) = activated();
    let status = shell.succeeds(&["status"]);
    assert!(status["license_id"].is_string() && status["chain"].is_string());
    shell.succeeds(&["consume", "render", "5"]);
    let synced = shell.succeeds(&["sync"]);
    assert_eq!((&synced["state"], &synced["parts"]), (&Value::from("active"), &Value::from(1)));
    assert_eq!((&synced["chain"], &synced["license_id"]), (&status["chain"], &status["license_id"]));
    assert!(synced["events"].as_u64().is_some_and(|events| events >= 2));
    assert!(synced["changes"].is_array());
    let closed = shell.succeeds(&["deactivate", "--server", &wire.url()]);
    assert_eq!((&closed["state"], &closed["chain"]), (&Value::from("deactivated"), &status["chain"]));
    assert_eq!(shell.succeeds(&["status"])["unacknowledged"], 0);
}

#[test]
fn a_denied_request_says_why() {
    let (shell, (_, wire)) = (
        Shell::new(),
        vendor(|grant| {
            grant.status = GrantStatus::Denied;
            grant.entitlement = None;
            grant.reason = Text::new("no_seat_free");
        }),
    );
    let asked = activate(&shell, &wire);
    assert_eq!(
        (&asked["state"], &asked["why"]["code"]),
        (&Value::from("denied"), &Value::from("no_seat_free"))
    );
}

#[test]
fn an_activation_that_is_cut_is_finished_by_a_sync() {
    let (shell, (_, wire)) = (Shell::new(), vendor(|_| {}));
    wire.then([Act::Write(50)]);
    let (key, url) = (license_key().reveal(), wire.url());
    let args = ["--pack", "studio.cfpack", "activate", "--license-key", &key, "--server", &url];
    assert_eq!(shell.refused(7, &args), "server_unreachable");
    assert_eq!(shell.succeeds(&["status"])["state"], "pending");
    assert_eq!(shell.succeeds(&["sync"])["state"], "active");
    assert_eq!(shell.refused(4, &args), "already_activated");
}

#[test]
fn a_licence_that_is_given_back_is_given_back_whatever_the_network_does() {
    let (shell, wire) = activated();
    wire.then([Act::Close]);
    let refusal = shell.exits(7, &["deactivate", "--server", &wire.url()]);
    assert_eq!(refusal["code"], "server_unreachable");
    assert!(refusal["detail"].as_str().is_some_and(|detail| detail.contains("counterfoil-agent sync")));
    assert_eq!(shell.succeeds(&["status"])["state"], "deactivated");
    assert_eq!(shell.succeeds(&["sync"])["state"], "deactivated");
    assert_eq!(shell.succeeds(&["status"])["unacknowledged"], 0);
}

#[test]
fn other_commands_work_while_a_sync_waits() {
    let (shell, wire) = activated();
    let (came, has_come) = mpsc::channel();
    let (go_on, wait) = mpsc::channel();
    wire.then([Act::Hold(came, wait)]);
    let mut syncing = shell.start(&["sync"]);
    has_come.recv().expect("it asks");
    assert_eq!(shell.succeeds(&["consume", "render", "5"])["total"], 5);
    go_on.send(()).expect("it waits");
    assert_eq!(syncing.wait().expect("it ends").code(), Some(0));
    assert_eq!(shell.succeeds(&["check", "render"])["remaining"], 95);
}

#[test]
fn what_is_wrong_with_a_server_has_its_code_and_exit() {
    let (shell, wire) = activated();
    wire.then([Act::Say("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned())]);
    assert_eq!(shell.refused(7, &["sync"]), "server_invalid");
    assert_eq!(shell.refused(2, &["sync", "--server", "http://licences.example.com"]), "server_insecure");
    assert_eq!(shell.refused(2, &["sync", "--server", "licences.example.com"]), "usage");
    assert_eq!(shell.refused(2, &["sync", "--server-pin", "abc"]), "usage");
    assert_eq!(shell.refused(1, &["sync", "--server-ca", "none.pem"]), "io_failed");
    fs::remove_file(shell.path("counterfoil-state/server.json")).expect("it is remembered");
    assert_eq!(shell.refused(2, &["sync"]), "server_missing");
    shell.succeeds(&["sync", "--server", &wire.url()]);
}

#[test]
fn what_the_activation_said_of_a_server_is_remembered_with_its_address() {
    let (certificate, config) = certificate(None, &["licences.example.com"]);
    let wire = Office::over_tls(&Office::new(now, |_| {}), config);
    let (shell, key, url, pin) =
        (Shell::new(), license_key().reveal(), wire.url(), pin(&certificate).to_string());
    let args = ["--pack", "studio.cfpack", "activate", "--license-key", &key, "--server", &url];
    assert_eq!(shell.refused(5, &args), "server_untrusted");
    assert_eq!(shell.succeeds(&[&args[..], &["--server-pin", &pin]].concat())["state"], "active");
    shell.succeeds(&["sync"]);
    shell.succeeds(&["sync", "--server", &format!("{url}/")]);
    assert_eq!(shell.refused(5, &["sync", "--server-pin", &"7".repeat(64)]), "server_untrusted");
    assert_eq!(shell.refused(5, &["sync", "--server", &format!("{url}/other")]), "server_untrusted");
    let mut by_environment = shell.command(&["sync", "--server", &format!("{url}/other")]);
    let output = by_environment.env("COUNTERFOIL_SERVER_PIN", &pin).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn an_activation_goes_one_way() {
    let shell = Shell::new();
    let key = license_key().reveal();
    let asked = |more: &[&str]| {
        let args = [&["--pack", "studio.cfpack", "activate", "--license-key", &key], more].concat();
        shell.refused(2, &args)
    };
    assert_eq!(asked(&[]), "usage");
    assert_eq!(asked(&["--request", "x", "--server", "https://licences.example.com"]), "usage");
    assert_eq!(asked(&["--armor", "--server", "https://licences.example.com"]), "usage");
    assert!(!shell.path("counterfoil-state").exists());
}

/// The program while it runs by itself, and what it tells.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    fn start(shell: &Shell) -> Self {
        Self::start_with(shell, &[])
    }

    fn start_with(shell: &Shell, options: &[&str]) -> Self {
        let mut child = shell.start(&[&["run", "--json"], options].concat());
        let lines = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, lines }
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("it tells");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    fn ends(self, signal: Signal) -> Option<i32> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it runs");
        self.ends_itself()
    }

    fn ends_itself(mut self) -> Option<i32> {
        assert_eq!(self.next()["event"], "ended");
        self.child.wait().expect("it ends").code()
    }
}

#[test]
fn a_device_that_runs_reports_by_itself_and_outlives_its_server() {
    let (shell, wire) = activated();
    shell.succeeds(&["consume", "render", "5"]);
    wire.then([
        Act::Close,
        Act::Say("HTTP/1.1 503 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n".to_owned()),
    ]);
    let mut running = Running::start(&shell);
    assert_eq!(running.next()["event"], "started");
    let failed = running.next();
    assert_eq!(
        (&failed["event"], &failed["code"]),
        (&Value::from("failed"), &Value::from("server_unreachable"))
    );
    let refused = running.next();
    assert_eq!(refused["event"], "failed");
    assert!(refused["retry_in_s"].as_u64().is_some_and(|seconds| seconds >= 1), "{refused}");
    let synced = running.next();
    assert_eq!((&synced["event"], &synced["state"]), (&Value::from("synced"), &Value::from("active")));
    assert_eq!(shell.succeeds(&["consume", "render", "5"])["total"], 10);
    assert_eq!(running.ends(Signal::TERM), Some(0));
}

#[test]
fn a_device_that_runs_ends_at_once_when_it_is_told_to_while_it_waits_for_the_network() {
    let (shell, wire) = activated();
    for (signal, exit) in [(Signal::TERM, 0), (Signal::INT, 130)] {
        let (came, has_come) = mpsc::channel();
        let (go_on, wait) = mpsc::channel();
        wire.then([Act::Hold(came, wait)]);
        let mut running = Running::start(&shell);
        assert_eq!(running.next()["event"], "started");
        has_come.recv().expect("it asks");
        assert_eq!(running.ends(signal), Some(exit));
        drop(go_on);
    }
    shell.succeeds(&["sync"]);
    shell.succeeds(&["verify"]);
}

/// A device whose licence was given back asked the vendor for news once a day for ever.
#[test]
fn a_device_that_runs_ends_when_the_vendor_knows_that_the_licence_was_given_back() {
    let (shell, wire) = activated();
    let (came, has_come) = mpsc::channel();
    let (go_on, wait) = mpsc::channel();
    wire.then([Act::Hold(came, wait), Act::Close]);
    let mut running = Running::start_with(&shell, &["--every", "1s"]);
    assert_eq!(running.next()["event"], "started");
    has_come.recv().expect("it asks");
    shell.succeeds(&["deactivate", "--file", "bye.cfbundle"]);
    go_on.send(()).expect("it waits");
    // The answer knows nothing of it yet, and the next exchange is cut.
    for (event, told) in [("synced", "state"), ("failed", "code"), ("synced", "state")] {
        let line = running.next();
        assert_eq!(line["event"], event, "{line}");
        assert!(
            ["deactivated", "server_unreachable"].contains(&line[told].as_str().expect("told")),
            "{line}"
        );
    }
    assert_eq!(running.next()["event"], "deactivated");
    assert_eq!(running.ends_itself(), Some(0));
    assert_eq!(shell.succeeds(&["status"])["unacknowledged"], 0);
    // Whoever starts it again is told at once, and the vendor is not asked.
    let asked = wire.heads().len();
    let mut running = Running::start(&shell);
    assert_eq!(running.next()["event"], "started");
    assert_eq!(running.next()["event"], "deactivated");
    assert_eq!(running.ends_itself(), Some(0));
    assert_eq!(wire.heads().len(), asked);
    // A new activation is another matter.
    assert_eq!(activate(&shell, &wire)["state"], "active");
    let mut running = Running::start(&shell);
    assert_eq!(running.next()["event"], "started");
    assert_eq!(running.next()["event"], "synced");
    assert_eq!(running.ends(Signal::TERM), Some(0));
}

#[test]
fn a_device_that_runs_stays_while_its_licence_may_come_to_stand_again() {
    for status in [GrantStatus::Denied, GrantStatus::Suspended, GrantStatus::Revoked, GrantStatus::Released] {
        let (shell, (_, wire)) = (
            Shell::new(),
            vendor(move |grant| {
                grant.status = status;
                if status == GrantStatus::Denied {
                    grant.entitlement = None;
                }
            }),
        );
        activate(&shell, &wire);
        let mut running = Running::start(&shell);
        assert_eq!(running.next()["event"], "started");
        let synced = running.next();
        assert_eq!(synced["event"], "synced", "{synced}");
        assert_ne!(synced["state"], "active");
        assert_eq!(running.ends(Signal::TERM), Some(0));
    }
}

#[test]
fn only_an_activated_device_has_something_to_say() {
    let shell = Shell::new();
    for command in ["sync", "run", "deactivate"] {
        let args = [command, "--server", "https://licences.example.com"];
        assert_eq!(shell.refused(4, &args), "not_activated", "{command}");
    }
    assert_eq!(shell.refused(4, &["sync"]), "not_activated");
    assert!(!shell.path("counterfoil-state").exists());
}
