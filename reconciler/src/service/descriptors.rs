//! Open files: every connection is one, and so is much that is done for it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for what is no connection: the ledger, bodies that lie in files, uploads.
const KEPT: u64 = 256;
/// So many connections there are in any case.
const LEAST: usize = 16;

/// Raises the limit on open files as far as the system lets it, and gives how many of the connections that are wanted it
/// leaves room for.
pub(super) fn make_room_for(wanted: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = if raised.is_ok() { maximum } else { current };
    let allowed = connections_within(limit, wanted);
    if allowed < wanted {
        tracing::warn!(wanted, allowed, "the limit on open files leaves room for fewer connections");
    }
    allowed
}

fn connections_within(limit: Option<u64>, wanted: usize) -> usize {
    let Some(limit) = limit else { return wanted };
    let room = usize::try_from(limit.saturating_sub(KEPT)).unwrap_or(usize::MAX);
    wanted.min(room.max(LEAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_what_is_done_for_them() {
        assert_eq!(connections_within(None, 100_000), 100_000);
        assert_eq!(connections_within(Some(1_024), 1_024), 768);
        assert_eq!(connections_within(Some(4_096), 1_024), 1_024);
        assert_eq!(connections_within(Some(64), 1_024), LEAST);
    }
}
