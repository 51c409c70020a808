//! Effective time: what the time is for every decision, whatever was done to the clock.
//!
//! The mark M is kept with the chain. `T = max(wall, M + elapsed)`, so a clock that is set back gains nothing; a
//! clock that jumps is believed and noted. Nothing here reads a clock: readings come in.

use schemas::event::device::ClockNoted;
use schemas::numbers::{Micros, Seconds};

/// What the operating system's clocks showed at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reading {
    /// The wall clock.
    pub wall: Micros,
    /// Microseconds on a clock that only goes forward, from a point that is fixed while the process runs.
    pub monotonic: u64,
}

/// The mark M: the latest time that is known to have come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mark {
    at: Micros,
    /// What the monotonic clock showed when it was as late as the mark; nothing where that is not known, and no time passes.
    read_at: Option<u64>,
    /// Whether the wall clock stands behind and that was noted.
    behind: bool,
}

/// What a reading does to the mark.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Observed {
    /// The mark after the reading.
    pub mark: Mark,
    /// A step of the wall clock that is to be noted.
    pub note: Option<ClockNoted>,
}

impl Mark {
    /// The mark of a device that starts at `reading`.
    pub fn new(reading: Reading) -> Self {
        Self { at: reading.wall, read_at: Some(reading.monotonic), behind: false }
    }

    /// The mark as it was kept while no process ran.
    pub fn kept(at: Micros, behind: bool) -> Self {
        Self { at, read_at: None, behind }
    }

    /// The same as kept now, going on from where this process `saw` it stand: what has passed on the monotonic clock since
    /// then counts, beside what others kept in between.
    #[must_use]
    pub fn resumed(self, saw: Self) -> Self {
        Self { read_at: saw.read_at.map(|read_at| saw.reaches(self.at, read_at)), ..self }
    }

    /// The same from which time passes: from `reading` on, or since the mark was resumed.
    #[must_use]
    pub fn running(self, reading: Reading) -> Self {
        let since = self.read_at.map_or(reading.monotonic, |read_at| read_at.min(reading.monotonic));
        Self { read_at: Some(since), ..self }
    }

    /// The time of the mark.
    pub fn at(&self) -> Micros {
        self.at
    }

    /// Whether the wall clock stands behind and that was noted.
    pub fn is_behind(&self) -> bool {
        self.behind
    }

    /// T: the effective time of `reading`.
    #[inline]
    pub fn time(&self, reading: Reading) -> Micros {
        reading.wall.max(self.expected(reading))
    }

    /// Advances the mark to `reading` and says whether the wall clock left its tolerance.
    ///
    /// A clock that stands behind is noted once, until it is back within the tolerance.
    pub fn observe(&self, reading: Reading, tolerance: Seconds) -> Observed {
        let expected = self.expected(reading);
        let ahead = reading.wall > expected + tolerance;
        let behind = expected > reading.wall + tolerance;
        let note = (ahead || behind && !self.behind).then_some(ClockNoted { expected, wall: reading.wall });
        let mark = Self { at: reading.wall.max(expected), read_at: Some(reading.monotonic), behind };
        Observed { mark, note }
    }

    /// The mark after a grant that cures the clock, issued at `issued_at` on what the device had recorded up to `reported`:
    /// its time of issue and all that has passed on the device since, even when that is earlier than the mark. So a grant
    /// that was kept instead of applied takes no time back. It never sets the mark further than a grant that cures nothing.
    #[must_use]
    pub fn cured(&self, issued_at: Micros, reported: Micros, reading: Reading) -> Self {
        let expected = self.expected(reading);
        let since_issue = Micros::new(issued_at.get().saturating_add(expected.since(reported)));
        let at = since_issue.min(expected.max(issued_at));
        Self { at, read_at: Some(reading.monotonic), behind: false }
    }

    /// The mark after a grant that proves that `issued_at` has come.
    #[must_use]
    pub fn raised(self, issued_at: Micros) -> Self {
        Self { at: self.at.max(issued_at), ..self }
    }

    /// What the monotonic clock shows when it is `at`, where it showed `read_at` at the mark.
    fn reaches(&self, at: Micros, read_at: u64) -> u64 {
        read_at.saturating_add(at.since(self.at)).saturating_sub(self.at.since(at))
    }

