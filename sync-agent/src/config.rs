//! What an agent is opened with.

use std::path::PathBuf;
use std::sync::Arc;

use crate::fingerprint::{FingerprintSource, ThisMachine};
use crate::wall_clock::{Clock, SystemClock};

/// Where an agent keeps its state, whom it trusts, and what it asks the machine.
#[derive(Clone, Debug)]
pub struct Config {
    /// The state directory.
    pub state: PathBuf,
    /// The bytes of the product pack that ships with the application. Without it, the copy from the activation is
    /// used.
    pub pack: Option<Vec<u8>>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// The fingerprint's components.
    pub fingerprint: Arc<dyn FingerprintSource>,
}

impl Config {
    /// This machine's clocks and fingerprint.
    pub fn new(state: impl Into<PathBuf>, pack: Option<Vec<u8>>) -> Self {
        Self { state: state.into(), pack, clock: Arc::new(SystemClock), fingerprint: Arc::new(ThisMachine) }
    }
}
