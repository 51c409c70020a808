//! Pictures of what is on disk, to be compared before and after.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

/// Every row of every table of a home's ledger but the quarantine and what numbers it, as text, in the order in which they
/// are stored.
pub fn tables(home: &Path) -> BTreeMap<String, Vec<String>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let ledger = Connection::open_with_flags(home.join("ledger.db"), flags).expect("a ledger");
    let mut names = ledger
        .prepare(
            "SELECT name FROM sqlite_schema
                WHERE type = 'table' AND name NOT IN ('quarantine', 'counters', 'sqlite_sequence')",
        )
        .expect("SQL");
    let names: Vec<String> =
        names.query_map([], |row| row.get(0)).expect("SQL").collect::<Result<_, _>>().expect("readable");
    names.into_iter().map(|name| (name.clone(), rows(&ledger, &name))).collect()
}

fn rows(ledger: &Connection, table: &str) -> Vec<String> {
    let mut query = ledger.prepare(&format!("SELECT * FROM {table}")).expect("SQL");
    let columns = query.column_count();
    let rows = query.query_map([], |row| {
        let values = (0..columns).map(|column| row.get::<_, Value>(column)).collect::<Result<Vec<_>, _>>()?;
        Ok(format!("{values:?}"))
    });
    rows.expect("SQL").collect::<Result<_, _>>().expect("readable")
}

/// Every file below `folder` with its bytes, but those that only say that a database is open.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    collect(folder, &mut found);
    found.retain(|path, _| {
        !["db-shm", "db-wal"].iter().any(|end| path.extension().is_some_and(|e| e == *end))
    });
    found
}

fn collect(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            let bytes = fs::read(&path).expect("readable");
            found.insert(path, bytes);
        }
    }
}
