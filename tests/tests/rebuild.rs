//! Tables follow from signed events: what was written to them by other hands is found, named and mended, and a
//! changed event is never believed.

use counterfoil_tests::device::bundle;
use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{Cell, HandMade, Lab, Tables, picture};
use serde_json::Value;

const STANDARD: &str = "--valid 365d --max-activations 10 --quota render=1000/month --sync-every 30d";

/// Every projection. A table that is added belongs here, or among the sources below.
const PROJECTIONS: &[&str] = &[
    "catalog_history",
    "chain_licenses",
    "chains",
    "customers",
    "findings",
    "history",
    "issuers",
    "license_keys",
    "licenses",
    "policies",
    "products",
    "usage",
    "variables",
];
const SOURCES: &[&str] = &[
    "attachments",
    "catalog_attachments",
    "catalog_runs",
    "counters",
    "deliveries",
    "hooks",
    "parked",
    "quarantine",
    "requests",
    "runs",
    "tokens",
];

/// A ledger in which every projection has a row: devices, one that states a wrong total, one that was copied, and a
/// sealed period.
fn ledger_with_everything() -> Lab {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    lab.activate("dev1", &license);
    lab.device("dev1", "consume render 5").done();
    lab.device("dev1", "set site 'plant 7'").done();
    lab.sync("dev1");
    lab.write("wrong.cfbundle", HandMade::new(1, &license).consume(5).miscount().consume(6).bundle());
    for (name, n) in [("first.cfbundle", 7), ("copy.cfbundle", 8)] {
        lab.write(name, HandMade::new(3, &license).consume(5).consume(n).bundle());
        lab.vendor(&format!("merge {name}")).done();
    }
    let early = HandMade::new(2, &license).opened_at("2025-01-10T00:00:00Z").consume(5);
    lab.write("early.cfbundle", early.bundle());
    lab.vendor("merge wrong.cfbundle early.cfbundle").done();
    lab.vendor("period seal --all").done();
    lab
}

/// Another value of the same type.
fn changed(value: &Cell) -> Cell {
    match value {
        Cell::Null => Cell::Int(1),
        Cell::Int(number) => Cell::Int(number ^ 1),
        Cell::Text(text) => Cell::Text(format!("{text}x")),
        Cell::Bytes(bytes) => {
            let mut bytes = bytes.clone();
            match bytes.last_mut() {
                Some(last) => *last ^= 1,
                None => bytes.push(1),
            }
            Cell::Bytes(bytes)
        }
    }
}

/// The first row of a table by its key.
fn first_row(ledger: &Tables, table: &str) -> Vec<Cell> {
    ledger.row(&format!("SELECT * FROM {table} ORDER BY {} LIMIT 1", ledger.key(table).join(", ")), &[])
}

/// A condition that a row of a table meets alone, whose parameters follow `before` others, and their values.
fn only(ledger: &Tables, table: &str, row: &[Cell], before: usize) -> (String, Vec<Cell>) {
    let (columns, key) = (ledger.columns(table), ledger.key(table));
    let conditions =
        key.iter().enumerate().map(|(number, name)| format!("{name} = ${}", before + number + 1));
    let at = |name: &String| columns.iter().position(|column| column == name).expect("a column");
    let values = key.iter().map(|name| row[at(name)].clone()).collect();
    (conditions.collect::<Vec<_>>().join(" AND "), values)
}

/// Writes a value into a column of a row.
#[track_caller]
fn write(ledger: &Tables, table: &str, row: &[Cell], column: &str, value: Cell) {
    let (condition, key) = only(ledger, table, row, 1);
    let values: Vec<Cell> = [value].into_iter().chain(key).collect();
    let statement = format!("UPDATE {table} SET {column} = $1 WHERE {condition}");
    assert_eq!(ledger.execute(&statement, &values), 1, "{table}");
}

#[track_caller]
fn delete(ledger: &Tables, table: &str, row: &[Cell]) {
    let (condition, key) = only(ledger, table, row, 0);
    assert_eq!(ledger.execute(&format!("DELETE FROM {table} WHERE {condition}"), &key), 1, "{table}");
}

