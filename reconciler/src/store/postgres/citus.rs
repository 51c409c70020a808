//! The ledger on Citus: which table lies where in a cluster, and how the tables of a filled database come there.

use schemas::codes::Code;
use schemas::refusal::Refusal;
use tokio_postgres::{Client, Error};

use super::StoreError;
use crate::store::views::{PlacedTable, Placement};

/// Every table with its place in a cluster, parents first.
const PLACES: [(&str, Placement); 26] = [
    ("products", Placement::Everywhere),
    ("policies", Placement::Everywhere),
    ("customers", Placement::Everywhere),
    ("licenses", Placement::ByLicense),
    ("runs", Placement::ByLicense),
    ("attachments", Placement::ByLicense),
    ("parked", Placement::ByLicense),
    ("chains", Placement::ByLicense),
    ("usage", Placement::ByLicense),
    ("variables", Placement::ByLicense),
    ("history", Placement::ByLicense),
    ("findings", Placement::ByLicense),
    ("deliveries", Placement::ByLicense),
    ("license_keys", Placement::ByKey("reference")),
    ("chain_licenses", Placement::ByKey("chain")),
    ("catalog_runs", Placement::Coordinator),
    ("catalog_attachments", Placement::Coordinator),
    ("catalog_history", Placement::Coordinator),
    ("issuers", Placement::Coordinator),
    ("quarantine", Placement::Coordinator),
    ("counters", Placement::Coordinator),
    ("commits", Placement::Coordinator),
    ("tokens", Placement::Coordinator),
    ("requests", Placement::Coordinator),
    ("hooks", Placement::Coordinator),
    ("schema_versions", Placement::Coordinator),
];

/// Brings every table to its place that is not there yet, then takes away the rows that were left behind where the tables
/// lay before, children first. `progress` hears of each table. Each step is done or not; what was interrupted goes on.
///
/// # Errors
/// `citus_missing` in a database without Citus; what Citus refuses.
pub(super) async fn distribute(
    client: &Client,
    progress: &mut dyn FnMut(),
) -> Result<Vec<PlacedTable>, StoreError> {
    if !has_citus(client).await? {
        return Err(Refusal::new(Code::CitusMissing, "the database has no functions of Citus").into());
    }
    let mut placed = Vec::new();
    for (table, placement) in PLACES {
        let is_new = !is_there(client, table, placement).await?;
        if is_new {
            client.batch_execute(&placing(table, placement)).await?;
        }
        placed.push(PlacedTable { table, placement, is_new });
        progress();
    }
    for (table, placement) in PLACES.into_iter().rev() {
        if placement != Placement::Coordinator && has_local_rows(client, table).await? {
            let empty = format!("SELECT truncate_local_data_after_distributing_table('{table}')");
            client.batch_execute(&empty).await?;
        }
    }
    Ok(placed)
}

/// The statement that brings a table to its place.
fn placing(table: &str, placement: Placement) -> String {
    match placement {
        Placement::Everywhere => format!("SELECT create_reference_table('{table}')"),
        Placement::ByLicense if table == "licenses" => {
            format!("SELECT create_distributed_table('{table}', 'license_id', shard_count => 32)")
        }
        Placement::ByLicense => {
            format!("SELECT create_distributed_table('{table}', 'license_id', colocate_with => 'licenses')")
        }
        Placement::ByKey(key) => format!(
            "SELECT create_distributed_table('{table}', '{key}', colocate_with => 'none', shard_count => 32)"
        ),
        Placement::Coordinator => format!("SELECT citus_add_local_table_to_metadata('{table}')"),
    }
}

/// Whether Citus of a version that knows every kind of place is in the database.
async fn has_citus(client: &Client) -> Result<bool, Error> {
    let sql = "SELECT to_regproc('citus_add_local_table_to_metadata') IS NOT NULL";
    client.query_one(sql, &[]).await?.try_get(0)
}

/// Whether a table is at its place: spread by a column's hash (`h`), or not (`n`).
async fn is_there(client: &Client, table: &str, placement: Placement) -> Result<bool, Error> {
    let method = match placement {
        Placement::ByLicense | Placement::ByKey(_) => "h",
        Placement::Everywhere | Placement::Coordinator => "n",
    };
    let sql = "SELECT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = to_regclass($1) AND partmethod::text = $2)";
    client.query_one(sql, &[&table, &method]).await?.try_get(0)
}

/// Whether rows are left where a table lay before it was distributed: no statement sees them there.
async fn has_local_rows(client: &Client, table: &str) -> Result<bool, Error> {
    let row = client.query_one("SELECT pg_relation_size(to_regclass($1)) > 0", &[&table]).await?;
    row.try_get(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use schemas::migrations::LEDGER_POSTGRES;

    use super::*;

    /// What follows `CREATE TABLE` in the migrations, by the tables' names.
    fn definitions() -> Vec<(&'static str, &'static str)> {
        let texts = LEDGER_POSTGRES.iter().flat_map(|migration| migration.sql.split(";\n"));
        let tables = texts.filter_map(|text| text.split_once("CREATE TABLE ")?.1.split_once(" ("));
        tables.collect()
    }

    #[test]
    fn every_table_has_one_place() {
        let made: BTreeSet<&str> = definitions().into_iter().map(|(name, _)| name).collect();
        let own = "schema_versions";
        let placed: BTreeSet<&str> = PLACES.into_iter().map(|(table, _)| table).collect();
        assert_eq!(placed, made.into_iter().chain([own]).collect());
        assert_eq!(placed.len(), PLACES.len());
    }

    #[test]
    fn a_table_is_spread_by_what_leads_its_key() {
        for (table, definition) in definitions() {
            let (_, placement) =
                PLACES.into_iter().find(|(name, _)| *name == table).expect("every table has a place");
            let leads = match placement {
                Placement::ByLicense => "license_id",
                Placement::ByKey(key) => key,
                Placement::Everywhere | Placement::Coordinator => {
                    assert!(!definition.contains("license_id"), "{table} belongs to licences");
                    continue;
                }
            };
            let of_table = definition.split_once("PRIMARY KEY (").map(|(_, columns)| columns);
            let of_column = definition.lines().find(|line| line.contains("PRIMARY KEY")).map(str::trim);
            let key = of_table.or(of_column).expect("a key");
            assert!(key.starts_with(leads), "{table}: {key}");
        }
    }
}