    #[inline]
    fn expected(&self, reading: Reading) -> Micros {
        let elapsed = self.read_at.map_or(0, |read_at| reading.monotonic.saturating_sub(read_at));
        Micros::new(self.at.get().saturating_add(elapsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLERANCE: Seconds = Seconds::days(1);
    const HOUR: u64 = 3_600_000_000;

    fn reading(wall_hours: u64, monotonic_hours: u64) -> Reading {
        Reading { wall: Micros::new(wall_hours * HOUR), monotonic: monotonic_hours * HOUR }
    }

    fn hours(mark: Mark) -> u64 {
        mark.at().get() / HOUR
    }

    #[test]
    fn a_clock_set_back_gains_nothing_and_is_noted_once_until_it_is_back() {
        let mark = Mark::new(reading(1_000, 0));
        let set_back = mark.observe(reading(900, 2), TOLERANCE);
        assert_eq!(hours(set_back.mark), 1_002);
        let expected = Micros::new(1_002 * HOUR);
        assert_eq!(set_back.note, Some(ClockNoted { expected, wall: Micros::new(900 * HOUR) }));
        let still = set_back.mark.observe(reading(901, 3), TOLERANCE);
        assert_eq!((hours(still.mark), still.note), (1_003, None));
        let back = still.mark.observe(reading(1_004, 4), TOLERANCE);
        assert_eq!((hours(back.mark), back.note), (1_004, None));
        assert!(back.mark.observe(reading(900, 5), TOLERANCE).note.is_some());
    }

    #[test]
    fn a_step_within_the_tolerance_is_not_noted() {
        let mark = Mark::new(reading(1_000, 0));
        assert_eq!(mark.observe(reading(1_024, 0), TOLERANCE).note, None);
        assert_eq!(mark.observe(reading(976, 0), TOLERANCE).note, None);
        assert!(mark.observe(reading(1_025, 0), TOLERANCE).note.is_some());
        assert!(mark.observe(reading(975, 0), TOLERANCE).note.is_some());
    }

    #[test]
    fn a_jump_forward_is_believed_and_noted_power_off_included() {
        let running = Mark::new(reading(1_000, 0)).observe(reading(1_100, 100), TOLERANCE);
        assert_eq!((hours(running.mark), running.note), (1_100, None));
        let kept = Mark::kept(running.mark.at(), false);
        let after = kept.observe(reading(1_200, 5_000), TOLERANCE);
        assert_eq!(hours(after.mark), 1_200);
        assert!(after.note.is_some());
    }

    #[test]
    fn no_time_is_believed_to_pass_while_no_process_runs() {
        let kept = Mark::kept(Micros::new(1_000 * HOUR), false);
        assert_eq!(kept.time(reading(990, 77)), Micros::new(1_000 * HOUR));
    }

    #[test]
    fn time_passes_from_when_a_kept_mark_is_opened() {
        let opened = Mark::kept(Micros::new(1_000 * HOUR), false).running(reading(990, 77));
        assert_eq!(opened.time(reading(990, 77)), Micros::new(1_000 * HOUR));
        assert_eq!(opened.time(reading(990, 79)), Micros::new(1_002 * HOUR));
    }

    #[test]
    fn a_mark_that_is_opened_again_goes_on_from_where_it_was_seen() {
        let saw = Mark::new(reading(1_000, 10));
        let time = |kept: u64, now| {
            let opened = Mark::kept(Micros::new(kept * HOUR), false).resumed(saw).running(reading(0, now));
            [opened.time(reading(0, now)), opened.time(reading(0, now + 4))].map(|time| time.get() / HOUR)
        };
        // Nobody was here in between.
        assert_eq!(time(1_000, 15), [1_005, 1_009]);
        // Others kept some of the time that passed, or all of it, or came further by a clock that stands ahead.
        assert_eq!(time(1_003, 15), [1_005, 1_009]);
        assert_eq!(time(1_005, 15), [1_005, 1_009]);
        assert_eq!(time(1_030, 15), [1_030, 1_034]);
        // An older copy was put in its place.
        assert_eq!(time(996, 15), [1_005, 1_009]);
    }

    #[test]
    fn a_mark_that_was_not_seen_to_run_is_not_gone_on_from() {
        let never_read = Mark::kept(Micros::new(1_000 * HOUR), false);
        let opened = Mark::kept(Micros::new(1_000 * HOUR), false).resumed(never_read).running(reading(0, 90));
        assert_eq!(opened.time(reading(0, 90)), Micros::new(1_000 * HOUR));
    }

    #[test]
    fn a_cure_sets_the_mark_back_and_anything_else_only_forward() {
        let wrong = Mark::new(reading(9_000, 0));
        assert_eq!(hours(wrong.raised(Micros::new(1_000 * HOUR))), 9_000);
        assert_eq!(hours(wrong.raised(Micros::new(9_001 * HOUR))), 9_001);
        let cured = wrong.cured(Micros::new(1_000 * HOUR), Micros::new(9_000 * HOUR), reading(1_001, 0));
        assert_eq!(cured.time(reading(1_001, 0)), Micros::new(1_001 * HOUR));
    }

    /// An answer that cures the clock could be kept until the licence had expired, and then gave all that time back.
    #[test]
    fn a_cure_that_was_kept_takes_no_time_back() {
        let wrong = Mark::new(reading(9_000, 0));
        let (issued_at, reported) = (Micros::new(1_000 * HOUR), Micros::new(9_000 * HOUR));
        for later in [0, 20, 300] {
            let cured = wrong.cured(issued_at, reported, reading(990, later));
            assert_eq!(hours(cured), 1_000 + later);
        }
        let restarted = Mark::kept(Micros::new(9_300 * HOUR), true);
        assert_eq!(hours(restarted.cured(issued_at, reported, reading(990, 7))), 1_300);
    }

    /// A clock that stood behind was set right by one grant; the next one took the years that it had been behind for time that
    /// had passed.
    #[test]
    fn a_cure_after_another_grant_set_the_clock_right_adds_nothing() {
        let unset = Mark::new(reading(10, 0));
        let right = unset.raised(Micros::new(9_000 * HOUR));
        let cured = right.cured(Micros::new(9_001 * HOUR), Micros::new(10 * HOUR), reading(12, 2));
        assert_eq!(hours(cured), 9_002);
        let later = right.cured(Micros::new(9_005 * HOUR), Micros::new(10 * HOUR), reading(12, 2));
        assert_eq!(hours(later), 9_005);
    }
}
