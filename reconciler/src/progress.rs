//! Progress of long work, on stderr: a bar on a terminal, a line every few seconds elsewhere.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::wall_clock;

/// How often a line is written where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(5);

/// How far work has come; many threads may count at one time.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    label: &'static str,
    total: Option<u64>,
    done: AtomicU64,
    began_at: Instant,
    told_at: Mutex<Instant>,
}

impl Progress {
    /// Begins work that `label` names, of `total` steps where that is known.
    pub(crate) fn start(label: &'static str, total: Option<u64>) -> Self {
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        bar.set_style(style(if total.is_some() { BOUNDED } else { UNBOUNDED }));
        bar.set_message(label);
        Self::with(bar, label, total)
    }

    /// Begins work on `total` bytes of which the caller tells in words of its own: see [`Self::reach`].
    pub(crate) fn of_bytes(label: &'static str, total: u64) -> Self {
        let bar = ProgressBar::new(total);
        bar.set_style(style(TOLD));
        bar.set_prefix(label);
        Self::with(bar, label, Some(total))
    }

    fn with(bar: ProgressBar, label: &'static str, total: Option<u64>) -> Self {
        let now = wall_clock::instant();
        Self { bar, label, total, done: AtomicU64::new(0), began_at: now, told_at: Mutex::new(now) }
    }

    /// Counts `steps` more as done.
    pub(crate) fn add(&self, steps: u64) {
        let done = self.done.fetch_add(steps, Ordering::Relaxed) + steps;
        if self.bar.is_hidden() {
            self.tell(|_| line(self.label, done, self.total));
        } else {
            self.bar.inc(steps);
        }
    }

    /// Says that `done` of all is done, and in words what that was; they are made of the time that it took so far. The
    /// time left is told after them.
    pub(crate) fn reach(&self, done: u64, words: impl FnOnce(Duration) -> String) {
        self.done.store(done, Ordering::Relaxed);
        if self.bar.is_hidden() {
            self.tell(|took| format!("{}: {}{}", self.label, words(took), left_text(took, done, self.total)));
        } else {
            self.bar.set_message(words(self.took()));
            self.bar.set_position(done);
        }
    }

    /// How long the work has taken so far.
    pub(crate) fn took(&self) -> Duration {
        wall_clock::instant().duration_since(self.began_at)
    }

    /// Ends the work; nothing of it stays on the terminal.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }

    /// Writes a line when the last one is long enough ago; a thread that finds another one at it goes on.
    fn tell(&self, line: impl FnOnce(Duration) -> String) {
        let Ok(mut told_at) = self.told_at.try_lock() else { return };
        let now = wall_clock::instant();
        if now.duration_since(*told_at) >= INTERVAL {
            *told_at = now;
            // Progress that cannot be told stops no work.
            drop(writeln!(anstream::stderr(), "{}", line(now.duration_since(self.began_at))));
        }
    }
}

fn line(label: &str, done: u64, total: Option<u64>) -> String {
    match total {
        Some(total) => format!("{label}: {done} of {total}"),
        None => format!("{label}: {done}"),
    }
}

/// What is left to wait, if the rest goes as what is done did.
fn left_text(took: Duration, done: u64, total: Option<u64>) -> String {
    let Some(rest) = total.and_then(|total| total.checked_sub(done)).filter(|_| done > 0) else {
        return String::new();
    };
    let seconds = took.as_secs().saturating_mul(rest) / done;
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!(", {seconds} s left"),
        (0, minutes, seconds) => format!(", {minutes} min {seconds} s left"),
        (hours, minutes, _) => format!(", {hours} h {minutes} min left"),
    }
}

const BOUNDED: &str = "{msg} {bar:40} {human_pos}/{human_len} {per_sec} {eta}";
const UNBOUNDED: &str = "{spinner} {msg} {human_pos} {per_sec}";
const TOLD: &str = "{prefix} {bar:30} {percent} % {msg}, {eta} left";

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates are fixed and valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_far_the_work_has_come() {
        assert_eq!(line("merging", 3, Some(10)), "merging: 3 of 10");
        assert_eq!(line("merging", 3, None), "merging: 3");
    }

    #[test]
    fn the_time_left_follows_from_what_is_done() {
        let left = |seconds, done, total| left_text(Duration::from_secs(seconds), done, total);
        assert_eq!(left(10, 25, Some(100)), ", 30 s left");
        assert_eq!(left(60, 1_000_000_000_000, Some(3_000_000_000_000)), ", 2 min 0 s left");
        assert_eq!(left(3_600, 1, Some(3)), ", 2 h 0 min left");
        assert_eq!(left(10, 100, Some(100)), ", 0 s left");
        for unknown in [left(10, 0, Some(100)), left(10, 5, None), left(10, 101, Some(100))] {
            assert_eq!(unknown, "");
        }
    }

    #[test]
    fn every_style_is_a_template() {
        for template in [BOUNDED, UNBOUNDED, TOLD] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn many_threads_count_together() {
        let progress = Progress::start("counting", Some(400));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| progress.add(1)));
            }
        });
        assert_eq!(progress.done.load(Ordering::Relaxed), 400);
        progress.finish();
    }
}
