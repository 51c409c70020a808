//! The promise that what others see already becomes durable.

use std::sync::mpsc::{Receiver, TryRecvError};

use schemas::codes::Code;
use schemas::refusal::Refusal;

use super::StoreError;

/// What a unit of work left is seen by others; it is durable when this was waited for.
#[derive(Debug)]
#[must_use = "nothing may be answered before it is durable"]
pub struct Durable(Outcome);

#[derive(Debug)]
enum Outcome {
    Settled(Result<(), Refusal>),
    Awaited(Receiver<Result<(), Refusal>>),
}

impl Durable {
    /// It is durable.
    pub fn now() -> Self {
        Self(Outcome::Settled(Ok(())))
    }

    /// It is when `told` hears of it.
    pub(super) fn when(told: Receiver<Result<(), Refusal>>) -> Self {
        Self(Outcome::Awaited(told))
    }

    /// Whether there is nothing to wait for any more: it is durable, or can no longer become so.
    pub fn is_settled(&mut self) -> bool {
        let Outcome::Awaited(told) = &self.0 else { return true };
        match told.try_recv() {
            Ok(settled) => self.0 = Outcome::Settled(settled),
            Err(TryRecvError::Disconnected) => self.0 = Outcome::Settled(Err(Code::IoFailed.into())),
            Err(TryRecvError::Empty) => return false,
        }
        true
    }

    /// Waits until it is durable.
    ///
    /// # Errors
    /// When it could not be made so: what was committed may be lost in a power cut, and is to be done again.
    pub fn wait(self) -> Result<(), StoreError> {
        let settled = match self.0 {
            Outcome::Settled(settled) => settled,
            Outcome::Awaited(told) => told.recv().unwrap_or_else(|_| Err(Code::IoFailed.into())),
        };
        settled.map_err(StoreError::Refused)
    }
}
