//! Keeping the clock's mark while a command runs for long, waiting for its input or for the network.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use schemas::refusal::Refusal;

/// How old the kept mark of a running process may be.
const KEEP_EVERY: Duration = Duration::from_mins(5);

/// Acts, and has the mark kept by `keep` every five minutes until that is done. What cannot be kept then is kept later.
pub(crate) fn keeping_time<T>(keep: impl Fn() -> Result<(), Refusal> + Send, act: impl FnOnce() -> T) -> T {
    at_intervals(KEEP_EVERY, move || drop(keep()), act)
}

/// Acts, and calls `meanwhile` at intervals of `every` until that is done, however it ends.
fn at_intervals<T>(every: Duration, meanwhile: impl Fn() + Send, act: impl FnOnce() -> T) -> T {
    let (acting, ended) = mpsc::channel::<()>();
    thread::scope(move |scope| {
        scope.spawn(move || {
            while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                meanwhile();
            }
        });
        let outcome = act();
        drop(acting);
        outcome
    })
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn it_is_called_again_and_again_and_ends_with_the_act() {
        let calls = AtomicU32::new(0);
        let count = || {
            calls.fetch_add(1, Ordering::Relaxed);
        };
        let outcome = at_intervals(Duration::from_millis(1), count, || {
            while calls.load(Ordering::Relaxed) < 3 {
                thread::yield_now();
            }
            7
        });
        assert_eq!(outcome, 7);
    }

    #[test]
    fn an_act_that_dies_is_not_waited_for() {
        let died = catch_unwind(AssertUnwindSafe(|| {
            at_intervals(Duration::MAX, || {}, || resume_unwind(Box::new("died")))
        }));
        assert!(died.is_err());
    }
}
