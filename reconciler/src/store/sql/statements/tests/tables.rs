//! The tables of both databases as the migrations make them, and the rules for those of PostgreSQL.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use schemas::migrations::{LEDGER_POSTGRES, LEDGER_SQLITE};
use sqlparser::ast::{
    AlterTable, AlterTableOperation, ColumnDef, ColumnOption, CreateIndex, CreateTable, DataType, Expr,
    IndexColumn, SetExpr, Statement, TableConstraint,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::super::Kind;

/// Tables whose key is unique over all licences: each is read by it in a query of its own.
const OVER_ALL_LICENSES: [&str; 2] = ["chain_licenses", "license_keys"];

/// A way in which tables break the dialect.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Breach {
    /// It cannot be read, or is no table, index, storage setting, first row, or column that may be empty.
    NotATable,
    /// A key of a table of licences does not begin with the licence.
    NotLedByLicense,
    /// A table has no primary key.
    NoKey,
    /// A column has a type that the store does not know.
    Type,
    /// Text is sorted in the order of a language.
    Order,
    /// A foreign key.
    ForeignKey,
    /// A default, or a value that is made by the database.
    MadeByDatabase,
    /// A check without a name.
    NamelessCheck,
}

impl Breach {
    pub(super) const ALL: [Self; 8] = [
        Self::NotATable,
        Self::NotLedByLicense,
        Self::NoKey,
        Self::Type,
        Self::Order,
        Self::ForeignKey,
        Self::MadeByDatabase,
        Self::NamelessCheck,
    ];
}

/// A table: its columns, and which of them are its key, in the key's order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Table {
    columns: BTreeMap<String, Kind>,
    key: Vec<String>,
}

/// Tables by name.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Tables(BTreeMap<String, Table>);

impl Tables {
    /// Those that the migrations of PostgreSQL make.
    pub(super) fn of_postgres() -> Self {
        let mut tables = BTreeMap::new();
        for step in LEDGER_POSTGRES.iter().flat_map(|migration| steps(migration.sql)) {
            let Step::Parsed(statement) = step else { continue };
            match *statement {
                Statement::CreateTable(table) => {
                    tables.insert(table.name.to_string(), Table::of(&table));
                }
                Statement::AlterTable(altered) => {
                    let table: &mut Table = tables.get_mut(&altered.name.to_string()).expect("it was made");
                    table.columns.extend(added(&altered).into_iter().flatten().filter_map(named));
                }
                _ => {}
            }
        }
        Self(tables)
    }

    /// Those that a file has after the migrations of `SQLite`.
    pub(super) fn of_sqlite() -> Self {
        let database = Connection::open_in_memory().expect("memory");
        for migration in LEDGER_SQLITE {
            database.execute_batch(migration.sql).expect("the migrations are good");
        }
        let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        let mut names = database.prepare(names).expect("SQL");
        let names = names.query_map([], |row| row.get(0)).expect("SQL");
        let names: Vec<String> = names.collect::<Result<_, _>>().expect("names");
        Self(names.into_iter().map(|name| (name.clone(), Table::in_file(&database, &name))).collect())
    }

    pub(super) fn without(mut self, table: &str) -> Self {
        assert!(self.0.remove(table).is_some(), "{table}");
        self
    }

    pub(super) fn has(&self, table: &str) -> bool {
        self.0.contains_key(table)
    }

    pub(super) fn kind(&self, table: &str, column: &str) -> Option<Kind> {
        self.0.get(table)?.columns.get(column).copied()
    }

    /// The columns of a table's key, in their order.
    pub(super) fn key(&self, table: &str) -> &[String] {
        self.0.get(table).map_or(&[], |table| &table.key)
    }

    /// Whether a table's rows each belong to a licence and are placed by it.
    pub(super) fn is_of_licenses(&self, table: &str) -> bool {
        self.key(table).first().is_some_and(|column| column == "license_id")
    }
}

