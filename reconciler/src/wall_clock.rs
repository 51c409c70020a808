//! The one place that reads the clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use schemas::numbers::Micros;

/// The present by the system's clock; 1970 for a clock that stands before it.
#[expect(clippy::disallowed_methods, reason = "this module owns the reading")]
pub(crate) fn now() -> Micros {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros::new(u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX))
}

/// A reading that never goes back, for the time that something took.
#[expect(clippy::disallowed_methods, reason = "this module owns the reading")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}
