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
    use proptest::prelude::*;

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

    /// A sync of a device that runs, and what comes before it.
    #[derive(Clone, Debug)]
    struct Exchange {
        /// When a report gets of use after the last sync; never without.
        useful_after: Option<Duration>,
        took: Duration,
        succeeds: bool,
        retry_after: Option<Duration>,
        random: u64,
        /// How much later than it should the machine wakes up, each time.
        late: Duration,
    }

    fn seconds(most: u64) -> impl Strategy<Value = Duration> {
        (0..=most).prop_map(Duration::from_secs)
    }

    fn exchange() -> impl Strategy<Value = Exchange> {
        let useful_after = prop::option::of(seconds(2 * 24 * 3_600));
        let retry_after = prop::option::weighted(0.3, seconds(24 * 3_600));
        (useful_after, seconds(5_000), any::<bool>(), retry_after, any::<u64>(), seconds(400)).prop_map(
            |(useful_after, took, succeeds, retry_after, random, late)| Exchange {
                useful_after,
                took,
                succeeds,
                retry_after,
                random,
                late,
            },
        )
    }

    /// What a device that runs has gone through.
    struct Course {
        schedule: Schedule,
        now: Duration,
        kept: Duration,
        /// No sync may begin before.
        from: Duration,
        /// One is due then, whatever there is to report.
        due: Duration,
    }

    impl Course {
        /// Waits until a sync is due. Whether one was useful then.
        fn wait(&mut self, exchange: &Exchange) -> bool {
            let since = self.now;
            loop {
                if self.schedule.keeps_time(self.now) {
                    self.kept = self.now;
                }
                let useful = exchange.useful_after.is_some_and(|after| self.now >= since + after);
                if self.schedule.syncs(self.now, || useful) {
                    return useful;
                }
                let pause = self.schedule.pause(self.now);
                assert!(pause > Duration::ZERO, "it does not wait in circles");
                assert!(self.now + pause <= self.kept + KEEP_EVERY, "the time is kept");
                self.now += pause + exchange.late;
            }
        }

        fn sync(&mut self, exchange: &Exchange, every: Duration) {
            let since = self.now;
            let useful = self.wait(exchange);
            let slack = LOOK_EVERY + exchange.late;
            assert!(self.now >= self.from, "it rests");
            assert!(useful || self.now >= self.due, "without need it comes once a day");
            let of_use = exchange.useful_after.map_or(self.due, |after| self.due.min(since + after));
            assert!(self.now <= self.from.max(of_use) + slack, "it comes when it is due");
            self.now += exchange.took;
            if exchange.succeeds {
                self.schedule.succeeded(self.now);
                (self.from, self.due) = (self.now + every, self.now + SYNC_AT_LEAST.max(every));
            } else {
                let pause = self.schedule.failed(self.now, exchange.retry_after, exchange.random);
                let (least, most) = match exchange.retry_after {
                    Some(asked) => (asked, asked + Duration::from_secs(5)),
                    None => (Duration::ZERO, Duration::from_hours(1)),
                };
                assert!((least..=most).contains(&pause), "{pause:?}");
                self.from = self.now + pause;
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_happens_it_comes_when_it_is_due_and_not_before(
            every in seconds(3 * 24 * 3_600),
            exchanges in prop::collection::vec(exchange(), 1..30),
        ) {
            let schedule = Schedule::begin(START, every);
            let mut course = Course { schedule, now: START, kept: START, from: START, due: START };
            for exchange in &exchanges {
                course.sync(exchange, every);
            }
        }
    }
}
