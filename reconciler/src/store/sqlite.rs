//! The ledger on SQLite: one file, one writer at a time, any number of readers.
//!
//! WAL with `synchronous=FULL`: what was committed survives a power cut; while much is written, the log is synced beside
//! the commits, and what they leave is answered afterwards. A writer waits five seconds for another one and then is
//! refused as busy.

mod copy;
mod log;

use std::path::Path;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags};
use schemas::codes::Code;
use schemas::migrations::LEDGER_SQLITE;
use schemas::refusal::Refusal;

use self::log::Log;
use super::StoreError;
use super::durable::Durable;
use super::sql::SqlStore;
use super::sql::database::{Access, Database, Row, TakeRow, Value, Values};
use super::sql::statements::{Insert, Statement};
use super::views::PlacedTable;

/// The least SQLite that is safe: older ones can corrupt a WAL that is reset.
const LEAST_VERSION: i32 = 3_051_003;
/// Distinguishes a ledger from other SQLite files: `CFlg`.
const APPLICATION_ID: i32 = 0x4346_6c67;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of a page of a new ledger. Against SQLite's 4 KiB it saves a tenth of the work of a merge; pages of 16 KiB save
/// more where bundles are long, and write twice as much where every bundle is short and of another licence.
const PAGE_BYTES: u32 = 8_192;
/// Pages of the log after which a commit moves them into the database, where no thread does that: 64 MiB. Older ledgers, whose
/// pages are half as long, do so after half as many bytes.
const CHECKPOINT_PAGES: u32 = 64 * 1_024 * 1_024 / PAGE_BYTES;
const OPEN_FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// A connection to a SQLite file.
#[derive(Debug)]
pub(super) struct Sqlite {
    /// The thread that takes care of the log, when commits do not wait for the disk.
    log: Option<Log>,
    /// Whether they do not.
    is_soon: bool,
    connection: Connection,
}

impl Sqlite {
    /// Makes an empty ledger at `path`, which must not exist.
    pub(super) fn create(path: &Path) -> Result<SqlStore, StoreError> {
        if path.exists() {
            return Err(Refusal::from(Code::StoreOccupied).at(path.display()).into());
        }
        let connection = Connection::open_with_flags(path, OPEN_FLAGS | OpenFlags::SQLITE_OPEN_CREATE)?;
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        Self::up_to_date(connection)
    }

    /// Opens the ledger at `path`; `home_damaged` when there is none.
    pub(super) fn open(path: &Path) -> Result<SqlStore, StoreError> {
        if !path.is_file() {
            return Err(no_ledger("the ledger is missing"));
        }
        let connection = Connection::open_with_flags(path, OPEN_FLAGS)?;
        let id: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(
            |error| match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => no_ledger("it is not a ledger"),
                _ => error.into(),
            },
        )?;
        if id != APPLICATION_ID {
            return Err(no_ledger("it is not a ledger"));
        }
        Self::up_to_date(connection)
    }

    /// Brings the tables to the newest version, and folds the runs into projections that are new. The version is noted
    /// when all is done: an interruption begins again.
    fn up_to_date(mut connection: Connection) -> Result<SqlStore, StoreError> {
        configure(&connection)?;
        let newest = u32::try_from(LEDGER_SQLITE.len()).expect("migrations are few");
        let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version > newest {
            let detail = format!("the ledger's tables are of version {version}");
            return Err(Refusal::new(Code::UnsupportedVersion, detail).into());
        }
        let steps = LEDGER_SQLITE.get(version as usize..).unwrap_or_default();
        if version < newest {
            migrate(&mut connection)?;
        }
        let mut sqlite = Self::over(connection);
        if version < newest {
            if steps.iter().any(|step| step.folds) {
                SqlStore::rebuild_in(&mut sqlite)?;
            }
            sqlite.connection.pragma_update(None, "user_version", newest)?;
        }
        Ok(SqlStore::new(sqlite))
    }
}

impl Sqlite {
    fn over(connection: Connection) -> Self {
        Self { log: None, is_soon: false, connection }
    }

    /// Lets commits wait for the disk, or not.
    fn wait_for_disk(&mut self, waits: bool) -> Result<(), StoreError> {
        if !waits {
            let log = match self.log.take() {
                Some(log) => log,
                None => Log::of(Path::new(self.connection.path().unwrap_or_default()))
                    .map_err(|error| Refusal::from_error(Code::IoFailed, &error))?,
            };
            self.log.insert(log).shorten();
        }
        if waits == self.is_soon {
            let (synchronous, pages) = if waits { ("FULL", CHECKPOINT_PAGES) } else { ("NORMAL", 0) };
            self.connection.pragma_update(None, "synchronous", synchronous)?;
            self.connection.pragma_update(None, "wal_autocheckpoint", pages)?;
            self.is_soon = !waits;
        }
        Ok(())
    }
}

fn no_ledger(what: &str) -> StoreError {
    Refusal::new(Code::HomeDamaged, what).into()
}

fn configure(connection: &Connection) -> Result<(), StoreError> {
    assert!(rusqlite::version_number() >= LEAST_VERSION, "the bundled SQLite is older than is safe");
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "cache_size", -65_536)?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(())
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let migrations = LEDGER_SQLITE
        .iter()
        .map(|step| refinery::Migration::unapplied(step.name, step.sql))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| StoreError::Database(Box::new(error)))?;
    refinery::Runner::new(&migrations)
        .run(connection)
        .map_err(|error| StoreError::Database(Box::new(error)))?;
    Ok(())
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Database(Box::new(error)),
        }
    }
}

