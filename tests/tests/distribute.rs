//! `counterfoil db distribute`: which functions of Citus are called, with what and in which order.
//!
//! Citus itself is not there: functions of the same names note how they are called, refuse what Citus refuses of tables
//! and keys, and take away the rows that Citus would have copied to other machines before.

use counterfoil_tests::postgres::{database, shared};
use counterfoil_tests::{Cell, Lab, Tables};
use serde_json::Value;

const STANDARD: &str = "--max-activations 4 --mode render=counted --sync-every 30d";

const CITUS: &str = r"
    CREATE TABLE calls (number bigint GENERATED ALWAYS AS IDENTITY, call text NOT NULL);
    CREATE TABLE broken (at regclass);
    CREATE TABLE pg_dist_partition (logicalrelid regclass PRIMARY KEY, partmethod char NOT NULL);

    CREATE FUNCTION note(name text, relation regclass, arguments text) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM broken WHERE at = relation) THEN
            RAISE EXCEPTION 'a machine of the cluster is gone' USING ERRCODE = '58000';
        END IF;
        INSERT INTO calls (call) VALUES (name || ' ' || relation || arguments);
    END $$;

    CREATE FUNCTION create_reference_table(table_name regclass) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM note('reference', table_name, '');
        INSERT INTO pg_dist_partition VALUES (table_name, 'n');
    END $$;

    CREATE FUNCTION create_distributed_table(table_name regclass, distribution_column text,
        distribution_type text DEFAULT 'hash', colocate_with text DEFAULT 'default', shard_count int DEFAULT NULL)
    RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        IF distribution_type <> 'hash' OR (colocate_with NOT IN ('default', 'none') AND (shard_count IS NOT NULL OR
            NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = to_regclass(colocate_with)))) THEN
            RAISE EXCEPTION 'cannot place % beside %', table_name, colocate_with USING ERRCODE = '0A000';
        END IF;
        IF EXISTS (SELECT FROM pg_index WHERE indrelid = table_name AND indisunique AND NOT EXISTS (SELECT FROM pg_attribute
            WHERE attrelid = table_name AND attname = distribution_column AND attnum = ANY (indkey))) THEN
            RAISE EXCEPTION 'a key of % is without %', table_name, distribution_column USING ERRCODE = '0A000';
        END IF;
        PERFORM note('distributed', table_name, format(' by %s, beside %s, in %s shards', distribution_column, colocate_with,
            coalesce(shard_count::text, 'as many')));
        INSERT INTO pg_dist_partition VALUES (table_name, 'h');
    END $$;

    CREATE FUNCTION citus_add_local_table_to_metadata(table_name regclass, cascade_via_foreign_keys bool DEFAULT false)
    RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM note('local', table_name, '');
        INSERT INTO pg_dist_partition VALUES (table_name, 'n');
    END $$;

    CREATE FUNCTION truncate_local_data_after_distributing_table(function_table regclass) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = function_table) THEN
            RAISE EXCEPTION '% is not distributed', function_table USING ERRCODE = '0A000';
        END IF;
        PERFORM note('emptied', function_table, '');
        EXECUTE format('TRUNCATE %s', function_table);
    END $$;
";

const PLACED: [&str; 26] = [
    "reference products",
    "reference policies",
    "reference customers",
    "distributed licenses by license_id, beside default, in 32 shards",
    "distributed runs by license_id, beside licenses, in as many shards",
    "distributed attachments by license_id, beside licenses, in as many shards",
    "distributed parked by license_id, beside licenses, in as many shards",
    "distributed chains by license_id, beside licenses, in as many shards",
    "distributed usage by license_id, beside licenses, in as many shards",
    "distributed variables by license_id, beside licenses, in as many shards",
    "distributed history by license_id, beside licenses, in as many shards",
    "distributed findings by license_id, beside licenses, in as many shards",
    "distributed deliveries by license_id, beside licenses, in as many shards",
    "distributed license_keys by reference, beside none, in 32 shards",
    "distributed chain_licenses by chain, beside none, in 32 shards",
    "local catalog_runs",
    "local catalog_attachments",
    "local catalog_history",
    "local issuers",
    "local quarantine",
    "local counters",
    "local commits",
    "local tokens",
    "local requests",
    "local hooks",
    "local schema_versions",
];
/// Children first; nothing was ever parked, and no total was ever wrong.
const EMPTIED: [&str; 12] = [
    "emptied chain_licenses",
    "emptied license_keys",
    "emptied history",
    "emptied variables",
    "emptied usage",
    "emptied chains",
    "emptied attachments",
    "emptied runs",
    "emptied licenses",
    "emptied customers",
    "emptied policies",
    "emptied products",
];

