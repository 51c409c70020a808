//! A vendor with a ledger: sells licences, merges what devices send, and looks at what that takes on disk.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::Args;
use postgres::{Client, NoTls};
use serde_json::Value;

use crate::fleet::Fleet;
use crate::program::{Done, Program, Serving};

/// Where a vendor keeps the ledger.
#[derive(Args, Debug)]
pub(crate) struct StoreArgs {
    /// Keep the ledger here: an empty PostgreSQL database, instead of a file in the home
    #[arg(long, value_name = "URL", default_value = "sqlite:")]
    store: String,
}

/// A vendor whose home lies in the folder of a load.
#[derive(Debug)]
pub(crate) struct Vendor {
    program: Program,
    store: String,
}

impl Vendor {
    /// Opens a home in this folder with one product and a policy, and sells a licence to each of so many devices.
    pub(crate) fn with_fleet(
        work: &Path,
        store: &StoreArgs,
        devices: u64,
        seed: u64,
    ) -> anyhow::Result<(Self, Fleet)> {
        let vendor = Self::found(work, &store.store)?;
        let fleet = Fleet::new(seed, &vendor.sell(devices)?)?;
        Ok((vendor, fleet))
    }

    fn found(work: &Path, store: &str) -> anyhow::Result<Self> {
        let vendor = Self { program: Program::at(work), store: store.to_owned() };
        let run = |words: &[&str]| vendor.run(words);
        run(&["init", "--store", store])?;
        run(&["product", "create", "fleet", "--feature", "pages:metered"])?;
        run(&[
            "policy",
            "create",
            "standard",
            "--product",
            "fleet",
            "--type",
            "subscription",
            "--valid",
            "365d",
            "--quota",
            "pages=1000000000/month",
            "--sync-every",
            "30d",
            "--grace",
            "7d",
        ])?;
        Ok(vendor)
    }

    /// Runs a command.
    pub(crate) fn run(&self, words: &[&str]) -> anyhow::Result<Done> {
        self.program.run(words)
    }

    /// Serves the ledger over HTTP, without limits on how much one address or licence asks for.
    pub(crate) fn serve(&self, connections: usize) -> anyhow::Result<Serving> {
        let connections = (connections + 8).to_string();
        self.program.serve(&[
            "--rate-per-address",
            "0",
            "--rate-per-license",
            "0",
            "--connections",
            &connections,
        ])
    }

    /// Issues so many licences: their keys.
    fn sell(&self, licenses: u64) -> anyhow::Result<Vec<String>> {
        let count = licenses.to_string();
        let issue = ["license", "issue", "--policy", "standard", "--customer", "fleet", "--count", &count];
        let licenses = match self.run(&issue)?.output {
            Value::Array(licenses) => licenses,
            one => vec![one],
        };
        let key = |license: &Value| Some(license["license_key"].as_str()?.to_owned());
        licenses.iter().map(|license| key(license).context("a licence without a key")).collect()
    }

    /// Merges all of a folder, with answer files where they have a place.
    pub(crate) fn merge(&self, from: &Path, answers: Option<&Path>) -> anyhow::Result<Done> {
        let from = from.to_str().context("a readable path")?;
        match answers.map(|answers| answers.to_str().context("a readable path")).transpose()? {
            Some(answers) => self.run(&["merge", from, "--answers", answers]),
            None => self.run(&["merge", from]),
        }
    }

    /// Bytes of the ledger: of its file, or of the whole database.
    pub(crate) fn ledger_bytes(&self) -> anyhow::Result<u64> {
        if self.is_file() {
            return Ok(fs::metadata(self.program.ledger()).context("the ledger")?.len());
        }
        let mut client = Client::connect(&without_connections(&self.store), NoTls)?;
        let row = client.query_one("SELECT pg_database_size(current_database())", &[])?;
        Ok(u64::try_from(row.get::<_, i64>(0))?)
    }

    /// What is waited for before anything counts as done.
    pub(crate) fn durability(&self) -> &'static str {
        if self.is_file() {
            "SQLite, WAL, every answer after a sync of the log"
        } else {
            "PostgreSQL, fsync=on, synchronous_commit=on"
        }
    }

    fn is_file(&self) -> bool {
        self.store.starts_with("sqlite:")
    }
}

/// A URL without the one parameter that only Counterfoil knows.
fn without_connections(url: &str) -> String {
    let (place, parameters) = url.split_once('?').unwrap_or((url, ""));
    let known = parameters.split('&').filter(|parameter| !parameter.starts_with("connections="));
    format!("{place}?{}", known.collect::<Vec<_>>().join("&"))
}