impl Table {
    fn of(table: &CreateTable) -> Self {
        let columns = table.columns.iter().filter_map(named);
        Self { columns: columns.collect(), key: keys(table).into_iter().next().unwrap_or_default() }
    }

    fn in_file(database: &Connection, name: &str) -> Self {
        let mut table = Self::default();
        let mut key = BTreeMap::new();
        let mut columns = database.prepare("SELECT name, type, pk FROM pragma_table_info(?)").expect("SQL");
        let mut rows = columns.query([name]).expect("SQL");
        while let Some(row) = rows.next().expect("a table") {
            let (column, kind, place): (String, String, u32) =
                (row.get(0).expect("text"), row.get(1).expect("text"), row.get(2).expect("a number"));
            let kind = match kind.as_str() {
                "INTEGER" => Kind::Int,
                "TEXT" => Kind::Text,
                "BLOB" => Kind::Bytes,
                other => panic!("{name}.{column} is {other}"),
            };
            if place > 0 {
                key.insert(place, column.clone());
            }
            table.columns.insert(column, kind);
        }
        table.key = key.into_values().collect();
        table
    }
}

/// The ways in which a migration breaks the rules.
pub(super) fn breaches(sql: &str) -> BTreeSet<Breach> {
    let mut found = BTreeSet::new();
    for step in steps(sql) {
        match step {
            Step::Parsed(statement) => judge(&statement, &mut found),
            Step::Storage => {}
            Step::Unreadable => _ = found.insert(Breach::NotATable),
        }
    }
    found
}

/// The columns that are added to a table, if nothing else is done to it.
fn added(altered: &AlterTable) -> Option<Vec<&ColumnDef>> {
    let operations = altered.operations.iter().map(|operation| match operation {
        AlterTableOperation::AddColumn { if_not_exists: false, column_def, .. } => Some(column_def),
        _ => None,
    });
    operations.collect()
}

fn named(column: &ColumnDef) -> Option<(String, Kind)> {
    Some((column.name.value.clone(), kind(&column.data_type)?))
}

fn judge(statement: &Statement, found: &mut BTreeSet<Breach>) {
    match statement {
        Statement::CreateTable(table) => judge_table(table, found),
        Statement::CreateIndex(index) => judge_index(index, found),
        // Rows that are there have no value in a column that comes later.
        Statement::AlterTable(altered) => match added(altered) {
            Some(columns) if columns.iter().all(|column| !is_required(column)) => {
                for column in columns {
                    judge_column(column, found);
                }
            }
            _ => _ = found.insert(Breach::NotATable),
        },
        Statement::Insert(insert)
            if insert.source.as_ref().is_some_and(|rows| matches!(*rows.body, SetExpr::Values(_))) => {}
        _ => _ = found.insert(Breach::NotATable),
    }
}

fn judge_table(table: &CreateTable, found: &mut BTreeSet<Breach>) {
    let name = table.name.to_string();
    let plain = !(table.temporary || table.unlogged || table.if_not_exists) && table.query.is_none();
    if !plain {
        found.insert(Breach::NotATable);
    }
    let is_of_licenses = table.columns.iter().any(|column| column.name.value == "license_id")
        && !OVER_ALL_LICENSES.contains(&name.as_str());
    let keys = keys(table);
    if keys.is_empty() {
        found.insert(Breach::NoKey);
    }
    if is_of_licenses && keys.iter().any(|key| key.first().is_none_or(|column| column != "license_id")) {
        found.insert(Breach::NotLedByLicense);
    }
    for column in &table.columns {
        judge_column(column, found);
    }
    for constraint in &table.constraints {
        match constraint {
            TableConstraint::PrimaryKey(_) | TableConstraint::Unique(_) => {}
            TableConstraint::ForeignKey(_) => _ = found.insert(Breach::ForeignKey),
            TableConstraint::Check(check) if check.name.is_some() => {}
            TableConstraint::Check(_) => _ = found.insert(Breach::NamelessCheck),
            _ => _ = found.insert(Breach::NotATable),
        }
    }
}

