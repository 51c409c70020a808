//! The body of a request, as it comes in: a short one in memory, a long one in a temporary file, so that slow senders hold no
//! memory; and only as much, and as slowly, as is allowed.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody as _};
use http_body_util::BodyExt as _;
use schemas::codes::Code;
use schemas::refusal::Refusal;

use crate::wall_clock;

/// Most bytes of a body.
pub(super) const MOST_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of a body that are kept in memory while the rest is waited for.
const IN_MEMORY: usize = 64 * 1024;
/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(30);
/// Beyond the first minute a body comes at this rate at least, in bytes a second.
const LEAST_RATE: u64 = 1_024;
const FIRST_PART: Duration = Duration::from_mins(1);

/// A body that came to its end.
#[derive(Debug)]
pub(super) struct Received {
    memory: Vec<u8>,
    file: Option<File>,
    size: u64,
}

impl Received {
    /// Bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// All of it. Where it lies in a file, this waits for the disk.
    ///
    /// # Errors
    /// `io_failed`.
    pub(super) fn into_bytes(self) -> Result<Vec<u8>, Refusal> {
        let Some(mut file) = self.file else { return Ok(self.memory) };
        let mut read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::with_capacity(usize::try_from(self.size).unwrap_or(0));
            file.seek(SeekFrom::Start(0))?;
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|error| failed(&error))
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.size += bytes.len() as u64;
        if let Some(file) = &mut self.file {
            return file.write_all(bytes);
        }
        if self.memory.len() + bytes.len() <= IN_MEMORY {
            self.memory.extend_from_slice(bytes);
            return Ok(());
        }
        let mut file = tempfile::tempfile()?;
        file.write_all(&std::mem::take(&mut self.memory))?;
        file.write_all(bytes)?;
        self.file = Some(file);
        Ok(())
    }
}

/// Receives a body.
///
/// # Errors
/// `too_large`, `request_timeout`, `request_invalid` when it was cut off, `io_failed`.
pub(super) async fn receive(mut body: Body) -> Result<Received, Refusal> {
    let begun = wall_clock::instant();
    let mut received = Received { memory: Vec::new(), file: None, size: 0 };
    if body.size_hint().lower() > MOST_BYTES {
        return Err(too_large());
    }
    loop {
        let wait = patience(begun, received.size).ok_or(Code::RequestTimeout)?;
        let frame = tokio::time::timeout(wait, body.frame()).await.map_err(|_| Code::RequestTimeout)?;
        let Some(frame) = frame else { return Ok(received) };
        let frame = frame.map_err(|error| Refusal::from_error(Code::RequestInvalid, &error))?;
        let Ok(bytes) = frame.into_data() else { continue };
        if received.size + bytes.len() as u64 > MOST_BYTES {
            return Err(too_large());
        }
        received.take(&bytes).map_err(|error| failed(&error))?;
    }
}

/// How long more may be waited for the next part of a body of which so much came.
fn patience(begun: Instant, size: u64) -> Option<Duration> {
    let all = FIRST_PART + Duration::from_secs(size / LEAST_RATE);
    all.checked_sub(begun.elapsed()).map(|left| left.min(SILENCE))
}

fn too_large() -> Refusal {
    Refusal::new(Code::TooLarge, format!("a body has {MOST_BYTES} bytes at most"))
}

fn failed(error: &io::Error) -> Refusal {
    Refusal::from_error(Code::IoFailed, error)
}
