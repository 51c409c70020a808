//! Room in quarantine for what callers hand in. Anybody may hand in what cannot be merged, so that only so much of it is
//! kept; files have as much room as there is.

use super::desk::CALLERS;
use crate::store::{NewQuarantine, Store, StoreError};

/// Most entries that callers may have in quarantine.
const MOST_ENTRIES: u64 = 100_000;
/// Most of them of one bundle.
const MOST_AT_ONCE: u64 = 1_000;
/// Most bytes of them.
const MOST_BYTES: u64 = 1024 * 1024 * 1024;

/// What there still is, if it is bounded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    at_once: u64,
    entries: u64,
    bytes: u64,
}

impl Room {
    /// As much as there is.
    pub(super) const UNBOUNDED: Self = Self { at_once: u64::MAX, entries: u64::MAX, bytes: u64::MAX };

    /// What callers have not used up yet.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(super) fn of_callers(store: &mut dyn Store) -> Result<Self, StoreError> {
        let (entries, bytes) = store.quarantined_from(&CALLERS)?;
        let (entries, bytes) = (MOST_ENTRIES.saturating_sub(entries), MOST_BYTES.saturating_sub(bytes));
        Ok(Self { at_once: MOST_AT_ONCE, entries, bytes })
    }

    /// Takes room for all of these, or for none; whether there was as much.
    pub(super) fn take(&mut self, kept: &[NewQuarantine]) -> bool {
        let bytes = kept.iter().map(|entry| entry.bytes.len() as u64).sum();
        if kept.len() as u64 > self.at_once {
            return false;
        }
        let left = self.entries.checked_sub(kept.len() as u64).zip(self.bytes.checked_sub(bytes));
        let Some((entries, bytes)) = left else { return false };
        *self = Self { entries, bytes, ..*self };
        true
    }
}

#[cfg(test)]
mod tests {
    use schemas::codes::Code;

    use super::*;

    fn kept(bytes: usize) -> NewQuarantine {
        let (code, source) = (Code::Damaged, "exchange".to_owned());
        NewQuarantine { code, source, chain: None, span: None, follows: None, bytes: vec![0; bytes] }
    }

    #[test]
    fn what_does_not_fit_takes_nothing() {
        let mut room = Room { at_once: 2, entries: 2, bytes: 10 };
        assert!(!room.take(&[kept(6), kept(6)]));
        assert!(!room.take(&[kept(1), kept(1), kept(1)]));
        assert!(room.take(&[kept(6)]));
        assert!(!room.take(&[kept(5)]));
        assert!(room.take(&[kept(4)]));
        assert!(!room.take(&[kept(0)]), "two entries are there");
        assert!(room.take(&[]), "who keeps nothing needs no room");
        let mut room = Room { at_once: 2, entries: 10, bytes: 10 };
        assert!(!room.take(&[kept(1), kept(1), kept(1)]), "so many are not of one bundle");
        assert!(Room::UNBOUNDED.clone().take(&[kept(1_000)]));
    }
}
