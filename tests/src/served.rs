//! A service of a lab's vendor, in a process of its own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, ExitStatus};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use crate::http::{self, Answer};
use crate::lab::{Lab, text};

/// The service. It is killed when it is dropped.
#[derive(Debug)]
pub struct Served {
    child: Child,
    /// What it printed when it began.
    pub started: Value,
    /// Where it listens.
    pub address: SocketAddr,
    /// Kept open: a service that cannot write there would still serve.
    _stdout: BufReader<ChildStdout>,
    log: Option<JoinHandle<String>>,
}

/// A bundle's media type.
pub const BUNDLE: &str = "application/vnd.counterfoil.bundle";

impl Lab {
    /// Serves the home, on a free port unless the options name one, and returns once requests are taken.
    #[track_caller]
    pub fn serve(&self, options: &str) -> Served {
        Served::begun(self.start_vendor(&serve_line(options)))
    }

    /// The same where the system trusts the authorities in a PEM file of the lab, and no others.
    #[track_caller]
    pub fn serve_trusting(&self, options: &str, authorities: &str) -> Served {
        let authorities = self.path(authorities).display().to_string();
        Served::begun(self.start_vendor_with(&serve_line(options), &[("SSL_CERT_FILE", &authorities)]))
    }
}

fn serve_line(options: &str) -> String {
    let listen = if options.contains("--listen ") { "" } else { "--listen 127.0.0.1:0" };
    format!("serve {listen} {options}")
}

impl Served {
    #[track_caller]
    fn begun(mut child: Child) -> Self {
        let mut log = child.stderr.take().expect("stderr is a pipe");
        let log = thread::spawn(move || {
            let mut lines = String::new();
            drop(log.read_to_string(&mut lines));
            lines
        });
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("readable");
        let started: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        let address = text(&started, "listen").parse().expect("an address");
        Self { child, started, address, _stdout: stdout, log: Some(log) }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Gets a path.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        http::send(self.address, &http::request("GET", path, &[], b"")).expect("it answers")
    }

    /// Exchanges a bundle for what it is answered.
    #[track_caller]
    pub fn exchange(&self, bundle: &[u8]) -> Answer {
        http::send(self.address, &Self::exchange_request(bundle)).expect("it answers")
    }

    /// The request that exchanges a bundle.
    pub fn exchange_request(bundle: &[u8]) -> Vec<u8> {
        http::request("POST", "/v1/exchange", &[("content-type", BUNDLE)], bundle)
    }

    /// Uploads what is to be merged, and waits until it is. Returns the import as it is shown then.
    ///
    /// # Panics
    /// If it is not taken.
    #[track_caller]
    pub fn import(&self, token: &str, name: &str, bytes: &[u8]) -> Value {
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", &*authorization), ("content-type", "application/octet-stream")];
        let upload = http::request("POST", &format!("/v1/imports?name={name}"), &headers, bytes);
        let accepted = http::send(self.address, &upload).expect("it answers");
        assert_eq!(accepted.status, 202, "{accepted:?}");
        let look = http::request("GET", accepted.header("location"), &headers[..1], b"");
        loop {
            let import = http::send(self.address, &look).expect("it answers").json();
            if ["done", "failed"].contains(&text(&import, "state").as_str()) {
                return import;
            }
        }
    }

    /// Sends a signal by its name, as `TERM`.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill is there").success());
    }

    /// Waits for its end; what it logged is returned beside.
    ///
    /// # Panics
    /// If it cannot be waited for.
    #[track_caller]
    pub fn wait(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().expect("a child that was started can be waited for");
        let log = self.log.take().expect("it is taken once").join().expect("a reader does not fail");
        (status, log)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
