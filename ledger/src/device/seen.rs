//! A chain that a process comes back to: the time that passed since it left counts, unless a grant set the clock right meanwhile.
//!
//! The monotonic clock means nothing to another process or after a restart, so nothing of this is kept.

use schemas::ids::ChainId;
use schemas::numbers::{Epoch, Seq};

use super::Device;
use crate::clock::{Mark, Reading};

/// A chain as a process left it.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub(super) chain: ChainId,
    pub(super) mark: Mark,
    pub(super) head: Seq,
    pub(super) noted: Option<Seq>,
    pub(super) grant: Option<(Epoch, Seq)>,
}

impl Device {
    /// The chain as it is now, to come back to.
    pub fn seen(&self) -> Seen {
        Seen {
            chain: self.chain,
            mark: self.mark,
            head: self.head().seq,
            noted: self.saved.noted,
            grant: self.order(),
        }
    }

    /// Has time pass from `reading` on, and from when this process left the chain, where it did and knows that its mark was
    /// not set back since.
    pub fn go_on(&mut self, seen: Option<&Seen>, reading: Reading) {
        self.resume(seen);
        self.mark = self.mark.running(reading);
    }

    /// The same without the time from now on, which the next reading tells.
    pub(crate) fn resume(&mut self, seen: Option<&Seen>) {
        if let Some(seen) = seen.filter(|seen| seen.holds_for(self)) {
            self.mark = self.mark.resumed(seen.mark);
        }
    }

    fn order(&self) -> Option<(Epoch, Seq)> {
        self.grant().map(|grant| grant.verified.order())
    }
}

impl Seen {
    fn holds_for(&self, device: &Device) -> bool {
        self.chain == device.chain && !self.may_be_cured_in(device)
    }

    /// Whether a grant may have set the mark back since: one that was applied since and acknowledges a note of the clock, the
    /// one that waited for it then or one that may have followed. What is taken for a cure and is none costs the time since the
    /// chain was left, and grants that were put aside cannot do so again and again: each must acknowledge what was recorded
    /// after the one before it.
    fn may_be_cured_in(&self, device: &Device) -> bool {
        let (before, now) = (self.grant, device.order());
        let epoch = |grant: Option<(Epoch, Seq)>| grant.map(|(epoch, _)| epoch);
        let first_note = self.noted.unwrap_or(self.head.next());
        now > before
            && (device.answered() >= first_note
                // What a vendor that went back to an older ledger acknowledges does not only grow.
                || epoch(now) != epoch(before)
                || device.mark.at() < self.mark.at())
    }
}