/// Changes one value of one row outside the key; in a table that is all key, in the key.
fn change_value(ledger: &Tables, table: &str) {
    let (columns, key) = (ledger.columns(table), ledger.key(table));
    let at = columns.iter().position(|column| !key.contains(column)).unwrap_or(columns.len() - 1);
    let row = first_row(ledger, table);
    write(ledger, table, &row, &columns[at], changed(&row[at]));
}

fn delete_row(ledger: &Tables, table: &str) {
    delete(ledger, table, &first_row(ledger, table));
}

/// Inserts a copy of a row under another key.
fn insert_row(ledger: &Tables, table: &str) {
    let (columns, key) = (ledger.columns(table), ledger.key(table));
    let mut row = first_row(ledger, table);
    let last = columns.iter().position(|column| Some(column) == key.last()).expect("a key");
    row[last] = match &row[last] {
        Cell::Int(number) => Cell::Int(number + 1_000_000),
        other => changed(other),
    };
    let marks: Vec<String> = (1..=row.len()).map(|number| format!("${number}")).collect();
    let statement = format!("INSERT INTO {table} VALUES ({})", marks.join(", "));
    assert_eq!(ledger.execute(&statement, &row), 1, "{table}");
}

/// Somebody else's hand at a table.
type Hand = fn(&Tables, &str);

/// The tables that `rebuild --check` names.
fn named(checked: &Value) -> Vec<String> {
    checked["mismatches"]
        .as_array()
        .expect("mismatches")
        .iter()
        .map(|mismatch| text(mismatch, "table"))
        .collect()
}

#[test]
fn every_table_is_a_source_or_a_projection() {
    let lab = ledger_with_everything();
    let found = Tables::of(&lab.home()).names();
    for table in &found {
        let known = PROJECTIONS.contains(&table.as_str()) || SOURCES.contains(&table.as_str());
        assert!(known, "{table} is neither a source nor a projection that is checked");
    }
    assert_eq!(found.len(), PROJECTIONS.len() + SOURCES.len());
}

#[test]
fn a_projection_that_was_written_to_is_named_and_mended() {
    let lab = ledger_with_everything();
    lab.vendor("rebuild --check").done();
    let sound = picture::tables(&lab.home());
    let hands: [(&str, Hand); 3] = [("change", change_value), ("delete", delete_row), ("insert", insert_row)];
    for table in PROJECTIONS {
        for (hand, corrupt) in &hands {
            corrupt(&Tables::of(&lab.home()), table);
            let checked = lab.vendor("rebuild --check").exits(6).json();
            assert_eq!(named(&checked), [*table], "{hand} {table}");
            let mismatch = &checked["mismatches"][0];
            let expected = match *hand {
                "delete" => (0, 1),
                "insert" => (1, 0),
                _ => (1, 1),
            };
            assert_eq!(
                (number(mismatch, "unexpected"), number(mismatch, "missing")),
                expected,
                "{hand} {table}"
            );
            lab.vendor("rebuild").done();
            assert_eq!(picture::tables(&lab.home()), sound, "{hand} {table}");
        }
    }
    lab.vendor("rebuild --check").done();
}

#[test]
fn an_audit_names_a_table_that_was_written_to() {
    let lab = ledger_with_everything();
    change_value(&Tables::of(&lab.home()), "usage");
    let audited = lab.vendor("audit verify").exits(6).json();
    assert_eq!(named(&audited), ["usage"]);
}

#[test]
fn a_rebuild_of_a_sound_ledger_changes_no_byte_and_no_digest() {
    let lab = ledger_with_everything();
    let (tables, digest) = (picture::tables(&lab.home()), lab.digest("counterfoil-home"));
    lab.vendor("rebuild").done();
    assert_eq!(picture::tables(&lab.home()), tables);
    assert_eq!(lab.digest("counterfoil-home"), digest);
}

