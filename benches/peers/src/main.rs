//! Counterfoil's bulk import beside other event stores, in one run on one machine.
//!
//! ```text
//! cargo run --release -- --events 200000 --bundle 1000
//! ```
//!
//! Every store gets as many events of the same size, from as many devices, and each works in a process of its own, so
//! that memory and CPU are its own. What each of them does not do is told beside its number.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

mod copy;
mod counterfoil;
mod es;
mod load;
#[path = "../../src/measure.rs"]
mod measure;
mod peer;
mod schema;
mod table;
mod umadb;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, ensure};
use clap::Parser;

use crate::counterfoil::Import;
use crate::load::Load;
use crate::peer::Peer;
use crate::table::{Row, Table};

/// Counterfoil's bulk import beside other event stores, in one run
#[derive(Debug, Parser)]
struct Args {
    /// Events that each store is given
    #[arg(long, default_value_t = 200_000)]
    events: u32,
    /// Events that a device sends at a time, which are appended together
    #[arg(long, default_value_t = 1_000)]
    bundle: u32,
    /// Measure what needs a server too, in this database: in schemas that are dropped at the end
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// Counterfoil's load program
    #[arg(long, value_name = "PATH", default_value = "../../target/release/counterfoil-benches")]
    load: PathBuf,
    /// Write the numbers here as JSON too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure this one alone, in this process
    #[arg(long, value_name = "PEER", hide = true, requires = "json")]
    alone: Option<Peer>,
}

impl Args {
    fn run(&self) -> anyhow::Result<()> {
        ensure!(self.events > 0 && self.bundle > 1, "there is nothing to append");
        let load = Load::new(self.events, self.bundle);
        if let (Some(peer), Some(json)) = (self.alone, &self.json) {
            return write(json, &peer.measure(load, self.postgres.as_deref())?);
        }
        let mut rows = self.on_sqlite(load)?;
        if let Some(url) = &self.postgres {
            rows.extend(self.on_postgres(load, url)?);
        }
        let table = Table { what: load.to_string(), rows };
        println!("{table}");
        self.json.as_ref().map_or(Ok(()), |path| write(path, &table))
    }

    fn on_sqlite(&self, load: Load) -> anyhow::Result<Vec<Row>> {
        let import = Import::run(&self.load, load, None)?;
        Ok(vec![
            import.on_sqlite()?,
            import.floor()?,
            self.in_its_process(Peer::SqliteEs)?,
            self.in_its_process(Peer::UmadbCore)?,
        ])
    }

    fn on_postgres(&self, load: Load, url: &str) -> anyhow::Result<Vec<Row>> {
        let import =
            schema::within("counterfoil", url, async |url| Import::run(&self.load, load, Some(url)))?;
        Ok(vec![
            import.on_postgres()?,
            self.in_its_process(Peer::PostgresRows)?,
            self.in_its_process(Peer::PostgresEs)?,
        ])
    }

    fn in_its_process(&self, peer: Peer) -> anyhow::Result<Row> {
        eprintln!("{}", peer.name());
        let result = tempfile::NamedTempFile::new()?;
        let mut command = Command::new(env::current_exe().context("this executable")?);
        command.args(["--events", &self.events.to_string(), "--bundle", &self.bundle.to_string()]);
        command.args(self.postgres.iter().flat_map(|url| ["--postgres", url]));
        command.args(["--alone", &peer.word(), "--json"]).arg(result.path());
        // Some stores tell on the standard output what they open.
        let ended = command.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
        ensure!(ended.success(), "{}: {ended}", peer.name());
        Ok(serde_json::from_slice(&fs::read(result.path())?)?)
    }
}

fn write(path: &Path, document: &impl serde::Serialize) -> anyhow::Result<()> {
    fs::write(path, serde_json::to_vec_pretty(document)?).with_context(|| path.display().to_string())
}

fn main() -> ExitCode {
    match Args::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