impl Database for Sqlite {
    fn another(&self) -> Result<Box<dyn Database>, StoreError> {
        let path = self.connection.path().ok_or(StoreError::Damaged("path"))?;
        let connection = Connection::open_with_flags(path, OPEN_FLAGS)?;
        configure(&connection)?;
        Ok(Box::new(Self::over(connection)))
    }

    fn begin(&mut self, access: Access) -> Result<(), StoreError> {
        let begin = match access {
            Access::Read => "BEGIN DEFERRED",
            Access::Write | Access::WriteSoon => {
                self.wait_for_disk(access == Access::Write)?;
                "BEGIN IMMEDIATE"
            }
        };
        self.connection.prepare_cached(begin)?.execute([])?;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let committed = self.connection.prepare_cached("COMMIT")?.execute([]);
        if committed.is_err() {
            self.roll_back();
        }
        committed?;
        Ok(())
    }

    fn durable(&mut self) -> Durable {
        self.log.as_mut().filter(|_| self.is_soon).map_or_else(Durable::now, Log::sync)
    }

    fn settle(&mut self) -> Result<(), StoreError> {
        let path = Path::new(self.connection.path().unwrap_or_default());
        Ok(log::settle(path).map_err(|error| Refusal::from_error(Code::IoFailed, &error))?)
    }

    fn roll_back(&mut self) {
        if !self.connection.is_autocommit() {
            // Where even this fails, the connection is of no more use, and says so at the next statement.
            drop(self.connection.execute_batch("ROLLBACK"));
        }
    }

    fn query(
        &mut self,
        statement: &'static Statement,
        values: &[Value<'_>],
        take: &mut TakeRow<'_>,
    ) -> Result<(), StoreError> {
        let mut prepared = self.connection.prepare_cached(statement.sql())?;
        bind(&mut prepared, values)?;
        let columns = prepared.column_count();
        let mut rows = prepared.raw_query();
        while let Some(row) = rows.next()? {
            let values = (0..columns).map(|column| Ok(value(row.get_ref(column)?)));
            take(Row::new(values.collect::<Result<_, StoreError>>()?))?;
        }
        Ok(())
    }

    fn execute(&mut self, statement: &'static Statement, values: &[Value<'_>]) -> Result<u64, StoreError> {
        let mut prepared = self.connection.prepare_cached(statement.sql())?;
        bind(&mut prepared, values)?;
        Ok(prepared.raw_execute()? as u64)
    }

    fn insert(&mut self, insert: &'static Insert, rows: &[Values<'_>]) -> Result<u64, StoreError> {
        let mut prepared = self.connection.prepare_cached(&insert.sql(1))?;
        let mut touched = 0;
        for row in rows {
            bind(&mut prepared, row)?;
            touched += prepared.raw_execute()? as u64;
        }
        Ok(touched)
    }

    /// One process writes at a time.
    fn lock_licenses(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Whoever waits for another writer has waited in the database.
    fn wait(&mut self, _: Duration) {}

    fn copy_file(&mut self, path: &Path, progress: &mut dyn FnMut(u64)) -> Result<bool, StoreError> {
        copy::into(&mut self.connection, path, progress).map(|()| true)
    }

    fn distribute(&mut self, _: &mut dyn FnMut()) -> Result<Vec<PlacedTable>, StoreError> {
        Err(Refusal::new(Code::CitusMissing, "the ledger is kept in a file").into())
    }

    fn version(&mut self) -> Result<String, StoreError> {
        Ok(format!("SQLite {}", rusqlite::version()))
    }
}

fn bind(statement: &mut CachedStatement<'_>, values: &[Value<'_>]) -> Result<(), StoreError> {
    for (at, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(at + 1, parameter(value))?;
    }
    Ok(())
}

fn parameter<'a>(value: &'a Value<'_>) -> ToSqlOutput<'a> {
    ToSqlOutput::Borrowed(match value {
        Value::Null => ValueRef::Null,
        Value::Int(number) => ValueRef::Integer(*number),
        Value::Text(text) => ValueRef::Text(text.as_bytes()),
        Value::Bytes(bytes) => ValueRef::Blob(bytes),
    })
}

/// A value as it is read. What is no text or of a kind that the tables do not hold is told by whoever reads it.
fn value(stored: ValueRef<'_>) -> Value<'static> {
    match stored {
        ValueRef::Null | ValueRef::Real(_) => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Value::Text(text.to_owned().into()),
            Err(_) => Value::Bytes(text.to_owned().into()),
        },
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_owned().into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_ledger_that_is_missing_or_something_else_makes_a_damaged_home() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("ledger.db");
        let code = || Sqlite::open(&path).err().map(|error| Refusal::from(error).code());
        assert_eq!(code(), Some(Code::HomeDamaged), "missing");
        assert!(!path.exists(), "nothing was made in its place");
        for garbage in [Vec::new(), vec![b'x'; 8_192]] {
            fs::write(&path, garbage).expect("writable");
            assert_eq!(code(), Some(Code::HomeDamaged));
        }
        fs::remove_file(&path).expect("just written");
        Connection::open(&path)
            .and_then(|other| other.execute_batch("CREATE TABLE t (a)"))
            .expect("another database");
        assert_eq!(code(), Some(Code::HomeDamaged), "another program's database");
        fs::remove_file(&path).expect("just written");
        drop(Sqlite::create(&path).expect("writable"));
        assert_eq!(code(), None);
    }
}
