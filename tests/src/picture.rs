//! Pictures of what is on disk, to be compared before and after.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::tables::Tables;

/// Every row of every table of a home's ledger but the quarantine and what numbers it, as text, in order.
pub fn tables(home: &Path) -> BTreeMap<String, Vec<String>> {
    let tables = Tables::of(home);
    let names =
        tables.names().into_iter().filter(|name| !["quarantine", "counters"].contains(&name.as_str()));
    names.map(|name| (name.clone(), rows(&tables, &name))).collect()
}

fn rows(tables: &Tables, table: &str) -> Vec<String> {
    let mut rows = tables.rows(&format!("SELECT * FROM {table}"), &[]);
    rows.sort();
    rows.iter().map(|row| format!("{row:?}")).collect()
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
