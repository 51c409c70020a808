//! Periods: how complete they are, sealed, and their figures derived again.

use std::collections::{BTreeMap, BTreeSet};

use ledger::authority::License;
use ledger::clocks;
use ledger::draft::Draft;
use ledger::grants;
use ledger::periods::{self, Conditions, ReproduceError, Reproduced, Seal, SealOrder, Sealed};
use ledger::rows::StoredRun;
use schemas::bundle::Attachment;
use schemas::grant::Revocations;
use schemas::ids::LicenseId;
use schemas::numbers::FeatureNumber;
use schemas::period::Period;
use schemas::refusal::Refusal;
use schemas::run::Origin;

use super::Vendor;
use crate::store::{Change, StoreError};

/// Licences that one commit seals.
const PER_COMMIT: usize = 200;

/// A licence whose periods were sealed or adjusted, as it stands afterwards.
#[derive(Debug)]
pub struct SealedLicense {
    /// The licence.
    pub license: License,
    /// What was done.
    pub done: Sealed,
}

impl Vendor {
    /// How complete the evidence of a licence is now.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn conditions(&mut self, license: &License) -> Result<Conditions, Refusal> {
        let clocks = self.clocks_noted(license)?;
        Ok(periods::conditions(license, self.now, clocks))
    }

    /// Adjusts and seals what is due of each licence, each in one unit of work, and hands those that moved to `told`.
    /// `reason` is the value of the order's reason.
    ///
    /// # Errors
    /// When the ledger cannot be changed; licences that were told of are done.
    pub fn seal_periods(
        &mut self,
        licenses: &[LicenseId],
        order: &SealOrder,
        reason: Option<&Attachment>,
        told: &mut dyn FnMut(SealedLicense),
    ) -> Result<(), Refusal> {
        let revocations = self.store.revocations()?;
        for licenses in licenses.chunks(PER_COMMIT) {
            let due = self.clocks_of_due(licenses, order)?;
            for sealed in self.seal_together(&due, order, reason, &revocations)? {
                told(sealed);
            }
        }
        Ok(())
    }

    /// The figure of a sealed period as it follows from the stored runs, up to the branch heads that were known at
    /// the seal; or why none follows.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn reproduce(
        &mut self,
        license: &LicenseId,
        key: (FeatureNumber, Period),
        seal: &Seal,
    ) -> Result<Result<Reproduced, ReproduceError>, Refusal> {
        let (mut authority, mut device): (Vec<StoredRun>, Vec<StoredRun>) = (Vec::new(), Vec::new());
        self.store.runs(Some(license), &mut |_, run| {
            let runs = if matches!(run.origin, Origin::Authority(_)) { &mut authority } else { &mut device };
            runs.push(run);
            Ok(())
        })?;
        Ok(periods::reproduce(license, &authority, &device, (seal.epoch, seal.seq), key))
    }

    /// The licences for which something is due, each with the number of its clocks that are noted.
    fn clocks_of_due(
        &mut self,
        licenses: &[LicenseId],
        order: &SealOrder,
    ) -> Result<BTreeMap<LicenseId, u32>, Refusal> {
        let mut due = BTreeMap::new();
        for id in licenses {
            let Some(license) = self.store.license(id)? else { continue };
            if periods::is_due(&license, self.now, order) {
                due.insert(*id, self.clocks_noted(&license)?);
            }
        }
        Ok(due)
    }

    fn clocks_noted(&mut self, license: &License) -> Result<u32, Refusal> {
        let noted = clocks::uncured(license, &self.store.history(&license.id)?);
        Ok(u32::try_from(noted.len()).unwrap_or(u32::MAX))
    }

    fn seal_together(
        &mut self,
        due: &BTreeMap<LicenseId, u32>,
        order: &SealOrder,
        reason: Option<&Attachment>,
        revocations: &Revocations,
    ) -> Result<Vec<SealedLicense>, Refusal> {
        // What is done again takes the place of what was done before.
        let mut sealed = BTreeMap::new();
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let licenses: BTreeSet<LicenseId> = due.keys().copied().collect();
        let (issuer, now) = (&self.issuer, self.now);
        self.store.change_licenses(&licenses, &mut |license, _| {
            let clocks = due[&license.id];
            let mut draft = Draft::resume(issuer, license, now);
            for head in periods::not_taken_in(draft.license()) {
                grants::issue_grant(&mut draft, head.chain, vec![head], revocations.clone())?;
            }
            let done = periods::seal(&mut draft, order, clocks).map_err(StoreError::from)?;
            let attachments = reason.into_iter().filter(|_| !done.sealed.is_empty()).cloned().collect();
            let update = draft.finish();
            sealed.insert(update.license.id, SealedLicense { license: update.license.clone(), done });
            Ok(Change { update, attachments })
        })?;
        Ok(sealed.into_values().collect())
    }
}
