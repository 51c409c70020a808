//! The write-ahead log while much is written: one thread makes durable what was committed without waiting for the disk,
//! another one moves the log's pages into the database meanwhile.
//!
//! A commit under `synchronous=NORMAL` has its frames in the log; when the log is synced, it is as durable as under `FULL`,
//! where SQLite syncs before the commit returns. A checkpoint syncs the log before it touches the database, so the ledger
//! is whole whatever a power cut leaves of the rest (SQLite, "Write-Ahead Logging", section 3.2).

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use ledger::durable;
use rusqlite::Connection;
use schemas::codes::Code;
use schemas::refusal::Refusal;

use super::{OPEN_FLAGS, PAGE_BYTES};
use crate::store::durable::Durable;

/// Commits between two checkpoints.
const CHECKPOINT_EVERY: usize = 4;
/// Frames that the log may hold, about: 128 MiB of a new ledger's pages. Whoever writes then waits until all of them are in
/// the database, and the log begins anew.
const FRAMES: u64 = 128 * 1_024 * 1_024 / PAGE_BYTES as u64;
/// Commits that may wait to be synced, more than any merge leaves.
const WAITING: usize = 64;

/// Has the log synced, and keeps it short.
#[derive(Debug)]
pub(super) struct Log {
    syncs: Worker<SyncSender<Result<(), Refusal>>>,
    checkpoints: Worker<Option<SyncSender<()>>>,
    commits: usize,
    /// How many frames it held at the last checkpoint.
    frames: Arc<AtomicU64>,
}

impl Log {
    /// Takes care of the log of the ledger at `path`.
    ///
    /// # Errors
    /// When there can be no threads.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let frames = Arc::new(AtomicU64::new(0));
        let (to_sync, to_move, held) = (path.to_owned(), path.to_owned(), Arc::clone(&frames));
        Ok(Self {
            syncs: Worker::start("sync", move |asked| sync_all(&to_sync, &asked))?,
            checkpoints: Worker::start("checkpoint", move |asked| checkpoint_all(&to_move, &held, &asked))?,
            commits: 0,
            frames,
        })
    }

    /// Has all that was committed so far made durable.
    pub(super) fn sync(&mut self) -> Durable {
        let (tell, told) = sync_channel(1);
        self.syncs.ask(tell);
        self.commits += 1;
        if self.commits.is_multiple_of(CHECKPOINT_EVERY) {
            self.checkpoints.ask_if_idle(None);
        }
        Durable::when(told)
    }

    /// Waits until all that was committed is in the database, where the log has become long.
    pub(super) fn shorten(&self) {
        if self.frames.load(Ordering::Relaxed) > FRAMES {
            let (tell, told) = sync_channel(1);
            self.checkpoints.ask(Some(tell));
            // What is wrong with the disk is told by who syncs next.
            told.recv().unwrap_or_default();
        }
    }
}

/// Syncs the log, once for all who ask meanwhile.
fn sync_all(path: &Path, asked: &Receiver<SyncSender<Result<(), Refusal>>>) {
    let mut log = None;
    while let Ok(first) = asked.recv() {
        let asks: Vec<_> = std::iter::once(first).chain(asked.try_iter()).collect();
        let synced = sync(path, &mut log).map_err(|error| Refusal::from_error(Code::IoFailed, &error));
        for tell in asks {
            // Who does not wait does not mind.
            drop(tell.try_send(synced.clone()));
        }
    }
}

/// Syncs the log of the ledger at `path` once, whoever wrote to it. Where there is none, all is in the database.
pub(super) fn settle(path: &Path) -> io::Result<()> {
    match sync(path, &mut None) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        synced => synced,
    }
}

fn sync(path: &Path, log: &mut Option<File>) -> io::Result<()> {
    if log.is_none() {
        let mut name = path.as_os_str().to_owned();
        name.push("-wal");
        *log = Some(OpenOptions::new().write(true).open(name)?);
        durable::sync_directory(path)?;
    }
    log.as_ref().map_or(Ok(()), File::sync_data)
}

/// Moves the log's pages into the database whenever it is asked. Where that fails the log keeps them, and the next time
/// is another try.
fn checkpoint_all(path: &Path, frames: &AtomicU64, asked: &Receiver<Option<SyncSender<()>>>) {
    let mut database = None;
    while let Ok(tell) = asked.recv() {
        if let Ok(held) = checkpoint(path, &mut database) {
            frames.store(held, Ordering::Relaxed);
        }
        drop(tell);
    }
}

/// The frames that the log holds.
fn checkpoint(path: &Path, database: &mut Option<Connection>) -> rusqlite::Result<u64> {
    let connection = match database.take() {
        Some(connection) => database.insert(connection),
        None => database.insert(Connection::open_with_flags(path, OPEN_FLAGS)?),
    };
    let frames: i64 = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))?;
    Ok(u64::try_from(frames).unwrap_or(0))
}

/// A thread that does what it is asked until nobody can ask any more.
#[derive(Debug)]
struct Worker<T> {
    asks: Option<SyncSender<T>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Worker<T> {
    fn start(name: &str, work: impl FnOnce(Receiver<T>) + Send + 'static) -> io::Result<Self> {
        let (asks, asked) = sync_channel(WAITING);
        let thread = thread::Builder::new().name(name.into()).spawn(move || work(asked))?;
        Ok(Self { asks: Some(asks), thread: Some(thread) })
    }

    /// A thread that is gone drops what it is asked, and whoever waits hears of it.
    fn ask(&self, what: T) {
        if let Some(asks) = &self.asks {
            drop(asks.send(what));
        }
    }

    fn ask_if_idle(&self, what: T) {
        if let Some(asks) = &self.asks {
            drop(asks.try_send(what));
        }
    }
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        self.asks = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