fn is_required(column: &ColumnDef) -> bool {
    column.options.iter().any(|option| matches!(option.option, ColumnOption::NotNull))
}

fn judge_column(column: &ColumnDef, found: &mut BTreeSet<Breach>) {
    let kind = kind(&column.data_type);
    if kind.is_none() {
        found.insert(Breach::Type);
    }
    let mut collation = None;
    for option in &column.options {
        match &option.option {
            ColumnOption::Null
            | ColumnOption::NotNull
            | ColumnOption::PrimaryKey(_)
            | ColumnOption::Unique(_) => {}
            ColumnOption::Collation(name) => collation = Some(name.to_string()),
            ColumnOption::ForeignKey(_) => _ = found.insert(Breach::ForeignKey),
            ColumnOption::Check(_) if option.name.is_some() => {}
            ColumnOption::Check(_) => _ = found.insert(Breach::NamelessCheck),
            _ => _ = found.insert(Breach::MadeByDatabase),
        }
    }
    if kind == Some(Kind::Text) && collation.as_deref() != Some("\"C\"") {
        found.insert(Breach::Order);
    }
}

/// A unique index is a key; which tables are of licences cannot be told from it, so that it must always begin with one.
fn judge_index(index: &CreateIndex, found: &mut BTreeSet<Breach>) {
    if index.unique && names(&index.columns).first().is_none_or(|column| column != "license_id") {
        found.insert(Breach::NotLedByLicense);
    }
}

/// The columns of each key of a table, the primary one first.
fn keys(table: &CreateTable) -> Vec<Vec<String>> {
    let mut keys = Vec::new();
    for column in &table.columns {
        for option in &column.options {
            match &option.option {
                ColumnOption::PrimaryKey(_) => keys.insert(0, vec![column.name.value.clone()]),
                ColumnOption::Unique(_) => keys.push(vec![column.name.value.clone()]),
                _ => {}
            }
        }
    }
    for constraint in &table.constraints {
        match constraint {
            TableConstraint::PrimaryKey(key) => keys.insert(0, names(&key.columns)),
            TableConstraint::Unique(key) => keys.push(names(&key.columns)),
            _ => {}
        }
    }
    keys
}

fn names(columns: &[IndexColumn]) -> Vec<String> {
    let name = |column: &IndexColumn| match &column.column.expr {
        Expr::Identifier(name) => name.value.clone(),
        other => other.to_string(),
    };
    columns.iter().map(name).collect()
}

fn kind(data_type: &DataType) -> Option<Kind> {
    match data_type {
        DataType::BigInt(None) => Some(Kind::Int),
        DataType::Text => Some(Kind::Text),
        DataType::Bytea => Some(Kind::Bytes),
        _ => None,
    }
}

/// A statement of a migration.
enum Step {
    Parsed(Box<Statement>),
    /// How a column's bytes are kept, which the parser does not know.
    Storage,
    Unreadable,
}

fn steps(sql: &str) -> Vec<Step> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize().expect("tokens");
    let tokens: Vec<Token> =
        tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    let steps = tokens.split(|token| *token == Token::SemiColon).filter(|tokens| !tokens.is_empty());
    steps.map(step).collect()
}

fn step(tokens: &[Token]) -> Step {
    let words: Vec<String> = tokens.iter().map(ToString::to_string).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let ["ALTER", "TABLE", _, "ALTER", "COLUMN", _, "SET", "STORAGE", _] = words[..] {
        return Step::Storage;
    }
    let mut parser = Parser::new(&PostgreSqlDialect {}).with_tokens(tokens.to_vec());
    match parser.parse_statement() {
        Ok(statement) if parser.peek_token().token == Token::EOF => Step::Parsed(Box::new(statement)),
        _ => Step::Unreadable,
    }
}
