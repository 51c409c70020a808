//! The floor on `PostgreSQL`: rows of a plain table by binary COPY, with nothing checked, folded or answered.

use sqlx::PgPool;
use sqlx::postgres::PgPoolCopyExt as _;

use crate::load::{CORE, Load, SIGNATURE};
use crate::measure::Watch;
use crate::peer::Stored;
use crate::schema;

/// About so many rows a commit, as Counterfoil's importer.
const PER_COMMIT: u32 = 20_000;
const TABLE: &str = "CREATE TABLE events (chain bytea NOT NULL, seq bigint NOT NULL, core bytea NOT NULL,
     signature bytea NOT NULL, PRIMARY KEY (chain, seq))";
/// A copy's first bytes: its signature, no flags, no extension.
const START: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// A copy's last bytes: minus one column.
const END: [u8; 2] = (-1_i16).to_be_bytes();

/// Copies the load into the database at `url`.
pub(crate) async fn rows(load: Load, url: &str) -> anyhow::Result<Stored> {
    let pool = PgPool::connect(url).await?;
    sqlx::query(TABLE).execute(&pool).await?;
    let watch = Watch::start()?;
    let devices: Vec<u32> = load.devices().collect();
    let together = PER_COMMIT.div_ceil(load.bundle());
    for devices in devices.chunks(usize::try_from(together)?) {
        copy(load, devices, &pool).await?;
    }
    let spent = watch.stop()?;
    let bytes = schema::table_size(&pool, "events").await?;
    pool.close().await;
    let durability = format!("{}; about {PER_COMMIT} rows in a commit", schema::DURABLE);
    Ok(Stored { spent, bytes, durability })
}

/// Copies the bundles of some devices, in one commit.
async fn copy(load: Load, devices: &[u32], pool: &PgPool) -> anyhow::Result<()> {
    let mut bytes = START.to_vec();
    for device in devices {
        let mut chain = [0; 32];
        chain[..4].copy_from_slice(&device.to_be_bytes());
        for place in load.places() {
            row(&mut bytes, &[&chain, &i64::from(place).to_be_bytes(), &CORE, &SIGNATURE])?;
        }
    }
    bytes.extend(END);
    let mut copy = pool.copy_in_raw("COPY events FROM STDIN (FORMAT binary)").await?;
    copy.send(bytes).await?;
    copy.finish().await?;
    Ok(())
}

fn row(bytes: &mut Vec<u8>, columns: &[&[u8]]) -> anyhow::Result<()> {
    bytes.extend(i16::try_from(columns.len())?.to_be_bytes());
    for column in columns {
        bytes.extend(i32::try_from(column.len())?.to_be_bytes());
        bytes.extend(*column);
    }
    Ok(())
}
