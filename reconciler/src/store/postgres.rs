//! The ledger on PostgreSQL: any number of processes on one database.
//!
//! A unit of work is one transaction, `READ COMMITTED`, with the rows of its licences locked one by one in the order of
//! their identifiers. Where the connection is lost while a transaction commits, the server is asked afterwards whether it
//! did. Statements that do not wait for each other's answers are sent together.

mod citus;
mod connection;
mod migrations;
mod pool;
mod values;

use std::error::Error as _;
use std::path::Path;
use std::time::Duration;

use futures_util::future::try_join_all;
use futures_util::{TryStreamExt as _, pin_mut};
use schemas::codes::Code;
use schemas::refusal::Refusal;
use tokio::runtime::Runtime;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use self::connection::{Target, Token};
use self::pool::{Lent, Pool, Session};
use super::StoreError;
use super::sql::SqlStore;
use super::sql::database::{Access, Database, Row, TakeRow, Value, Values};
use super::sql::statements::{Insert, Statement};
use super::views::PlacedTable;

/// How many rows one statement writes: as many as fit of the largest first.
const INSERT_SIZES: [usize; 4] = [128, 16, 4, 1];
/// Bytes that one statement writes, about, before it is one row a statement.
const INSERT_BYTES: usize = 2 * 1024 * 1024;
/// Parts that are sent together.
const PARTS_TOGETHER: usize = 8;
/// How often the server is asked for the outcome of a commit, with longer and longer pauses: about fifteen seconds.
const RECONNECTS: u32 = 12;
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);
/// Transactions of one merge that write at the same time.
const WRITERS: usize = 2;
/// Sets of values that are asked for together.
const TOGETHER: usize = 256;

/// A PostgreSQL database, with one transaction at a time. Each has a connection of the pool while it lasts.
#[derive(Debug)]
pub(super) struct Postgres {
    pool: Pool,
    /// The connection of the transaction that was begun.
    session: Option<Lent>,
    /// The token that the transaction which writes has left, by which it is seen afterwards whether it was committed.
    token: Option<Token>,
    /// The token of the one before, which nobody asks for any more.
    spent: Option<Token>,
}

impl Postgres {
    /// Makes an empty ledger in the database at `url`.
    ///
    /// # Errors
    /// `store_occupied` where it has a ledger; `store_unsafe` when its settings lose what was committed;
    /// `store_unreachable`.
    pub(super) fn create(url: &str) -> Result<SqlStore, StoreError> {
        let pool = Pool::new(Target::parse(url)?)?;
        let mut session = pool.lend()?;
        // What an interrupted copy or `init` left holds nothing and is used.
        let has_ledger = pool.runtime().block_on(migrations::version(&session.client))?.is_some();
        if has_ledger && pool.runtime().block_on(connection::holds_anything(&session.client))? {
            return Err(Refusal::from(Code::StoreOccupied).into());
        }
        pool.runtime().block_on(migrations::apply(&mut session.client))?;
        drop(session);
        Ok(SqlStore::new(Self::over(pool)))
    }

    /// Opens the ledger in the database at `url`.
    ///
    /// # Errors
    /// `home_damaged` where it has none; `store_unsafe` when its settings lose what was committed; `store_unreachable`.
    pub(super) fn open(url: &str) -> Result<SqlStore, StoreError> {
        let pool = Pool::new(Target::parse(url)?)?;
        let mut session = pool.lend()?;
        let version = pool.runtime().block_on(migrations::version(&session.client))?;
        let Some(version) = version else {
            return Err(Refusal::new(Code::HomeDamaged, "the database has no ledger").into());
        };
        if migrations::is_behind(version)? {
            pool.runtime().block_on(migrations::apply(&mut session.client))?;
        }
        drop(session);
        Ok(SqlStore::new(Self::over(pool)))
    }

    fn over(pool: Pool) -> Self {
        Self { pool, session: None, token: None, spent: None }
    }

    /// The connection of the transaction that was begun; one that was lost meanwhile is not made anew in its midst.
    fn begun(&mut self) -> Result<(&Runtime, &mut Session), StoreError> {
        match &mut self.session {
            Some(session) => Ok((self.pool.runtime(), session)),
            None => Err(StoreError::Unreachable("the connection was lost".into())),
        }
    }

