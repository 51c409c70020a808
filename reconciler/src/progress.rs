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
    told_at: Mutex<Instant>,
}

impl Progress {
    /// Begins work that `label` names, of `total` steps where that is known.
    pub(crate) fn start(label: &'static str, total: Option<u64>) -> Self {
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        bar.set_style(style(total.is_some()));
        bar.set_message(label);
        Self { bar, label, total, done: AtomicU64::new(0), told_at: Mutex::new(wall_clock::instant()) }
    }

    /// Counts `steps` more as done.
    pub(crate) fn add(&self, steps: u64) {
        let done = self.done.fetch_add(steps, Ordering::Relaxed) + steps;
        if self.bar.is_hidden() { self.tell(done) } else { self.bar.inc(steps) }
    }

    /// Ends the work; nothing of it stays on the terminal.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }

    /// Writes a line when the last one is long enough ago; a thread that finds another one at it goes on.
    fn tell(&self, done: u64) {
        let Ok(mut told_at) = self.told_at.try_lock() else { return };
        let now = wall_clock::instant();
        if now.duration_since(*told_at) >= INTERVAL {
            *told_at = now;
            // Progress that cannot be told stops no work.
            drop(writeln!(anstream::stderr(), "{}", line(self.label, done, self.total)));
        }
    }
}

fn line(label: &str, done: u64, total: Option<u64>) -> String {
    match total {
        Some(total) => format!("{label}: {done} of {total}"),
        None => format!("{label}: {done}"),
    }
}

fn style(bounded: bool) -> ProgressStyle {
    let template = if bounded {
        "{msg} {bar:40} {human_pos}/{human_len} {per_sec} {eta}"
    } else {
        "{spinner} {msg} {human_pos} {per_sec}"
    };
    ProgressStyle::with_template(template).expect("the template is fixed and valid")
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
