//! The promise that what others see already becomes durable.

use std::sync::mpsc::Receiver;

use schemas::codes::Code;
use schemas::refusal::Refusal;

use super::StoreError;

/// What a unit of work left is seen by others; it is durable when this was waited for.
#[derive(Debug)]
#[must_use = "nothing may be answered before it is durable"]
pub struct Durable(Option<Receiver<Result<(), Refusal>>>);

impl Durable {
    /// It is durable.
    pub fn now() -> Self {
        Self(None)
    }

    /// It is when `told` hears of it.
    pub(super) fn when(told: Receiver<Result<(), Refusal>>) -> Self {
        Self(Some(told))
    }

    /// Waits until it is durable.
    ///
    /// # Errors
    /// When it could not be made so: what was committed may be lost in a power cut, and is to be done again.
    pub fn wait(self) -> Result<(), StoreError> {
        let Some(told) = self.0 else { return Ok(()) };
        told.recv().unwrap_or_else(|_| Err(Code::IoFailed.into())).map_err(StoreError::Refused)
    }
}
