//! The body of a request, as it comes in: a short one in memory, a long one in a temporary file, so that slow senders hold no
//! memory; and only as much, and as slowly, as is allowed, and only as many as there is room for. Uploads go into a file of the
//! caller's.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::IpAddr;
use std::pin::pin;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody as _};
use futures_util::{Stream, TryStreamExt as _, stream};
use http_body_util::BodyExt as _;
use schemas::codes::Code;
use schemas::refusal::Refusal;
use tokio::task::spawn_blocking;

use super::room::{Place, Room, holding};
use crate::wall_clock;

/// Most bytes of a body.
pub(super) const MOST_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of a body that are kept in memory while the rest is waited for.
const IN_MEMORY: usize = 64 * 1024;
/// Bytes of a body that need no room of their own: as many as there may be on all connections.
const SHORT: usize = 4 * 1024;
/// Longer ones that may be in memory at the same time.
const LONG_AT_ONCE: usize = 1_024;
/// For each of the service's jobs, bodies that may lie in a file at the same time.
const FILES_A_JOB: usize = 16;
/// Bytes of an upload that are written at once.
const WRITTEN_AT_ONCE: usize = 1024 * 1024;
/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(30);
/// Beyond the first minute a body comes at this rate at least, in bytes a second.
const LEAST_RATE: u64 = 1_024;
/// The same for uploads, of which there are few at a time.
const LEAST_RATE_OF_UPLOADS: u64 = 16 * 1_024;
const FIRST_PART: Duration = Duration::from_mins(1);

/// Room for bodies.
#[derive(Debug)]
pub(super) struct Bodies {
    memory: Room,
    files: Room,
}

/// A body that came to its end. Its room is free when it is dropped.
#[derive(Debug)]
pub(super) struct Received {
    memory: Vec<u8>,
    file: Option<File>,
    size: u64,
    room: Option<Place>,
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
}

impl Bodies {
    /// Room for as many as suit so many jobs.
    pub(super) fn new(jobs: usize) -> Self {
        Self { memory: Room::new(LONG_AT_ONCE), files: Room::new(jobs.max(1) * FILES_A_JOB) }
    }

    /// Receives a body of a client's.
    ///
    /// # Errors
    /// `too_large`, `overloaded` where there is no room, `request_timeout`, `request_invalid` when it was cut off, `io_failed`.
    pub(super) async fn receive(&self, client: IpAddr, body: Body) -> Result<Received, Refusal> {
        self.receive_up_to(MOST_BYTES, client, body).await
    }

    /// Receives a body of `most` bytes at most into memory, where it keeps its room.
    ///
    /// # Errors
    /// As [`Bodies::receive`].
    pub(super) async fn receive_bytes(
        &self,
        most: u64,
        client: IpAddr,
        body: Body,
    ) -> Result<Bytes, Refusal> {
        let mut received = self.receive_up_to(most, client, body).await?;
        let room = received.room.take();
        let bytes = if received.file.is_some() {
            spawn_blocking(move || received.into_bytes()).await.map_err(|_| Code::Internal)??
        } else {
            received.memory
        };
        Ok(holding(bytes, room))
    }

    async fn receive_up_to(&self, most: u64, client: IpAddr, mut body: Body) -> Result<Received, Refusal> {
        let begun = wall_clock::instant();
        let mut received = Received { memory: Vec::new(), file: None, size: 0, room: None };
        if body.size_hint().lower() > most {
            return Err(too_large(most));
        }
        while let Some(bytes) = next_part(&mut body, begun, received.size, LEAST_RATE).await? {
            if received.size + bytes.len() as u64 > most {
                return Err(too_large(most));
            }
            received.size += bytes.len() as u64;
            received.memory.extend_from_slice(&bytes);
            if received.file.is_some() && received.memory.len() >= IN_MEMORY {
                received = write_out(received).await?;
            } else if received.file.is_none() && received.memory.len() > IN_MEMORY {
                received.room = Some(self.files.take(client, 1).ok_or(Code::Overloaded)?);
                received = write_out(received).await?;
            } else if received.room.is_none() && received.memory.len() > SHORT {
                received.room = Some(self.memory.take(client, 1).ok_or(Code::Overloaded)?);
            }
        }
        if received.file.is_some() { write_out(received).await } else { Ok(received) }
    }
}

/// Receives a body of up to `most` bytes into a file, durably; its bytes.
///
/// # Errors
/// As [`Bodies::receive`].
pub(super) async fn save(body: Body, file: File, most: u64) -> Result<u64, Refusal> {
    let mut parts = pin!(paced(body, most));
    let mut size = 0;
    let mut pending = Received { memory: Vec::new(), file: Some(file), size, room: None };
    while let Some(bytes) = parts.try_next().await? {
        size += bytes.len() as u64;
        pending.memory.extend_from_slice(&bytes);
        if pending.memory.len() >= WRITTEN_AT_ONCE {
            pending = write_out(pending).await?;
        }
    }
    let Received { file, .. } = write_out(pending).await?;
    let Some(file) = file else { return Err(Code::Internal.into()) };
    let synced = spawn_blocking(move || file.sync_all()).await.map_err(|_| Code::Internal)?;
    synced.map_err(|error| failed(&error))?;
    Ok(size)
}

