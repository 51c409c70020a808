//! Room in quarantine for what callers hand in. Anybody may hand in what cannot be merged, so that only so much of it is
//! kept; files have as much room as there is.

use super::desk::CALLERS;
use crate::store::{NewQuarantine, Store, StoreError};

/// Most entries that callers may have in quarantine.
const MOST_ENTRIES: u64 = 100_000;
/// Most bytes of them.
const MOST_BYTES: u64 = 1024 * 1024 * 1024;

/// What there still is, if it is bounded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    entries: u64,
    bytes: u64,
}

impl Room {
    /// As much as there is.
    pub(super) const UNBOUNDED: Self = Self { entries: u64::MAX, bytes: u64::MAX };

    /// What callers have not used up yet.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(super) fn of_callers(store: &mut dyn Store) -> Result<Self, StoreError> {
        let (entries, bytes) = store.quarantined_from(&CALLERS)?;
        Ok(Self { entries: MOST_ENTRIES.saturating_sub(entries), bytes: MOST_BYTES.saturating_sub(bytes) })
    }

    /// Takes room for all of these, or for none; whether there was as much.
    pub(super) fn take(&mut self, kept: &[NewQuarantine]) -> bool {
        let bytes = kept.iter().map(|entry| entry.bytes.len() as u64).sum();
        let left = self.entries.checked_sub(kept.len() as u64).zip(self.bytes.checked_sub(bytes));
        let Some((entries, bytes)) = left else { return false };
        *self = Self { entries, bytes };
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
        let mut room = Room { entries: 2, bytes: 10 };
        assert!(!room.take(&[kept(6), kept(6)]));
        assert!(!room.take(&[kept(1), kept(1), kept(1)]));
        assert!(room.take(&[kept(6)]));
        assert!(!room.take(&[kept(5)]));
        assert!(room.take(&[kept(4)]));
        assert!(!room.take(&[kept(0)]), "two entries are there");
        assert!(room.take(&[]), "who keeps nothing needs no room");
        assert!(Room::UNBOUNDED.clone().take(&[kept(1_000)]));
    }
}
