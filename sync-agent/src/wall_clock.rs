//! The one place that reads the operating system's clocks.

use std::fmt::Debug;

use ledger::clock::Reading;

/// Something that shows the time.
pub trait Clock: Debug + Send + Sync {
    /// The wall clock, and a clock that only goes forward while the process runs, whatever is done to the other. Called by
    /// every check: it must be fast and may be coarse.
    fn read(&self) -> Reading;
}

/// The operating system's clocks, in their coarse form where there is one: a few milliseconds of resolution, read
/// without a system call.
///
/// On Linux the clock that only goes forward is `CLOCK_MONOTONIC_COARSE`: it counts from the start of the machine, nobody can
/// set it, and it stands still while the machine is suspended. The time of a suspend is told by the wall clock alone, and a wall
/// clock that was set back does not tell it. Elsewhere it is [`std::time::Instant`], from its first reading in the process on;
/// whether that counts a suspend is the system's choice.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[cfg(target_os = "linux")]
impl Clock for SystemClock {
    #[inline]
    fn read(&self) -> Reading {
        use rustix::time::{ClockId, clock_gettime};
        use schemas::numbers::Micros;

        Reading {
            wall: Micros::new(micros(clock_gettime(ClockId::RealtimeCoarse))),
            monotonic: micros(clock_gettime(ClockId::MonotonicCoarse)),
        }
    }
}

/// A clock that stands before 1970 shows its beginning.
#[cfg(target_os = "linux")]
#[inline]
fn micros(time: rustix::time::Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(nanos / 1_000)
}

#[cfg(not(target_os = "linux"))]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this module owns the reading of the clocks")]
    fn read(&self) -> Reading {
        use std::sync::OnceLock;
        use std::time::{Instant, SystemTime, UNIX_EPOCH};

        use schemas::numbers::Micros;

        static START: OnceLock<Instant> = OnceLock::new();
        let micros = |span: std::time::Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, micros);
        Reading { wall: Micros::new(wall), monotonic: micros(START.get_or_init(Instant::now).elapsed()) }
    }
}
