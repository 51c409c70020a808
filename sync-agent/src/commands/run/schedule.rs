//! When a device that runs does what: a function of the time, of what came of the last sync, and of whether a report is of use.
//! Times are spans since the machine was started.

use std::time::Duration;

use super::back_off;

/// How old the kept mark of a running process may be.
const KEEP_EVERY: Duration = Duration::from_mins(5);
/// How often it is seen whether a report is of use.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// The vendor is heard at least this often: terms change there too.
const SYNC_AT_LEAST: Duration = Duration::from_hours(24);

/// What is due when.
#[derive(Debug)]
pub(super) struct Schedule {
    every: Duration,
    keep_at: Duration,
    look_at: Duration,
    /// No sync before.
    rest_until: Duration,
    /// A sync from then on, whatever there is to report.
    sync_by: Duration,
    failures: u32,
}

impl Schedule {
    /// All is due at once, at `now`; two syncs are at least `every` apart.
    pub(super) fn begin(now: Duration, every: Duration) -> Self {
        Self { every, keep_at: now, look_at: now, rest_until: now, sync_by: now, failures: 0 }
    }

    /// Whether the clock's mark is to be kept, which is done then.
    pub(super) fn keeps_time(&mut self, now: Duration) -> bool {
        now >= self.keep_at && {
            self.keep_at = now + KEEP_EVERY;
            true
        }
    }

    /// Whether to sync, where `is_useful` tells whether a report is of use.
    pub(super) fn syncs(&mut self, now: Duration, is_useful: impl FnOnce() -> bool) -> bool {
        if now >= self.look_at {
            self.look_at = now + LOOK_EVERY;
        }
        now >= self.rest_until && (now >= self.sync_by || is_useful())
    }

    /// A sync came to its end.
    pub(super) fn succeeded(&mut self, now: Duration) {
        self.failures = 0;
        self.rest_until = now + self.every;
        self.sync_by = now + SYNC_AT_LEAST.max(self.every);
    }

    /// A sync failed, and the server asks to wait for `retry_after` if it asks at all. How long is waited.
    pub(super) fn failed(&mut self, now: Duration, retry_after: Option<Duration>, random: u64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let pause = match retry_after {
            // Those who were all told the same come back one after the other.
            Some(asked) => asked + back_off::pause(1, random),
            None => back_off::pause(self.failures, random),
        };
        self.rest_until = now + pause;
        pause
    }

    /// How long nothing is due.
    pub(super) fn pause(&self, now: Duration) -> Duration {
        let rest = Some(self.rest_until).filter(|rest| *rest > now);
        let next = self.keep_at.min(self.look_at);
        rest.map_or(next, |rest| next.min(rest)).saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_000);
    const EVERY: Duration = Duration::from_mins(10);

    fn begun() -> Schedule {
        Schedule::begin(START, EVERY)
    }

    #[test]
    fn it_syncs_when_it_begins_and_once_a_day() {
        let mut schedule = begun();
        assert!(schedule.syncs(START, || false));
        schedule.succeeded(START);
        assert!(!schedule.syncs(START + SYNC_AT_LEAST / 2, || false));
        assert!(schedule.syncs(START + SYNC_AT_LEAST, || false));
    }

    #[test]
    fn it_syncs_when_that_is_of_use_but_not_too_often() {
        let mut schedule = begun();
        schedule.succeeded(START);
        assert!(!schedule.syncs(START + LOOK_EVERY, || true));
        assert!(!schedule.syncs(START + EVERY, || false));
        assert!(schedule.syncs(START + EVERY, || true));
    }

    #[test]
    fn it_backs_off_and_comes_back_at_that_moment() {
        let mut schedule = begun();
        assert!(schedule.syncs(START, || true));
        let pause = schedule.failed(START, None, u64::MAX / 2 + 1);
        assert_eq!(pause, Duration::from_millis(2_500));
        assert!(!schedule.syncs(START, || true));
        assert!(schedule.keeps_time(START));
        assert_eq!(schedule.pause(START), pause);
        assert!(schedule.syncs(START + pause, || false));
        assert_eq!(schedule.failed(START, None, u64::MAX / 2 + 1), Duration::from_secs(5));
        schedule.succeeded(START);
        assert_eq!(schedule.failed(START, None, u64::MAX / 2 + 1), Duration::from_millis(2_500));
    }

    #[test]
    fn it_waits_as_long_as_the_server_asks_for() {
        let mut schedule = begun();
        let asked = Duration::from_mins(2);
        assert_eq!(schedule.failed(START, Some(asked), 0), asked);
        assert!(!schedule.syncs(START + asked / 2, || true));
        assert!(schedule.syncs(START + asked, || true));
    }

    #[test]
    fn it_keeps_the_time_every_five_minutes_and_looks_every_minute() {
        let mut schedule = begun();
        assert!(schedule.keeps_time(START));
        assert!(schedule.syncs(START, || true));
        schedule.succeeded(START);
        assert_eq!(schedule.pause(START), LOOK_EVERY);
        assert!(!schedule.keeps_time(START + LOOK_EVERY));
        assert!(schedule.keeps_time(START + KEEP_EVERY));
    }
}
