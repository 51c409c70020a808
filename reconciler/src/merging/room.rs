//! Room in quarantine for what callers hand in. Anybody may hand in what cannot be merged, so that only so much of it is
//! kept; files have as much room as there is.
//!
//! What comes of chains that the ledger knows has room of its own, which no stranger uses up.

use std::time::{Duration, Instant};

use schemas::codes::Code;

use super::desk::CALLERS;
use crate::store::{NewQuarantine, Store, StoreError};
use crate::wall_clock;

/// Most that callers may have in quarantine of what proves nothing: no licence, or no chain that is known.
const UNPROVED: Left = Left { entries: 100_000, bytes: 1024 * 1024 * 1024 };
/// The same of chains that are known.
const PROVED: Left = Left { entries: 25_000, bytes: 256 * 1024 * 1024 };
/// Most entries of one bundle.
const MOST_AT_ONCE: usize = 1_000;
/// How long it may go on without another look at what there is.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// So much.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Left {
    entries: u64,
    bytes: u64,
}

impl Left {
    const UNBOUNDED: Self = Self { entries: u64::MAX, bytes: u64::MAX };

    fn add(&mut self, bytes: u64) {
        self.entries += 1;
        self.bytes += bytes;
    }

    fn without(self, used: Self) -> Self {
        let (entries, bytes) =
            (self.entries.saturating_sub(used.entries), self.bytes.saturating_sub(used.bytes));
        Self { entries, bytes }
    }

    fn take(self, used: Self) -> Option<Self> {
        let entries = self.entries.checked_sub(used.entries)?;
        Some(Self { entries, bytes: self.bytes.checked_sub(used.bytes)? })
    }
}

/// What there still is, if it is bounded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    at_once: usize,
    unproved: Left,
    proved: Left,
}

/// Whether what is kept for this reason is of a chain that the ledger knows: it was taken in as far as it could be.
fn is_proved(code: &str) -> bool {
    [Code::ParkingFull, Code::BranchesFull].iter().any(|of_known| of_known.word() == code)
}

impl Room {
    /// As much as there is.
    pub(super) const UNBOUNDED: Self =
        Self { at_once: usize::MAX, unproved: Left::UNBOUNDED, proved: Left::UNBOUNDED };

    /// What callers have not used up yet.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn of_callers(store: &mut dyn Store) -> Result<Self, StoreError> {
        let (mut unproved, mut proved) = (Left::default(), Left::default());
        store.quarantined_from(&CALLERS, &mut |code, bytes| {
            if is_proved(code) { proved.add(bytes) } else { unproved.add(bytes) }
        })?;
        let (unproved, proved) = (UNPROVED.without(unproved), PROVED.without(proved));
        Ok(Self { at_once: MOST_AT_ONCE, unproved, proved })
    }

    /// Takes room for all of these, or for none; whether there was as much.
    pub(super) fn take(&mut self, kept: &[NewQuarantine]) -> bool {
        let (mut unproved, mut proved) = (Left::default(), Left::default());
        for entry in kept {
            let used = if is_proved(entry.code.word()) { &mut proved } else { &mut unproved };
            used.add(entry.bytes.len() as u64);
        }
        let left = self.unproved.take(unproved).zip(self.proved.take(proved));
        let Some((unproved, proved)) = left.filter(|_| kept.len() <= self.at_once) else { return false };
        *self = Self { unproved, proved, ..*self };
        true
    }
}

/// The callers' room, looked up now and then: others use it too, and entries are dropped.
#[derive(Debug, Default)]
pub(super) struct CallersRoom(Option<(Instant, Room)>);

impl CallersRoom {
    /// What there is, by the last look.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(super) fn look(&mut self, store: &mut dyn Store) -> Result<&mut Room, StoreError> {
        let (looked, room) = match self.0.take().filter(|(looked, _)| looked.elapsed() < LOOK_EVERY) {
            Some(known) => known,
            None => (wall_clock::instant(), Room::of_callers(store)?),
        };
        Ok(&mut self.0.insert((looked, room)).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(code: Code, bytes: usize) -> NewQuarantine {
        let source = "exchange".to_owned();
        NewQuarantine { code, source, chain: None, span: None, follows: None, bytes: vec![0; bytes] }
    }

    fn damaged(bytes: usize) -> NewQuarantine {
        kept(Code::Damaged, bytes)
    }

    #[test]
    fn what_does_not_fit_takes_nothing() {
        let left = Left { entries: 2, bytes: 10 };
        let mut room = Room { at_once: 2, unproved: left, proved: left };
        assert!(!room.take(&[damaged(6), damaged(6)]));
        assert!(!room.take(&[damaged(1), damaged(1), damaged(1)]));
        assert!(room.take(&[damaged(6)]));
        assert!(!room.take(&[damaged(5)]));
        assert!(room.take(&[damaged(4)]));
        assert!(!room.take(&[damaged(0)]), "two entries are there");
        assert!(room.take(&[]), "who keeps nothing needs no room");
        let left = Left { entries: 10, bytes: 10 };
        let mut room = Room { at_once: 2, unproved: left, proved: left };
        assert!(!room.take(&[damaged(1), damaged(1), damaged(1)]), "so many are not of one bundle");
        assert!(Room::UNBOUNDED.clone().take(&[damaged(1_000)]));
    }

    #[test]
    fn chains_that_are_known_have_room_of_their_own() {
        let left = Left { entries: 1, bytes: 10 };
        let mut room = Room { at_once: 2, unproved: left, proved: left };
        assert!(room.take(&[kept(Code::LicenseUnknown, 1)]));
        assert!(!room.take(&[kept(Code::ClaimInvalid, 1)]), "strangers have used up theirs");
        assert!(!room.take(&[kept(Code::ParkingFull, 1), damaged(1)]), "all of a bundle, or nothing");
        assert!(room.take(&[kept(Code::ParkingFull, 10)]));
        assert!(!room.take(&[kept(Code::BranchesFull, 1)]));
    }
}