/// A ledger on a server with a device that was at work.
fn filled(url: &str) -> Lab {
    let lab = Lab::with_store(url, STANDARD);
    let license = lab.issue();
    lab.activate("dev1", &license);
    lab.device("dev1", "consume render 100").done();
    lab.device("dev1", "set seats 12").done();
    lab.sync("dev1");
    lab
}

/// The functions that were called since this was last asked.
fn calls(lab: &Lab) -> Vec<String> {
    let tables = Tables::of(&lab.home());
    let calls = tables.rows("SELECT call FROM calls ORDER BY number", &[]);
    tables.execute("DELETE FROM calls", &[]);
    let text = |row: Vec<Cell>| match row.into_iter().next() {
        Some(Cell::Text(text)) => text,
        other => panic!("{other:?}"),
    };
    calls.into_iter().map(text).collect()
}

fn changed(distributed: &Value) -> usize {
    let tables = distributed["tables"].as_array().expect("tables");
    assert_eq!(tables.len(), PLACED.len());
    tables.iter().filter(|table| table["changed"] == true).count()
}

#[test]
fn each_table_is_brought_to_its_place_once_and_what_was_left_behind_is_taken_away() {
    let url = database();
    let lab = filled(&url);
    shared().run(&url, CITUS);
    let distributed = lab.vendor("db distribute").done();
    assert_eq!((distributed["changed"].as_bool(), changed(&distributed)), (Some(true), PLACED.len()));
    let expected: Vec<&str> = PLACED.into_iter().chain(EMPTIED).collect();
    assert_eq!(calls(&lab), expected);

    let again = lab.vendor("db distribute").done();
    assert_eq!((again["changed"].as_bool(), changed(&again)), (Some(false), 0));
    assert_eq!(calls(&lab), [""; 0], "the second time changes nothing");
}

#[test]
fn what_was_interrupted_goes_on() {
    let url = database();
    let lab = filled(&url);
    shared().run(&url, CITUS);
    let digest = lab.digest("counterfoil-home");
    shared().run(&url, "INSERT INTO broken VALUES ('usage')");
    lab.vendor("db distribute").refused(1, "store_failed");
    let before = PLACED.iter().position(|call| call.contains(" usage ")).expect("it is placed");
    assert_eq!(calls(&lab), PLACED[..before]);
    assert_eq!(lab.digest("counterfoil-home"), digest);
    shared().run(&url, "DELETE FROM broken");
    let distributed = lab.vendor("db distribute").done();
    assert_eq!(changed(&distributed), PLACED.len() - before);
    assert_eq!(calls(&lab)[..PLACED.len() - before], PLACED[before..]);
    // What could not be taken away is taken away the next time.
    shared().run(
        &url,
        "INSERT INTO policies VALUES ('left', 'studio', '', 0); INSERT INTO broken VALUES ('policies')",
    );
    lab.vendor("db distribute").refused(1, "store_failed");
    shared().run(&url, "DELETE FROM broken");
    assert_eq!(changed(&lab.vendor("db distribute").done()), 0);
    assert_eq!(calls(&lab), ["emptied policies"]);
}

#[test]
fn without_citus_it_is_refused_and_nothing_changes() {
    for lab in [filled("sqlite:"), filled(&database())] {
        let digest = lab.digest("counterfoil-home");
        lab.vendor("db distribute").refused(4, "citus_missing");
        assert_eq!(lab.digest("counterfoil-home"), digest);
        lab.vendor("rebuild --check").done();
    }
}
