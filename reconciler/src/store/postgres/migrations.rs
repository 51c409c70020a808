//! Tables, brought to the newest version: numbered files, one statement a message, each file in a transaction.

use schemas::codes::Code;
use schemas::migrations::{LEDGER_POSTGRES, Migration};
use schemas::refusal::Refusal;
use tokio_postgres::{Client, Error};

use super::StoreError;

/// Which files were applied.
const VERSIONS: &str =
    "CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL)";

/// The version of the tables; nothing where there are none.
pub(super) async fn version(client: &Client) -> Result<Option<i64>, Error> {
    let there = client.query_one("SELECT to_regclass('schema_versions') IS NOT NULL", &[]).await?;
    if !there.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    client.query_one("SELECT max(version) FROM schema_versions", &[]).await?.try_get(0)
}

/// Whether tables of this version are older than this program's.
///
/// # Errors
/// `unsupported_version` where they are newer.
pub(super) fn is_behind(version: i64) -> Result<bool, StoreError> {
    let newest = newest();
    if version > newest {
        return Err(Refusal::new(
            Code::UnsupportedVersion,
            format!("the ledger's tables are of version {version}"),
        )
        .into());
    }
    Ok(version < newest)
}

fn newest() -> i64 {
    i64::try_from(LEDGER_POSTGRES.len()).expect("migrations are few")
}

/// Applies the files that were not applied yet.
pub(super) async fn apply(client: &mut Client) -> Result<(), StoreError> {
    client.batch_execute(VERSIONS).await?;
    let applied = version(client).await?.unwrap_or(0);
    for (number, migration) in (1..).zip(LEDGER_POSTGRES).filter(|(number, _)| *number > applied) {
        let transaction = client.transaction().await?;
        for statement in statements(migration) {
            transaction.batch_execute(statement).await?;
        }
        let insert = "INSERT INTO schema_versions (version, name) VALUES ($1, $2)";
        transaction.execute(insert, &[&number, &migration.name]).await?;
        transaction.commit().await?;
    }
    Ok(())
}

/// The statements of a file: each ends at the end of a line.
fn statements(migration: &Migration) -> impl Iterator<Item = &'static str> {
    migration.sql.split(";\n").map(str::trim).filter(|statement| !statement.is_empty())
}
