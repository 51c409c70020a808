//! The lock that makes one process the writer of a state directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::StoreError;

const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// Held as long as the process writes; the operating system gives it back when the process ends, however it ends.
#[derive(Debug)]
pub struct ProcessLock {
    _file: File,
}

impl ProcessLock {
    /// Takes the lock, waiting up to five seconds for another process.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when another process still holds it then.
    pub fn take(path: &Path) -> Result<Self, StoreError> {
        Self::take_within(path, TRIES)
    }

    /// Takes the lock, trying `tries` times.
    pub(super) fn take_within(path: &Path, tries: u32) -> Result<Self, StoreError> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        for left in (0..tries).rev() {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if left > 0 => thread::park_timeout(PAUSE),
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
        Err(StoreError::Busy)
    }
}
