//! The registry held to the dialect that PostgreSQL and Citus share: every statement is parsed and judged by the rules of
//! [`rules`], the tables by those of [`tables`], and nothing else is carried out ([`source`]).

mod rules;
mod samples;
mod source;
mod tables;

use std::collections::{BTreeMap, BTreeSet};

use self::rules::{Breach, breaches, selected};
use self::tables::Tables;
use super::*;

/// How many rows inserts write at once.
const SIZES: [usize; 4] = [1, 4, 16, 128];

/// Statements that read over licences on purpose: reports, pages of identifiers, and what is due of the messages. What they
/// show of several licences is of no one moment.
const ACROSS_LICENSES: [&str; 14] = [
    "ACTIVATION_LIST",
    "BRANCHES",
    "CODED_CHAINS",
    "DELIVERIES",
    "DELIVERIES_AFTER",
    "DELIVERIES_OF_HOOK",
    "DELIVERY",
    "DUE_DELIVERIES",
    "FINDINGS",
    "FORKS",
    "LICENSES_AFTER",
    "LICENSE_LIST",
    "OVERDUE_CHAINS",
    "USAGE_LIST",
];

/// The text as it is given to a database where several write.
fn text(statement: &Statement) -> String {
    format!("{}{}", statement.sql(), if statement.locks() { " FOR UPDATE" } else { "" })
}

fn projections() -> impl Iterator<Item = &'static Projection> {
    [CATALOG_PROJECTIONS, LICENSE_PROJECTIONS, KEYED_PROJECTIONS].into_iter().flatten()
}

/// Every statement with its name; those of projections are named after their tables.
fn statements() -> Vec<(String, &'static Statement)> {
    let of_projections = projections().flat_map(|projection| {
        let Projection { table, read, count, clear, .. } = *projection;
        [("read", read), ("count", count), ("clear", clear)]
            .map(|(what, statement)| (format!("{what} {table}"), statement))
    });
    let named = STATEMENTS.iter().map(|(name, statement)| ((*name).to_owned(), *statement));
    named.chain(of_projections).collect()
}

/// Whether a statement may read over licences: those that are listed, and those that are for a whole projection.
fn may_cross(name: &str) -> bool {
    ACROSS_LICENSES.contains(&name) || name.starts_with("count ") || name.starts_with("clear ")
}

#[test]
fn every_statement_keeps_the_rules() {
    let tables = Tables::of_postgres();
    for (name, statement) in statements() {
        let mut found = breaches(&text(statement), statement.takes().len(), &tables);
        if may_cross(&name) {
            found.remove(&Breach::LicenseNotNamed);
        }
        assert_eq!(found, BTreeSet::new(), "{name}: {}", statement.sql());
    }
}

#[test]
fn every_insert_keeps_the_rules_at_every_size() {
    let tables = Tables::of_postgres();
    for (name, insert) in INSERTS {
        for size in SIZES {
            let takes = size * insert.takes().count();
            let found = breaches(&insert.sql(size), takes, &tables);
            assert_eq!(found, BTreeSet::new(), "{name} with {size} rows: {}", insert.sql(1));
        }
    }
}

/// The list of those that may read over licences names no other ones.
#[test]
fn what_is_said_to_cross_licences_does() {
    let tables = Tables::of_postgres();
    let named: BTreeMap<_, _> = statements().into_iter().collect();
    for name in ACROSS_LICENSES {
        let statement = named[name];
        let found = breaches(&text(statement), statement.takes().len(), &tables);
        assert!(found.contains(&Breach::LicenseNotNamed), "{name}");
    }
}

#[test]
fn each_rule_rejects_what_breaks_it_and_that_alone() {
    let tables = Tables::of_postgres();
    let mut tried = BTreeSet::new();
    let mut otherwise = Vec::new();
    for (breach, takes, sql) in samples::STATEMENTS {
        let found = breaches(sql, *takes, &tables);
        if found != BTreeSet::from([*breach]) {
            otherwise.push((*breach, found, *sql));
        }
        tried.insert(*breach);
    }
    assert_eq!(otherwise, []);
    assert_eq!(tried, Breach::ALL.into_iter().collect(), "each rule has a sample");
    for (takes, sql) in samples::GOOD {
        assert_eq!(breaches(sql, *takes, &tables), BTreeSet::new(), "{sql}");
    }
}

#[test]
fn a_projection_is_read_in_the_columns_of_its_insert() {
    for Projection { table, insert, read, .. } in projections() {
        let columns: Vec<String> = insert.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!((insert.table(), selected(read.sql())), (*table, columns));
    }
}

#[test]
fn every_projection_is_of_a_table_of_its_own() {
    let tables: BTreeSet<&str> = projections().map(|projection| projection.table).collect();
    assert_eq!(tables.len(), projections().count());
    for Projection { table, count, clear, .. } in projections() {
        assert_eq!(rules::relations(count.sql()), [*table]);
        assert_eq!(rules::relations(clear.sql()), [*table]);
    }
}

#[test]
fn the_tables_keep_the_rules() {
    for migration in schemas::migrations::LEDGER_POSTGRES {
        assert_eq!(tables::breaches(migration.sql), BTreeSet::new(), "{}", migration.name);
    }
}

#[test]
fn each_rule_of_tables_rejects_what_breaks_it_and_that_alone() {
    let mut tried = BTreeSet::new();
    for (breach, sql) in samples::TABLES {
        assert_eq!(tables::breaches(sql), BTreeSet::from([*breach]), "{sql}");
        tried.insert(*breach);
    }
    assert_eq!(tried, tables::Breach::ALL.into_iter().collect(), "each rule has a sample");
}

/// Both have the same tables with the same columns and keys, and so a statement that is good for one is for the other.
/// Only PostgreSQL has tokens of commits, and no statement of the registry names them.
#[test]
fn both_databases_have_the_same_tables() {
    assert_eq!(Tables::of_sqlite(), Tables::of_postgres().without("commits"));
    for (name, statement) in statements() {
        assert!(!rules::relations(statement.sql()).iter().any(|table| table == "commits"), "{name}");
    }
}

#[test]
fn what_is_written_is_of_the_column_s_type() {
    let tables = Tables::of_postgres();
    for (name, insert) in INSERTS {
        for (column, kind) in insert.columns {
            assert_eq!(tables.kind(insert.table(), column), Some(*kind), "{name}: {column}");
        }
    }
}
