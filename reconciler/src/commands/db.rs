//! `counterfoil db`

use std::fmt;

use clap::{Args, Subcommand};
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;
use crate::output::Table;
use crate::progress::Progress;
use crate::store::{PlacedTable, Placement};

/// The database that the ledger is kept in
#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    Distribute(DistributeArgs),
}

impl DbCommand {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        match self {
            Self::Distribute(args) => args.run(context),
        }
    }
}

/// Spread the ledger over the machines of a Citus cluster
///
/// The database must be a PostgreSQL with the extension Citus, reached at its coordinator. Stop whatever else uses the
/// ledger meanwhile. What was interrupted goes on when the command is run again; after that it changes nothing.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil db distribute")]
pub(crate) struct DistributeArgs {}

impl DistributeArgs {
    fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let Self {} = self;
        let mut vendor = context.vendor()?;
        let progress = Progress::start("tables placed", None);
        let placed = vendor.store.distribute(&mut || progress.add(1));
        progress.finish();
        let placed = placed.map_err(|error| Refusal::from(error).at(vendor.home.store()))?;
        context.output.result(&Distributed {
            changed: placed.iter().any(|table| table.is_new),
            tables: placed.iter().map(Line::of).collect(),
        })?;
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct Distributed {
    changed: bool,
    tables: Vec<Line>,
}

/// A table with its place.
#[derive(Serialize)]
struct Line {
    table: &'static str,
    placement: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'static str>,
    changed: bool,
}

impl Line {
    fn of(placed: &PlacedTable) -> Self {
        let (placement, key) = match placed.placement {
            Placement::Everywhere => ("everywhere", None),
            Placement::ByLicense => ("by_license", Some("license_id")),
            Placement::ByKey(key) => ("by_key", Some(key)),
            Placement::Coordinator => ("coordinator", None),
        };
        Self { table: placed.table, placement, key, changed: placed.is_new }
    }
}

impl fmt::Display for Distributed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["TABLE", "PLACED", "KEY", ""]);
        for line in &self.tables {
            let now = if line.changed { "now" } else { "before" };
            table.row([line.table, line.placement, line.key.unwrap_or(""), now].map(str::to_owned));
        }
        table.fmt(f)
    }
}
