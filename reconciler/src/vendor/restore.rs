//! Going on after a backup was restored.

use std::collections::BTreeSet;

use ledger::draft::Draft;
use schemas::ids::LicenseId;
use schemas::numbers::Epoch;
use schemas::refusal::Refusal;

use super::Vendor;
use crate::store::{Change, LicenseFilter, StoreError};

/// Licences that one commit raises.
const PER_COMMIT: usize = 500;

impl Vendor {
    /// Begins the next epoch of every licence's authority chain, so that devices take its grants for newer than any
    /// that the backup lost. `progress` hears how many licences were raised. Returns the number of all.
    ///
    /// # Errors
    /// When the ledger cannot be changed.
    pub fn raise_epochs(&mut self, progress: &mut dyn FnMut(u64)) -> Result<u64, Refusal> {
        let licenses: Vec<LicenseId> =
            self.store.licenses(&LicenseFilter::default())?.into_iter().map(|license| license.id).collect();
        let (issuer, now) = (&self.issuer, self.now);
        for together in licenses.chunks(PER_COMMIT) {
            let together: BTreeSet<LicenseId> = together.iter().copied().collect();
            self.store.change_licenses(&together, &mut |license, _| {
                let next = Epoch(license.epoch.0 + 1);
                let mut draft = Draft::resume(issuer, license, now);
                draft.raise_epoch(next).map_err(StoreError::from)?;
                Ok(Change { update: draft.finish(), attachments: Vec::new() })
            })?;
            progress(together.len() as u64);
        }
        Ok(licenses.len() as u64)
    }
}
