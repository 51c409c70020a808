//! The way to the desk where bundles are merged: one thread takes in what many requests hand in, many a commit.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use schemas::bundle::Answer;
use schemas::codes::Code;
use schemas::refusal::Refusal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::body::Received;
use super::metrics;
use crate::merging::{self, Handed, Submission};
use crate::vendor::Vendor;

/// Bundles that may wait at the desk.
const WAITING: usize = 1_024;
/// Bodies up to this size are read where they come; larger ones on a thread that may take its time.
const SMALL: u64 = 64 * 1024;

/// The way to the desk.
pub(super) struct Desk {
    hand_in: SyncSender<Handed>,
    /// Large bodies that are in memory at the same time.
    large: Arc<Semaphore>,
}

impl Desk {
    /// A desk and what is handed in there. As many large bundles as `jobs` are in memory at the same time.
    pub(super) fn open(jobs: usize) -> (Self, Receiver<Handed>) {
        let (hand_in, handed_in) = sync_channel(WAITING);
        (Self { hand_in, large: Arc::new(Semaphore::new(jobs.max(1))) }, handed_in)
    }

    /// Has `work` done with a body. A large one holds its place in memory as long as what is returned beside it lives.
    ///
    /// # Errors
    /// When the body cannot be read back.
    pub(super) async fn with<T: Send + 'static>(
        &self,
        received: Received,
        work: impl FnOnce(Vec<u8>) -> T + Send + 'static,
    ) -> Result<(T, Option<OwnedSemaphorePermit>), Refusal> {
        if received.size() <= SMALL {
            return Ok((work(received.into_bytes()?), None));
        }
        let place = Arc::clone(&self.large).acquire_owned().await.map_err(|_| Code::Overloaded)?;
        let read = move || received.into_bytes().map(work);
        let done = tokio::task::spawn_blocking(read).await.map_err(|_| Code::Internal)??;
        Ok((done, Some(place)))
    }

    /// Reads and verifies a bundle, as [`Desk::with`].
    ///
    /// # Errors
    /// When the body cannot be read back.
    pub(super) async fn read(
        &self,
        name: &'static str,
        received: Received,
    ) -> Result<(Submission, Option<OwnedSemaphorePermit>), Refusal> {
        self.with(received, move |bytes| Submission::read(name, bytes)).await
    }

    /// Hands a bundle in and waits until it is durably in the ledger, or in quarantine.
    ///
    /// # Errors
    /// `overloaded` where too many wait; why it cannot be read; why the ledger could not take it in.
    pub(super) async fn hand_in(&self, submission: Submission) -> Result<Vec<Answer>, Refusal> {
        let (tell, told) = oneshot::channel();
        // Whoever hung up has no use for the answer.
        let tell = Box::new(move |answers| drop(tell.send(answers)));
        self.hand_in.try_send(Handed { submission, tell }).map_err(|_| Code::Overloaded)?;
        told.await.map_err(|_| Code::Overloaded)?
    }
}

/// Works at the desk until nobody can hand anything in any more.
pub(super) fn work(mut vendor: Vendor, handed_in: &Receiver<Handed>) {
    merging::work(&mut vendor, handed_in, &mut |report| metrics::merged(report));
}
