//! A state directory that a process opens again and again, for moments, so that others have it in between.
//!
//! Each opening goes on from where the mark stood when the process left: the time that passed since on the monotonic clock
//! counts, whatever was done to the wall clock. That clock is the machine's (see [`crate::wall_clock`]), and where the mark stood
//! is known to this process alone. After a restart nothing is: no time is known to have passed while no process ran.

use std::sync::{Mutex, PoisonError};

use ledger::device::Seen;
use schemas::refusal::Refusal;

use crate::agent::Agent;
use crate::config::Config;
use crate::reader::AgentReader;

/// A process that comes by. Its threads come one after the other.
#[derive(Debug)]
pub struct Visitor {
    config: Config,
    seen: Mutex<Option<Seen>>,
}

impl Visitor {
    /// A visitor who was not there before.
    pub fn new(config: Config) -> Self {
        Self { config, seen: Mutex::new(None) }
    }

    /// Opens the directory to act there, and leaves it.
    ///
    /// # Errors
    /// As [`Agent::open`], `busy` above all, and what `act` says.
    pub fn visit<T>(&self, act: impl FnOnce(&Agent) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let agent = Agent::open_again(self.config.clone(), *seen)?;
        let outcome = act(&agent);
        *seen = agent.seen().or(*seen);
        outcome
    }

    /// Keeps the clock's mark, as [`Agent::keep_time`]: to be called every five minutes.
    ///
    /// # Errors
    /// As [`Self::visit`].
    pub fn keep_time(&self) -> Result<(), Refusal> {
        self.visit(Agent::keep_time)
    }

    /// The directory as it is now, to be read beside whoever writes there.
    ///
    /// # Errors
    /// As [`AgentReader::open`].
    pub fn reader(&self) -> Result<AgentReader, Refusal> {
        AgentReader::open(self.config.clone())
    }
}
