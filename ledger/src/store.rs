//! The device's append-only store: one `SQLite` file for one chain.
//!
//! What is answered is durable: WAL with `synchronous=FULL`, one commit for a group of callers. Any number of
//! [`Reader`]s work beside the one [`Writer`]; they write nothing. A store whose state does not fit its last events is
//! damaged: it is read only and never repaired by guessing.

mod compaction;
mod database;
mod fold;
mod group;
mod keeper;
mod load;
mod lock;
mod reader;
mod rows;
mod signer;
mod trail;
mod writer;

use std::io;
use std::sync::Arc;

use schemas::codes::Code;
use thiserror::Error;

pub use self::database::{create, sqlite_is_sound};
pub use self::lock::ProcessLock;
pub use self::reader::{HistoryEntry, Reader, ShownCode, StoreVerified, Stretch};
pub use self::writer::{Process, Writer};
use crate::device::DeviceError;

/// Why the store does not do what it was asked for. It can be told to every caller of a group.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// Another process writes here.
    #[error("another process writes here")]
    Busy,
    /// The store is damaged; the text says what does not fit.
    #[error("the store is damaged: {0}")]
    Damaged(&'static str),
    /// Another thread died while it wrote for this one; whether the command was kept is not known.
    #[error("another thread died while it wrote for this one")]
    Died,
    /// The store was written by a newer version.
    #[error("the store was written by a newer version")]
    UnknownVersion,
    /// The database refused.
    #[error("the database refused")]
    Sqlite(#[source] Arc<rusqlite::Error>),
    /// The operating system refused.
    #[error("a file could not be read or written")]
    Io(#[source] Arc<io::Error>),
    /// The tables could not be made.
    #[error("the store's tables could not be made")]
    Migration(#[source] Arc<refinery::Error>),
}

impl StoreError {
    /// The refusal code that stands for this error.
    pub fn code(&self) -> Code {
        match self {
            Self::Busy => Code::Busy,
            Self::Damaged(_) => Code::NeedsRepair,
            Self::UnknownVersion => Code::UnsupportedVersion,
            Self::Died | Self::Sqlite(_) | Self::Migration(_) => Code::StoreFailed,
            Self::Io(_) => Code::IoFailed,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::{Error, ErrorCode};
        // What this crate wrote reads back as the same types from the same tables.
        if matches!(
            error,
            Error::InvalidColumnType(..)
                | Error::FromSqlConversionFailure(..)
                | Error::IntegralValueOutOfRange(..)
        ) {
            return Self::Damaged("a value is of another type");
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged("the file is not a whole database")
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            _ if is_misfit(&error) => Self::Damaged("a table is not as it was made"),
            _ => Self::Sqlite(Arc::new(error)),
        }
    }
}

/// Whether a statement does not fit the tables, all of which are this crate's.
fn is_misfit(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqlInputError { .. } => true,
        rusqlite::Error::SqliteFailure(error, _) => error.extended_code == rusqlite::ffi::SQLITE_ERROR,
        _ => false,
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

impl From<refinery::Error> for StoreError {
    fn from(error: refinery::Error) -> Self {
        let cause =
            std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<rusqlite::Error>());
        match cause.and_then(rusqlite::Error::sqlite_error_code) {
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Migration(Arc::new(error)),
        }
    }
}

/// Why a command was not carried out.
#[derive(Clone, Debug, Error)]
pub enum AppendError {
    /// The device decided against it.
    #[error(transparent)]
    Decided(#[from] DeviceError),
    /// The store could not keep it; nothing of it is kept as far as the store can tell.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AppendError {
    /// The refusal code that stands for this error.
    pub fn code(&self) -> Code {
        match self {
            Self::Decided(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }
}

#[cfg(test)]
mod tests;