    /// Whether a transaction was committed of which the answer was lost.
    fn was_committed(&mut self, token: &Token) -> Result<bool, StoreError> {
        let mut unreachable = None;
        for attempt in 0..RECONNECTS {
            self.wait(RECONNECT_PAUSE * attempt);
            let asked = self.pool.lend().and_then(|session| {
                let asked = self.pool.runtime().block_on(connection::was_committed(&session.client, token));
                asked.map_err(|error| {
                    self.pool.throw_away(session);
                    error.into()
                })
            });
            match asked {
                Ok(was_committed) => return Ok(was_committed),
                Err(error) => unreachable = Some(error),
            }
        }
        Err(StoreError::OutcomeUnknown(unreachable.map_or_else(|| "no answer".into(), Into::into)))
    }

    fn throw_away(&mut self) {
        if let Some(session) = self.session.take() {
            self.pool.throw_away(session);
        }
    }
}

/// What the last transaction left is of no more use; one that a dead process left takes no room worth naming. One that was
/// not ended goes with its connection.
impl Drop for Postgres {
    fn drop(&mut self) {
        self.throw_away();
        if let (Some(spent), Some(session)) = (&self.spent, self.pool.lend_idle()) {
            drop(self.pool.runtime().block_on(connection::forget(&session.client, spent)));
        }
    }
}

impl Database for Postgres {
    fn another(&self) -> Result<Box<dyn Database>, StoreError> {
        Ok(Box::new(Self::over(self.pool.clone())))
    }

    /// While one waits for the server, another one keeps the processor busy.
    fn writers_at_once(&self) -> usize {
        self.pool.most().min(WRITERS)
    }

