//! A clock for the library where a test has the machine's stand wrong for it alone.

use schemas::numbers::Seconds;
use sync_agent::Reading;
use sync_agent::wall_clock::{Clock, SystemClock};

/// A wall clock that stands so far ahead of the machine's.
#[derive(Debug)]
pub struct Ahead(pub Seconds);

impl Clock for Ahead {
    fn read(&self) -> Reading {
        let now = SystemClock.read();
        Reading { wall: now.wall + self.0, ..now }
    }
}
