//! The stores that are compared with, and how each is measured.

use anyhow::Context as _;
use clap::ValueEnum;
use tokio::runtime::Runtime;

use crate::load::Load;
use crate::measure::{Spent, as_float};
use crate::table::Row;
use crate::{copy, es, schema, umadb};

/// A store that is compared with.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Peer {
    /// `sqlite-es`.
    SqliteEs,
    /// `umadb-core`.
    UmadbCore,
    /// A plain table on a server.
    PostgresRows,
    /// `postgres-es`.
    PostgresEs,
}

/// What a store took and left.
#[derive(Debug)]
pub(crate) struct Stored {
    /// From the first event to the last acknowledged.
    pub(crate) spent: Spent,
    /// Bytes on disk afterwards.
    pub(crate) bytes: u64,
    /// What was waited for.
    pub(crate) durability: String,
}

impl Peer {
    /// What it is called in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SqliteEs => "sqlite-es",
            Self::UmadbCore => "umadb-core",
            Self::PostgresRows => "floor: rows of a plain table on PostgreSQL",
            Self::PostgresEs => "postgres-es",
        }
    }

    /// What it is called on the command line.
    pub(crate) fn word(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn does(self) -> &'static str {
        match self {
            Self::SqliteEs | Self::PostgresEs => {
                "stores a JSON row for each event, unique by its place; no signature checked, no fold, no answers"
            }
            Self::UmadbCore => {
                "asks whether the device has events that the writer does not know, indexes by device; \
                 no signature checked, no fold, no answers"
            }
            Self::PostgresRows => "stores rows by COPY, unique by their place, and nothing else",
        }
    }

    fn has_server(self) -> bool {
        matches!(self, Self::PostgresRows | Self::PostgresEs)
    }

    /// Gives it the load, in this process.
    pub(crate) fn measure(self, load: Load, postgres: Option<&str>) -> anyhow::Result<Row> {
        let folder = tempfile::tempdir()?;
        let url = || postgres.context("it needs --postgres URL");
        let stored = match self {
            Self::SqliteEs => Runtime::new()?.block_on(es::on_sqlite(load, folder.path())),
            Self::UmadbCore => umadb::append(load, folder.path()),
            Self::PostgresRows => {
                schema::within("peer_rows", url()?, async |url| copy::rows(load, url).await)
            }
            Self::PostgresEs => {
                schema::within("peer_es", url()?, async |url| es::on_postgres(load, url).await)
            }
        }?;
        let Spent { took, cost } = stored.spent;
        let seconds = took.as_secs_f64();
        let events = as_float(load.events());
        Ok(Row {
            store: self.name().to_owned(),
            events: load.events(),
            seconds,
            rate: events / seconds,
            cost,
            has_server: self.has_server(),
            bytes_each: as_float(stored.bytes) / events,
            durability: stored.durability,
            does: self.does().to_owned(),
        })
    }
}