/// A body of up to `most` bytes as it comes in, as slowly as is allowed. Its errors are those of [`Bodies::receive`].
pub(super) fn paced(body: Body, most: u64) -> impl Stream<Item = Result<Bytes, Refusal>> + Send {
    let begun = wall_clock::instant();
    let too_large = move || Refusal::new(Code::TooLarge, format!("an upload has {most} bytes at most"));
    stream::try_unfold((body, 0), move |(mut body, size)| async move {
        if body.size_hint().lower() > most - size {
            return Err(too_large());
        }
        let Some(bytes) = next_part(&mut body, begun, size, LEAST_RATE_OF_UPLOADS).await? else {
            return Ok(None);
        };
        let size = size + bytes.len() as u64;
        if size > most { Err(too_large()) } else { Ok(Some((bytes, (body, size)))) }
    })
}

/// The next part of a body of which so much came; nothing at its end.
async fn next_part(
    body: &mut Body,
    begun: Instant,
    size: u64,
    least_rate: u64,
) -> Result<Option<Bytes>, Refusal> {
    loop {
        let wait = patience(begun, size, least_rate).ok_or(Code::RequestTimeout)?;
        let frame = tokio::time::timeout(wait, body.frame()).await.map_err(|_| Code::RequestTimeout)?;
        let Some(frame) = frame else { return Ok(None) };
        let frame = frame.map_err(|error| Refusal::from_error(Code::RequestInvalid, &error))?;
        if let Ok(bytes) = frame.into_data() {
            return Ok(Some(bytes));
        }
    }
}

/// Writes what is in memory into the file, on a thread that may wait for the disk.
async fn write_out(mut received: Received) -> Result<Received, Refusal> {
    let write = move || -> io::Result<Received> {
        let mut file = received.file.take().map_or_else(tempfile::tempfile, Ok)?;
        file.write_all(&received.memory)?;
        received.memory.clear();
        received.file = Some(file);
        Ok(received)
    };
    spawn_blocking(write).await.map_err(|_| Code::Internal)?.map_err(|error| failed(&error))
}

/// How long more may be waited for the next part of a body of which so much came.
fn patience(begun: Instant, size: u64, least_rate: u64) -> Option<Duration> {
    let all = FIRST_PART + Duration::from_secs(size / least_rate);
    all.checked_sub(begun.elapsed()).map(|left| left.min(SILENCE))
}

fn too_large(most: u64) -> Refusal {
    Refusal::new(Code::TooLarge, format!("a body has {most} bytes at most"))
}

fn failed(error: &io::Error) -> Refusal {
    Refusal::from_error(Code::IoFailed, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(bodies: &Bodies, client: &str, bytes: Vec<u8>) -> Result<Received, Code> {
        let client = client.parse().expect("an address");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let received = runtime.expect("a runtime").block_on(bodies.receive(client, Body::from(bytes)));
        received.map_err(|refusal| refusal.code())
    }

    #[test]
    fn bodies_of_every_size_come_as_they_were_sent_while_there_is_room() {
        let bodies = Bodies::new(1);
        for size in [0, 1, SHORT, SHORT + 1, IN_MEMORY, IN_MEMORY + 1, 300_000] {
            let bytes: Vec<u8> = (0..=250).cycle().take(size).collect();
            let received = receive(&bodies, "192.0.2.1", bytes.clone()).expect("there is room");
            assert_eq!(received.file.is_some(), size > IN_MEMORY, "{size}");
            assert_eq!(received.into_bytes().expect("it can be read back"), bytes, "{size}");
        }
        let most = usize::try_from(MOST_BYTES).expect("it fits");
        assert_eq!(receive(&bodies, "192.0.2.1", vec![0; most + 1]).err(), Some(Code::TooLarge));
    }

    #[test]
    fn without_room_long_ones_are_refused_and_short_ones_are_not() {
        let bodies = Bodies::new(1);
        let long = |client: &str| receive(&bodies, client, vec![0; IN_MEMORY + 1]);
        let mut held = Vec::new();
        while let Ok(received) = long("192.0.2.1") {
            held.push(received);
        }
        assert!((1..FILES_A_JOB).contains(&held.len()), "that was its share");
        assert!(receive(&bodies, "192.0.2.1", vec![0; IN_MEMORY]).is_ok(), "memory is another matter");
        let others: Vec<Received> = (0..FILES_A_JOB - held.len())
            .map(|at| long(&format!("198.51.100.{}", at / 2)).expect("others have theirs"))
            .collect();
        assert_eq!(long("203.0.113.1").err(), Some(Code::Overloaded), "there is no more");
        drop((held, others));
        assert!(long("192.0.2.1").is_ok());
        let client = "192.0.2.1".parse().expect("an address");
        let taken: Vec<Place> = std::iter::from_fn(|| bodies.memory.take(client, 1)).collect();
        assert!(!taken.is_empty());
        assert_eq!(receive(&bodies, "192.0.2.1", vec![0; SHORT + 1]).err(), Some(Code::Overloaded));
        assert!(receive(&bodies, "192.0.2.1", vec![0; SHORT]).is_ok());
    }
}