    fn begin(&mut self, access: Access) -> Result<(), StoreError> {
        self.session = Some(self.pool.lend()?);
        match access {
            Access::Read => {
                let (runtime, session) = self.begun()?;
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                runtime.block_on(session.client.batch_execute(begin))?;
            }
            Access::Write | Access::WriteSoon => {
                let token = Token::random()?;
                let spent = self.spent.take();
                let (runtime, session) = self.begun()?;
                runtime.block_on(connection::begin_writing(&session.client, &token, spent.as_ref()))?;
                self.token = Some(token);
            }
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let (runtime, session) = self.begun()?;
        let committed = runtime.block_on(session.client.batch_execute("COMMIT"));
        match (committed, self.token.take()) {
            (Ok(()), token) => {
                self.session = None;
                self.spent = token.or(self.spent.take());
                Ok(())
            }
            (Err(error), Some(token)) if is_lost(&error) => {
                self.throw_away();
                let was_committed = self.was_committed(&token)?;
                self.spent = Some(token);
                if was_committed { Ok(()) } else { Err(StoreError::Unreachable(Box::new(error))) }
            }
            (Err(error), _) => {
                self.roll_back();
                Err(error.into())
            }
        }
    }

    fn roll_back(&mut self) {
        self.token = None;
        let Some(session) = &self.session else { return };
        if self.pool.runtime().block_on(session.client.batch_execute("ROLLBACK")).is_ok() {
            self.session = None;
        } else {
            // The server rolls back what a lost connection leaves.
            self.throw_away();
        }
    }

    fn query(
        &mut self,
        statement: &'static Statement,
        values: &[Value<'_>],
        take: &mut TakeRow<'_>,
    ) -> Result<(), StoreError> {
        let (runtime, session) = self.begun()?;
        runtime.block_on(async {
            let prepared = session.prepare_statement(statement).await?;
            let rows = session.client.query_raw(&prepared, values.iter().map(parameter)).await?;
            pin_mut!(rows);
            while let Some(row) = rows.try_next().await? {
                take(values::read(&row)?)?;
            }
            Ok(())
        })
    }

    fn query_each(
        &mut self,
        statement: &'static Statement,
        sets: &[Values<'_>],
        take: &mut dyn FnMut(usize, Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let (runtime, session) = self.begun()?;
        runtime.block_on(async {
            let prepared = session.prepare_statement(statement).await?;
            let client = &session.client;
            for (part, sets) in sets.chunks(TOGETHER).enumerate() {
                let asked = sets.iter().map(|values| async {
                    let parameters: Vec<_> = values.iter().map(parameter).collect();
                    client.query(&prepared, &parameters).await
                });
                for (number, rows) in try_join_all(asked).await?.into_iter().enumerate() {
                    for row in rows {
                        take(part * TOGETHER + number, values::read(&row)?)?;
                    }
                }
            }
            Ok(())
        })
    }

    fn execute(&mut self, statement: &'static Statement, values: &[Value<'_>]) -> Result<u64, StoreError> {
        let (runtime, session) = self.begun()?;
        runtime.block_on(async {
            let prepared = session.prepare_statement(statement).await?;
            let parameters: Vec<_> = values.iter().map(parameter).collect();
            Ok(session.client.execute(&prepared, &parameters).await?)
        })
    }

    fn insert(&mut self, insert: &'static Insert, rows: &[Values<'_>]) -> Result<u64, StoreError> {
        let (runtime, session) = self.begun()?;
        runtime.block_on(async {
            let mut parts = Vec::new();
            for part in parts_of(rows) {
                let takes = (0..part.len()).flat_map(|_| insert.takes());
                parts.push((session.prepare(&insert.sql(part.len()), takes).await?, part));
            }
            let client = &session.client;
            let mut touched = 0;
            for together in parts.chunks(PARTS_TOGETHER) {
                let written = together.iter().map(|(prepared, part)| async move {
                    let parameters: Vec<_> = part.iter().flatten().map(parameter).collect();
                    client.execute(prepared, &parameters).await
                });
                touched += try_join_all(written).await?.into_iter().sum::<u64>();
            }
            Ok(touched)
        })
    }

    fn lock_licenses(&mut self) -> Result<(), StoreError> {
        let (runtime, session) = self.begun()?;
        Ok(runtime.block_on(connection::lock_licenses(&session.client))?)
    }

    fn wait(&mut self, pause: Duration) {
        self.pool.runtime().block_on(connection::wait(pause));
    }

    fn copy_file(&mut self, _: &Path, _: &mut dyn FnMut(u64)) -> Result<bool, StoreError> {
        Ok(false)
    }

    fn distribute(&mut self, progress: &mut dyn FnMut()) -> Result<Vec<PlacedTable>, StoreError> {
        let session = self.pool.lend()?;
        self.pool.runtime().block_on(citus::distribute(&session.client, progress))
    }

    fn version(&mut self) -> Result<String, StoreError> {
        let session = self.pool.lend()?;
        Ok(self.pool.runtime().block_on(connection::version(&session.client))?)
    }
}

/// Cuts rows into parts of the sizes that are prepared, so that no part is much larger than is good.
fn parts_of<'r, 'v>(mut rows: &'r [Values<'v>]) -> Vec<&'r [Values<'v>]> {
    let mut parts = Vec::new();
    while !rows.is_empty() {
        let size = INSERT_SIZES.into_iter().find(|size| fits(rows, *size)).unwrap_or(1);
        let (part, rest) = rows.split_at(size);
        parts.push(part);
        rows = rest;
    }
    parts
}

fn fits(rows: &[Values<'_>], size: usize) -> bool {
    rows.len() >= size && rows[..size].iter().flatten().map(values::size).sum::<usize>() <= INSERT_BYTES
}

fn parameter<'a>(value: &'a Value<'_>) -> &'a (dyn ToSql + Sync) {
    value
}

/// Whether nothing more will come over the connection.
fn is_lost(error: &Error) -> bool {
    let shut_down = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::IDLE_SESSION_TIMEOUT,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ];
    match error.code() {
        Some(state) => shut_down.contains(state) || state.code().starts_with("08"),
        None => {
            error.is_closed() || error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
        }
    }
}

/// Branches on the SQLSTATE alone.
impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        let overtaken = [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::UNIQUE_VIOLATION,
        ];
        match error.code() {
            _ if is_lost(&error) => Self::Unreachable(Box::new(error)),
            Some(state) if overtaken.contains(state) => Self::Overtaken(Box::new(error)),
            Some(state) if *state == SqlState::LOCK_NOT_AVAILABLE => Self::Busy,
            _ => Self::Database(Box::new(error)),
        }
    }
}
