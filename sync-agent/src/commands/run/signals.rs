//! Being told to end.

use schemas::codes::{Code, Exit};
use schemas::refusal::Refusal;

/// Calls `end` once, from a thread of its own, when the process is told to end: with how it is to exit.
///
/// # Errors
/// When the operating system refuses.
#[cfg(unix)]
pub(super) fn watch(end: impl FnOnce(Exit) + Send + 'static) -> Result<(), Refusal> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let signals = Signals::new([SIGINT, SIGTERM]);
    let mut signals = signals.map_err(|error| Refusal::from_error(Code::Failed, &error))?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            end(if signal == SIGINT { Exit::Interrupted } else { Exit::Done });
        }
    });
    Ok(())
}

/// Elsewhere the system ends the process: what was answered is durable.
#[cfg(not(unix))]
pub(super) fn watch(_end: impl FnOnce(Exit) + Send + 'static) -> Result<(), Refusal> {
    Ok(())
}
