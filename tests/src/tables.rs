//! A ledger's tables as another hand sees them, past the store and its rules: in a file or on a server alike.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::fs;
use std::path::Path;

use postgres::types::private::BytesMut;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, NoTls};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, OpenFlags, params_from_iter};

/// A value of a row.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A whole number.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// The tables. Statements have parameters `$1`, `$2`, … in the order in which they stand.
pub struct Tables(Kept);

enum Kept {
    File(Connection),
    Server(RefCell<Client>),
}

/// The store's URL in the settings of a home.
pub(crate) fn store_of(home: &Path) -> String {
    let settings = fs::read_to_string(home.join("home.toml")).expect("a home");
    let store = settings.lines().find_map(|line| line.strip_prefix("store = \"")?.strip_suffix('"'));
    store.expect("a home says where its ledger is").to_owned()
}

impl Tables {
    /// Those of the ledger that a home names: a file in it, or a database.
    ///
    /// # Panics
    /// When there is none.
    pub fn of(home: &Path) -> Self {
        let store = store_of(home);
        if store.starts_with("postgres:") {
            return Self(Kept::Server(RefCell::new(Client::connect(&store, NoTls).expect("a server"))));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self(Kept::File(Connection::open_with_flags(home.join("ledger.db"), flags).expect("a ledger")))
    }

    /// The tables of the ledger, in the order of their names, without those by which a database does its own work.
    pub fn names(&self) -> Vec<String> {
        let (query, own) = match self.0 {
            Kept::File(_) => {
                ("SELECT name FROM sqlite_schema WHERE type = 'table'", ["sqlite_", "refinery_"])
            }
            Kept::Server(_) => (
                "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'",
                ["commits", "schema_versions"],
            ),
        };
        let mut names = self.texts(query, &[]);
        names.retain(|name| !own.iter().any(|own| name.starts_with(own)));
        names.sort();
        names
    }

    /// The columns of a table, in their order.
    pub fn columns(&self, table: &str) -> Vec<String> {
        let query = match self.0 {
            Kept::File(_) => "SELECT name FROM pragma_table_info($1) ORDER BY cid",
            Kept::Server(_) => {
                "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 ORDER BY attnum"
            }
        };
        self.texts(query, &[Cell::Text(table.to_owned())])
    }

    /// The columns of its primary key, in the key's order.
    pub fn key(&self, table: &str) -> Vec<String> {
        let query = match self.0 {
            Kept::File(_) => "SELECT name FROM pragma_table_info($1) WHERE pk > 0 ORDER BY pk",
            Kept::Server(_) => {
                "SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
                 WHERE i.indrelid = to_regclass($1) AND i.indisprimary ORDER BY array_position(i.indkey::int2[], a.attnum)"
            }
        };
        self.texts(query, &[Cell::Text(table.to_owned())])
    }

    /// What a query finds.
    ///
    /// # Panics
    /// When it is refused.
    #[track_caller]
    pub fn rows(&self, query: &str, values: &[Cell]) -> Vec<Vec<Cell>> {
        match &self.0 {
            Kept::File(file) => {
                let mut prepared = file.prepare(query).unwrap_or_else(|error| panic!("{query}: {error}"));
                let columns = prepared.column_count();
                let rows = prepared.query_map(params_from_iter(values), |row| {
                    (0..columns).map(|column| Ok(Cell::from(row.get::<_, Value>(column)?))).collect()
                });
                rows.expect("SQL")
                    .collect::<Result<_, _>>()
                    .unwrap_or_else(|error| panic!("{query}: {error}"))
            }
            Kept::Server(server) => {
                let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
                let rows = server.borrow_mut().query(query, &values);
                let rows = rows.unwrap_or_else(|error| panic!("{query}: {error:?}"));
                rows.iter().map(|row| (0..row.len()).map(|column| cell(row, column)).collect()).collect()
            }
        }
    }

    /// The first row that a query finds.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn row(&self, query: &str, values: &[Cell]) -> Vec<Cell> {
        self.rows(query, values).into_iter().next().unwrap_or_else(|| panic!("no row: {query}"))
    }

    /// Carries out a statement; the number of rows that it touched.
    ///
    /// # Panics
    /// When it is refused.
    #[track_caller]
    pub fn execute(&self, statement: &str, values: &[Cell]) -> u64 {
        match &self.0 {
            Kept::File(file) => {
                let done = file.execute(statement, params_from_iter(values));
                done.unwrap_or_else(|error| panic!("{statement}: {error}")) as u64
            }
            Kept::Server(server) => {
                let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
                let done = server.borrow_mut().execute(statement, &values);
                done.unwrap_or_else(|error| panic!("{statement}: {error:?}"))
            }
        }
    }

    fn texts(&self, query: &str, values: &[Cell]) -> Vec<String> {
        let text = |row: Vec<Cell>| match row.into_iter().next() {
            Some(Cell::Text(text)) => text,
            other => panic!("{query}: {other:?}"),
        };
        self.rows(query, values).into_iter().map(text).collect()
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kept::File(_) => "tables in a file",
            Kept::Server(_) => "tables on a server",
        })
    }
}

impl Cell {
    /// The bytes that it is.
    ///
    /// # Panics
    /// When it is something else.
    #[track_caller]
    pub fn bytes(self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes,
            other => panic!("{other:?} is not bytes"),
        }
    }
}

impl From<Value> for Cell {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Integer(number) => Self::Int(number),
            Value::Text(text) => Self::Text(text),
            Value::Blob(bytes) => Self::Bytes(bytes),
            Value::Real(number) => panic!("a ledger holds no number such as {number}"),
        }
    }
}

impl rusqlite::ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl ToSql for Cell {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) => number.to_sql(ty, out),
            Self::Text(text) => text.to_sql(ty, out),
            Self::Bytes(bytes) => bytes.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT8, Type::TEXT, Type::BYTEA].contains(ty)
    }

    to_sql_checked!();
}

fn cell(row: &postgres::Row, column: usize) -> Cell {
    let (name, of) = (row.columns()[column].name(), row.columns()[column].type_());
    let cell = match *of {
        Type::INT8 => row.get::<_, Option<i64>>(column).map(Cell::Int),
        Type::TEXT => row.get::<_, Option<String>>(column).map(Cell::Text),
        Type::BYTEA => row.get::<_, Option<Vec<u8>>>(column).map(Cell::Bytes),
        _ => panic!("{name} is {of}"),
    };
    cell.unwrap_or(Cell::Null)
}
