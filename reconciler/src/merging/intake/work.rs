//! What there is to read: files, and entries that whoever reads an archive has found and others may verify.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::Source;

/// Bytes and number of entries that wait for somebody to verify them, about.
const WAITING_BYTES: u64 = 16 * 1024 * 1024;
const WAITING_ENTRIES: usize = 1_024;

/// An entry of an archive that was read and not looked at.
#[derive(Debug)]
pub(super) struct Unverified {
    pub(super) source: Source,
    pub(super) bytes: Vec<u8>,
    /// The bytes of the archive that it stands for.
    pub(super) share: u64,
}

/// What a reader does next.
#[derive(Debug)]
pub(super) enum Job<'a> {
    /// Read a bundle.
    Bundle(&'a Source),
    /// Read an archive; others wait for what it holds until the value goes away.
    Archive(Reading<'a>),
    /// Verify an entry.
    Entry(Unverified),
}

/// The work of all readers.
#[derive(Debug)]
pub(super) struct Work<'a> {
    sources: &'a [Source],
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The next source.
    next: usize,
    entries: VecDeque<Unverified>,
    bytes: u64,
    /// Archives that are being read.
    open: usize,
    is_stopped: bool,
}

impl<'a> Work<'a> {
    /// All of `sources`, in their order.
    pub(super) fn new(sources: &'a [Source]) -> Self {
        Self { sources, state: Mutex::default(), changed: Condvar::new() }
    }

    /// The next thing to do: entries first, so that they do not pile up. Waits while an archive may bring more; nothing
    /// when all is done or it was stopped.
    pub(super) fn next(&'a self) -> Option<Job<'a>> {
        let mut state = self.lock();
        loop {
            if state.is_stopped {
                return None;
            }
            if let Some(entry) = state.entries.pop_front() {
                state.bytes -= entry.bytes.len() as u64;
                return Some(Job::Entry(entry));
            }
            if let Some(source) = self.sources.get(state.next) {
                state.next += 1;
                if source.archive.is_none() {
                    return Some(Job::Bundle(source));
                }
                state.open += 1;
                return Some(Job::Archive(Reading { work: self, source }));
            }
            if state.open == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Leaves an entry to others; gives it back where enough wait already, or nobody will come any more.
    pub(super) fn offer(&self, entry: Unverified) -> Option<Unverified> {
        let mut state = self.lock();
        let is_full = state.bytes >= WAITING_BYTES || state.entries.len() >= WAITING_ENTRIES;
        if is_full || state.is_stopped {
            return Some(entry);
        }
        state.bytes += entry.bytes.len() as u64;
        state.entries.push_back(entry);
        self.changed.notify_one();
        None
    }

    /// Ends the work: nobody takes what is read.
    pub(super) fn stop(&self) {
        self.lock().is_stopped = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An archive that is being read.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    work: &'a Work<'a>,
    pub(super) source: &'a Source,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.work.lock().open -= 1;
        self.work.changed.notify_all();
    }
}