/// Flips a byte at a few places of every stored run, one at a time.
#[test]
fn a_changed_byte_of_a_stored_run_never_verifies() {
    let lab = ledger_with_everything();
    let ledger = Tables::of(&lab.home());
    let runs = ledger.rows("SELECT * FROM runs", &[]);
    let column = ledger.columns("runs").iter().position(|column| column == "pairs").expect("a column");
    assert!(runs.len() >= 5, "runs of both writers");
    for run in runs {
        let pairs = run[column].clone().bytes();
        // In the first core, in the middle, and in the last signature.
        for at in [8, pairs.len() / 2, pairs.len() - 1] {
            let mut changed = pairs.clone();
            changed[at] ^= 1;
            write(&ledger, "runs", &run, "pairs", Cell::Bytes(changed));
            let ran = lab.vendor("audit verify").exits(5);
            let fault = ran.lines().pop().expect("a document");
            assert!(fault.to_string().contains("code"), "{run:?} at {at}: {ran:?}");
        }
        write(&ledger, "runs", &run, "pairs", Cell::Bytes(pairs));
    }
    lab.vendor("audit verify --deep").done();
}

#[test]
fn a_changed_column_beside_the_pairs_never_verifies() {
    let lab = ledger_with_everything();
    let ledger = Tables::of(&lab.home());
    let run =
        ledger.row("SELECT * FROM runs ORDER BY license_id DESC, chain DESC, first_seq DESC LIMIT 1", &[]);
    for (column, value) in ledger.columns("runs").iter().zip(&run) {
        if ["origin", "prev", "head", "events", "last_at"].contains(&column.as_str()) {
            write(&ledger, "runs", &run, column, changed(value));
            let ran = lab.vendor("audit verify");
            assert_eq!(ran.exit(), Some(5), "{column}: {ran:?}");
            write(&ledger, "runs", &run, column, value.clone());
        }
    }
    lab.vendor("audit verify --deep").done();
}

#[test]
fn a_run_that_was_taken_away_is_missed() {
    let lab = ledger_with_everything();
    let ledger = Tables::of(&lab.home());
    let several =
        "SELECT chain FROM runs WHERE branch = 0 GROUP BY chain HAVING count(*) > 1 ORDER BY chain LIMIT 1";
    let first =
        format!("SELECT * FROM runs WHERE branch = 0 AND chain IN ({several}) ORDER BY first_seq LIMIT 1");
    delete(&ledger, "runs", &ledger.row(&first, &[]));
    lab.vendor("audit verify").exits(5).lines();
}

/// Runs that are moved as a whole contradict nothing in the tables; the key that the device asked with tells whose
/// they are.
#[test]
fn runs_that_were_moved_to_another_licence_never_verify() {
    let lab = ledger_with_everything();
    let other = lab.issue();
    let id = other.id.parse::<schemas::ids::LicenseId>().expect("an identifier");
    let id = Cell::Bytes(id.as_bytes().to_vec());
    let device_runs = "writer = (SELECT writer FROM runs JOIN chains USING (chain) LIMIT 1)";
    let ledger = Tables::of(&lab.home());
    for table in ["runs", "attachments"] {
        let moved = if table == "runs" { device_runs } else { "TRUE" };
        ledger
            .execute(&format!("UPDATE {table} SET license_id = $1 WHERE {moved}"), std::slice::from_ref(&id));
    }
    lab.vendor("rebuild").done();
    lab.vendor("audit verify").exits(5).lines();
}

/// A later signature commits to a bad one: it is evidence, which is taken in, told by the deep audit, and no refusal.
#[test]
fn a_bad_signature_under_a_good_head_is_evidence() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let device = HandMade::new(1, &license).consume(5).consume(6);
    lab.write("odd.cfbundle", bundle(vec![device.run_with_bad_signature(3)]));
    let merged = lab.vendor("merge odd.cfbundle").done();
    assert_eq!((number(&merged, "merged"), number(&merged, "events")), (1, 4));
    lab.vendor("audit verify").done();
    let audited = lab.vendor("audit verify --deep").exits(6).json();
    let bad = audited["bad_signatures"].as_array().expect("bad signatures");
    assert_eq!(bad.len(), 1);
    assert_eq!((number(&bad[0], "seq"), text(&bad[0], "chain")), (3, device.chain().to_string()));
    assert_eq!(audited["faults"].as_array().map(Vec::len), Some(0));
    lab.vendor("rebuild --check").done();
}
