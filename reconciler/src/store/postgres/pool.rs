//! The connections of one process to one database: few, lent to one transaction after the other on whatever thread it
//! runs, and thrown away when they were lost.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime as Timer;
use deadpool::managed::{
    Manager, Metrics, Object, Pool as Bounded, PoolError, RecycleError, RecycleResult, Timeouts,
};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, Error};

use super::StoreError;
use super::connection::{self, Target};
use super::values;
use crate::store::sql::statements::{Kind, Statement};

/// How long a transaction waits for a connection while others have all of them.
const WAIT: Duration = Duration::from_secs(30);

/// Connections, and the runtime that drives them. Clones share both.
#[derive(Clone)]
pub(super) struct Pool {
    connections: Bounded<Connector>,
    runtime: Arc<Runtime>,
}

/// A connection that is given back when it is dropped.
pub(super) type Lent = Object<Connector>;

/// A client with the statements that were prepared on it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: Client,
    prepared: HashMap<String, tokio_postgres::Statement>,
}

/// Makes connections.
#[derive(Debug)]
pub(super) struct Connector(Target);

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("target", self.connections.manager()).finish_non_exhaustive()
    }
}

impl Pool {
    /// Connections to `target`, each made when it is first needed.
    pub(super) fn new(target: Target) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| StoreError::Database(Box::new(error)))?;
        let size = target.connections();
        let connections = Bounded::builder(Connector(target))
            .max_size(size)
            .wait_timeout(Some(WAIT))
            .runtime(Timer::Tokio1)
            .build()
            .map_err(|error| StoreError::Database(Box::new(error)))?;
        Ok(Self { connections, runtime: Arc::new(runtime) })
    }

    /// What carries out requests to the connections.
    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// How many connections there are at most.
    pub(super) fn most(&self) -> usize {
        self.connections.status().max_size
    }

    /// A connection that nobody else has, made anew where none is idle.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when others keep all of them too long; why none can be made.
    pub(super) fn lend(&self) -> Result<Lent, StoreError> {
        self.runtime.block_on(self.connections.get()).map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Timeout(_) => StoreError::Busy,
            other => StoreError::Database(Box::new(other)),
        })
    }

    /// A connection that is idle at the moment, if there is one: none is made and none waited for.
    pub(super) fn lend_idle(&self) -> Option<Lent> {
        let at_once =
            Timeouts { wait: Some(Duration::ZERO), create: Some(Duration::ZERO), ..Timeouts::default() };
        let is_one_idle = self.connections.status().available > 0;
        is_one_idle.then(|| self.runtime.block_on(self.connections.timeout_get(&at_once)).ok()).flatten()
    }

    /// Throws a connection away that was lost or is in the midst of something, and those that are idle: what cut one has
    /// most often cut all.
    pub(super) fn throw_away(&self, lost: Lent) {
        drop(Object::take(lost));
        drop(self.connections.retain(|_, _| false));
    }
}

impl Manager for Connector {
    type Type = Session;
    type Error = StoreError;

    async fn create(&self) -> Result<Session, StoreError> {
        let client = self.0.connect().await?;
        connection::refuse_unsafe(&client).await?;
        Ok(Session { client, prepared: HashMap::new() })
    }

    async fn recycle(&self, session: &mut Session, _: &Metrics) -> RecycleResult<StoreError> {
        if session.client.is_closed() { Err(RecycleError::message("it was lost")) } else { Ok(()) }
    }
}

impl Session {
    /// The statement `sql` with parameters that hold `takes`, prepared once.
    pub(super) async fn prepare(
        &mut self,
        sql: &str,
        takes: impl Iterator<Item = Kind>,
    ) -> Result<tokio_postgres::Statement, Error> {
        if let Some(prepared) = self.prepared.get(sql) {
            return Ok(prepared.clone());
        }
        let types: Vec<_> = takes.map(values::type_of).collect();
        let prepared = self.client.prepare_typed(sql, &types).await?;
        self.prepared.insert(sql.to_owned(), prepared.clone());
        Ok(prepared)
    }

    /// A statement of the registry, prepared once.
    pub(super) async fn prepare_statement(
        &mut self,
        statement: &Statement,
    ) -> Result<tokio_postgres::Statement, Error> {
        let takes = statement.takes().iter().copied();
        if statement.locks() {
            self.prepare(&format!("{} FOR UPDATE", statement.sql()), takes).await
        } else {
            self.prepare(statement.sql(), takes).await
        }
    }
}
