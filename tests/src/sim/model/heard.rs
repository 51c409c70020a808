//! When the vendor last heard of a device, and until when the device may still be at work.

use schemas::grant::{GrantBody, GrantStatus};

/// What the vendor's own answers say of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard {
    /// The epoch in which something of it was last taken in.
    epoch: u32,
    /// The latest deadline of all its active grants, with grace and tolerance.
    runs_until: u64,
}

impl Heard {
    /// The device is told something.
    pub fn told(&mut self, body: &GrantBody) {
        if !body.took_in.is_empty() {
            self.epoch = body.epoch.0;
        }
        if body.status == GrantStatus::Active {
            let overdue = body.check_in.sync_by.map(|sync_by| sync_by + body.check_in.grace);
            let until = overdue.map_or(u64::MAX, |overdue| (overdue + body.clock_tolerance).get());
            self.runs_until = self.runs_until.max(until);
        }
    }

    /// Whether nothing of it came since the ledger went back, in an earlier epoch than this one, and it may still come.
    pub fn is_awaited(self, epoch: u32, now: u64) -> bool {
        self.epoch < epoch && now < self.runs_until
    }
}
