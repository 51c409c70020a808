//! A schema of one's own in a database that others use too.

use anyhow::ensure;
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::runtime::Runtime;

/// What a server that is measured is set to.
pub(crate) const DURABLE: &str = "fsync=on, synchronous_commit=on";

/// Makes a schema in the database at `url`, lets `work` use it through a URL of its own, and drops it, whatever came
/// of it.
///
/// # Errors
/// When there is one of that name, and when the server loses what it committed.
pub(crate) fn within<T>(
    name: &str,
    url: &str,
    work: impl AsyncFnOnce(&str) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    Runtime::new()?.block_on(async {
        let mut server = PgConnection::connect(url).await?;
        for setting in ["fsync", "synchronous_commit"] {
            let value: String = sqlx::query_scalar(&format!("SHOW {setting}")).fetch_one(&mut server).await?;
            ensure!(value == "on", "the server has {setting}={value}");
        }
        sqlx::query(&format!("CREATE SCHEMA {name}")).execute(&mut server).await?;
        let separator = if url.contains('?') { '&' } else { '?' };
        let done = work(&format!("{url}{separator}options=-c%20search_path%3D{name}")).await;
        sqlx::query(&format!("DROP SCHEMA {name} CASCADE")).execute(&mut server).await?;
        done
    })
}

/// Bytes of a table with its indexes.
pub(crate) async fn table_size(pool: &PgPool, table: &str) -> anyhow::Result<u64> {
    let size: i64 =
        sqlx::query_scalar("SELECT pg_total_relation_size($1::regclass)").bind(table).fetch_one(pool).await?;
    Ok(u64::try_from(size)?)
}
