//! `sqlite-es` and `postgres-es`: each device is an aggregate, whose bundle is persisted in one transaction.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::{PersistedEventRepository, SerializedEvent};
use cqrs_es::{Aggregate, DomainEvent, EventEnvelope};
use postgres_es::{PostgresEventRepository, default_postgress_pool};
use serde::{Deserialize, Serialize};
use sqlite_es::SqliteEventRepository;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::load::Load;
use crate::measure::{Spent, Watch};
use crate::peer::Stored;
use crate::schema;

/// The table that `sqlite-es` tells to make.
const SQLITE_TABLE: &str = "
    CREATE TABLE events (
        aggregate_type text                          NOT NULL,
        aggregate_id   text                          NOT NULL,
        sequence       integer CHECK (sequence >= 0) NOT NULL,
        event_type     text                          NOT NULL,
        event_version  text                          NOT NULL,
        payload        text                          NOT NULL,
        metadata       text                          NOT NULL,
        PRIMARY KEY (aggregate_type, aggregate_id, sequence)
    ) STRICT";
/// The table that `postgres-es` tells to make.
const POSTGRES_TABLE: &str = "
    CREATE TABLE events (
        aggregate_type text                         NOT NULL,
        aggregate_id   text                         NOT NULL,
        sequence       bigint CHECK (sequence >= 0) NOT NULL,
        event_type     text                         NOT NULL,
        event_version  text                         NOT NULL,
        payload        json                         NOT NULL,
        metadata       json                         NOT NULL,
        PRIMARY KEY (aggregate_type, aggregate_id, sequence)
    )";
/// A signature as JSON carries it: 64 bytes as base64.
const SIGNATURE: &str =
    "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg==";

/// Persists the load in a file in `folder`, with the crate's own settings but synced as Counterfoil syncs.
pub(crate) async fn on_sqlite(load: Load, folder: &Path) -> anyhow::Result<Stored> {
    let path = folder.join("es.db");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true);
    let pool = SqlitePoolOptions::new().max_connections(10).connect_with(options).await?;
    sqlx::query(SQLITE_TABLE).execute(&pool).await?;
    let spent = persist(&SqliteEventRepository::new(pool.clone()), load).await?;
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&pool).await?;
    pool.close().await;
    let bytes = fs::metadata(path)?.len();
    Ok(Stored { spent, bytes, durability: "WAL, synchronous=FULL; a commit for each bundle".to_owned() })
}

/// Persists the load in the database at `url`.
pub(crate) async fn on_postgres(load: Load, url: &str) -> anyhow::Result<Stored> {
    let pool = default_postgress_pool(url).await;
    sqlx::query(POSTGRES_TABLE).execute(&pool).await?;
    let spent = persist(&PostgresEventRepository::new(pool.clone()), load).await?;
    let bytes = schema::table_size(&pool, "events").await?;
    pool.close().await;
    Ok(Stored { spent, bytes, durability: format!("{}; a commit for each bundle", schema::DURABLE) })
}

async fn persist(repository: &impl PersistedEventRepository, load: Load) -> anyhow::Result<Spent> {
    let watch = Watch::start()?;
    for device in load.devices() {
        let events = bundle(load, device)?;
        repository.persist::<Device>(&events, None).await.context("persists")?;
    }
    watch.stop()
}

/// A device's events, made what the repositories take as `cqrs-es` does it.
fn bundle(load: Load, device: u32) -> anyhow::Result<Vec<SerializedEvent>> {
    let event = |place: u32| {
        let envelope = EventEnvelope::<Device> {
            aggregate_id: format!("device-{device}"),
            sequence: usize::try_from(place)? + 1,
            payload: Event::consumed(place),
            metadata: HashMap::new(),
        };
        Ok(SerializedEvent::try_from(&envelope)?)
    };
    load.places().map(event).collect()
}

/// A device as `cqrs-es` knows it; what it would be folded into is not asked for.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Device;

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
enum Event {
    Consumed { at: u64, feature: u16, period: u32, n: u32, total: u32, signature: String },
}

impl Event {
    fn consumed(place: u32) -> Self {
        Self::Consumed {
            at: 1_800_000_000_000_000 + u64::from(place) * 1_000,
            feature: 1,
            period: 2_738,
            n: 1,
            total: place + 1,
            signature: SIGNATURE.to_owned(),
        }
    }
}

impl DomainEvent for Event {
    fn event_type(&self) -> String {
        "Consumed".to_owned()
    }

    fn event_version(&self) -> String {
        "1.0".to_owned()
    }
}

impl Aggregate for Device {
    const TYPE: &'static str = "device";
    type Command = ();
    type Event = Event;
    type Error = Infallible;
    type Services = ();

    async fn handle(&mut self, (): (), (): &(), _: &EventSink<Self>) -> Result<(), Infallible> {
        Ok(())
    }

    fn apply(&mut self, _: Event) {}
}
