//! Counterfoil itself: its load program's own numbers.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::load::Load;
use crate::measure::Cost;
use crate::table::Row;

/// What the load program measured.
#[derive(Debug, Deserialize)]
pub(crate) struct Import {
    durability: String,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
struct Step {
    what: String,
    count: u64,
    seconds: f64,
    rate: f64,
    cost: Cost,
    bytes_each: Option<f64>,
}

impl Import {
    /// Runs the load program, with its ledger at `store` or in a file.
    pub(crate) fn run(program: &Path, load: Load, store: Option<&str>) -> anyhow::Result<Self> {
        let result = tempfile::NamedTempFile::new()?;
        let mut command = Command::new(program);
        command.args(["import", "--events", &load.events().to_string()]);
        command.args(["--bundle", &load.bundle().to_string(), "--json"]).arg(result.path());
        command.args(store.iter().flat_map(|url| ["--store", url]));
        let ended = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
        let ended = ended.with_context(|| format!("{} (see --load)", program.display()))?;
        ensure!(ended.success(), "{}: {ended}", program.display());
        serde_json::from_slice(&fs::read(result.path())?).context("the load program's numbers")
    }

    /// The import into a file.
    pub(crate) fn on_sqlite(&self) -> anyhow::Result<Row> {
        self.import("counterfoil on SQLite", false)
    }

    /// The import into a server's database.
    pub(crate) fn on_postgres(&self) -> anyhow::Result<Row> {
        self.import("counterfoil on PostgreSQL", true)
    }

    /// The same events as rows of a plain table.
    pub(crate) fn floor(&self) -> anyhow::Result<Row> {
        let durability = "WAL, synchronous=FULL; 20,000 rows in a commit".to_owned();
        let does = "stores rows, unique by their place, and nothing else".to_owned();
        let step = self.step("floor: rows of a plain table")?;
        step.row("floor: rows of a plain table on SQLite", false, durability, does)
    }

    fn import(&self, store: &str, has_server: bool) -> anyhow::Result<Row> {
        let does =
            "reads a file for each bundle, checks every link and the signature of each run, folds, keeps \
                    usage and quotas, decides every answer, and is timed from start to end of the process; \
                    writes no answer files"
                .to_owned();
        let durability = format!("{}; many bundles in a commit", self.durability);
        self.step("merge usage reports")?.row(store, has_server, durability, does)
    }

    fn step(&self, what: &str) -> anyhow::Result<&Step> {
        self.steps.iter().find(|step| step.what == what).with_context(|| format!("no step `{what}`"))
    }
}

impl Step {
    fn row(&self, store: &str, has_server: bool, durability: String, does: String) -> anyhow::Result<Row> {
        Ok(Row {
            store: store.to_owned(),
            events: self.count,
            seconds: self.seconds,
            rate: self.rate,
            cost: self.cost,
            has_server,
            bytes_each: self.bytes_each.context("what the store takes")?,
            durability,
            does,
        })
    }
}
