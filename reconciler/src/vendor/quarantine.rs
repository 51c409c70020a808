//! Quarantine: looked at, and emptied.

use std::collections::BTreeSet;

use schemas::codes::Code;
use schemas::refusal::Refusal;

use super::Vendor;
use crate::store::QuarantineEntry;

impl Vendor {
    /// An entry, with its bytes.
    ///
    /// # Errors
    /// `quarantine_unknown`.
    pub fn quarantined(&mut self, id: i64) -> Result<(QuarantineEntry, Vec<u8>), Refusal> {
        let unknown = || Refusal::new(Code::QuarantineUnknown, id.to_string());
        let entry = self.store.quarantine_entry(id)?.ok_or_else(unknown)?;
        let bytes = self.store.quarantined_bytes(id)?.ok_or_else(unknown)?;
        Ok((entry, bytes))
    }

    /// Refuses numbers that no entry has.
    ///
    /// # Errors
    /// `quarantine_unknown`.
    pub fn refuse_unknown_entries(&mut self, ids: &BTreeSet<i64>) -> Result<(), Refusal> {
        for id in ids {
            if self.store.quarantine_entry(*id)?.is_none() {
                return Err(Refusal::new(Code::QuarantineUnknown, id.to_string()));
            }
        }
        Ok(())
    }

    /// Deletes entries for good; their numbers, in order.
    ///
    /// # Errors
    /// `quarantine_unknown`, and nothing was deleted; when the ledger cannot be written.
    pub fn drop_entries(&mut self, ids: &BTreeSet<i64>) -> Result<Vec<i64>, Refusal> {
        self.refuse_unknown_entries(ids)?;
        let ids: Vec<i64> = ids.iter().copied().collect();
        self.store.drop_from_quarantine(&ids)?;
        Ok(ids)
    }
}
