//! A report in parts: over a connection each one is acknowledged before the next is read.

use schemas::bundle::Bundle;
use schemas::grant::Ack;
use schemas::ids::ChainId;
use schemas::numbers::Seq;

use super::Reader;
use crate::device::Device;
use crate::store::{StoreError, load, rows};

/// Which events of a chain a part holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stretch {
    /// The chain.
    pub chain: ChainId,
    /// The first place that the vendor is not known to have; beyond `last` where it has all, and the last event goes
    /// once more so that the vendor answers.
    pub first: Seq,
    /// The last place.
    pub last: Seq,
    /// Whether the chain ends there.
    pub reaches_head: bool,
}

impl Stretch {
    /// How many of the events are acknowledged by one that goes up to `ack`.
    pub fn acknowledged(&self, ack: Seq) -> u64 {
        ack.min(self.last).next().0.saturating_sub(self.first.0)
    }
}

impl Reader {
    /// As [`Self::report`], but no more than about `most` bytes of events; one event at least.
    ///
    /// It begins after `known` where that is given and of this chain's history: what the vendor was heard to have, though
    /// the grant that says so was not applied.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub fn part(&self, most: usize, known: Option<Ack>) -> Result<(Bundle, Stretch), StoreError> {
        let device = self.device()?;
        let first = match known {
            Some(ack) if self.holds(&device, ack)? => ack.seq.next(),
            _ => device.unreported_from(),
        };
        let head = device.head().seq;
        let start = first.min(head);
        let kept = start.max(rows::load_floor(&self.db)?.seq.next());
        let last = rows::last_within(&self.db, kept, head, most)?;
        let stretch = Stretch { chain: device.chain(), first, last, reaches_head: last == head };
        Ok((self.bundle(&device, start, last)?, stretch))
    }

    /// Whether what is acknowledged is of this chain's history, and not beyond it.
    fn holds(&self, device: &Device, ack: Ack) -> Result<bool, StoreError> {
        if ack.seq == Seq(0) || ack.seq > device.head().seq {
            return Ok(ack == Ack::NONE);
        }
        Ok(load::acknowledged(&self.db, device, ack)?.link == ack.link)
    }
}
