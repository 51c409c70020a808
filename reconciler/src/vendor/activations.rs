//! Activations: refreshed without a request, and released by an operator.

use ledger::grants;
use schemas::codes::Code;
use schemas::grant::{Grant, GrantStatus};
use schemas::ids::{ChainId, LicenseId};
use schemas::refusal::Refusal;

use super::Vendor;

impl Vendor {
    /// The licence of a device chain, named whole or by a beginning that no other chain shares.
    ///
    /// # Errors
    /// `chain_unknown`; `usage` when a beginning fits several.
    pub fn find_chain(&mut self, wanted: &str) -> Result<(LicenseId, ChainId), Refusal> {
        let unknown = || Refusal::new(Code::ChainUnknown, wanted);
        if let Ok(chain) = wanted.parse::<ChainId>() {
            return Ok((self.store.license_of_chain(&chain)?.ok_or_else(unknown)?, chain));
        }
        let wanted_lower = wanted.to_ascii_lowercase();
        if wanted_lower.len() < 6 || !wanted_lower.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(unknown());
        }
        let mut fitting = self
            .store
            .activations(&crate::store::ActivationFilter::default())?
            .into_iter()
            .filter(|activation| activation.chain.to_string().starts_with(&wanted_lower));
        let found = fitting.next().ok_or_else(unknown)?;
        if fitting.next().is_some() {
            return Err(Refusal::new(Code::Usage, format!("{wanted} is the beginning of several chains")));
        }
        Ok((found.license, found.chain))
    }

    /// Writes a new grant for a device without a request: new deadlines, the licence as it stands, the same
    /// acknowledgement. An activation that was released or denied gets its last grant again.
    ///
    /// # Errors
    /// `chain_unknown`, `not_activated` when nothing was ever decided about the chain.
    pub fn refresh(&mut self, license: &LicenseId, chain: ChainId) -> Result<Grant, Refusal> {
        let revocations = self.store.revocations()?;
        self.change_license(license, None, |draft| {
            let activation = draft
                .license()
                .activations
                .get(&chain)
                .ok_or_else(|| Refusal::new(Code::NotActivated, chain.to_string()))?;
            if activation.released.is_none() && activation.status != GrantStatus::Denied {
                grants::issue_grant(draft, chain, Vec::new(), revocations.clone())?;
            }
            Ok(())
        })?;
        self.grant(license, &chain)
    }

    /// Releases an activation: the seat is free at once, and the device is told with its next answer.
    ///
    /// # Errors
    /// `chain_unknown`; `status_unchanged` when the activation holds no seat.
    pub fn release(
        &mut self,
        license: &LicenseId,
        chain: ChainId,
        reason: Option<&str>,
    ) -> Result<Grant, Refusal> {
        let revocations = self.store.revocations()?;
        let attachment = super::licenses::reason_attachment(reason)?;
        let reason = attachment.as_ref().map(|attachment| attachment.commitment);
        self.change_license(license, attachment.as_ref(), |draft| {
            let holds_seat =
                draft.license().activations.get(&chain).is_some_and(|activation| {
                    activation.granted_at.is_some() && activation.released.is_none()
                });
            if !holds_seat {
                return Err(Refusal::new(Code::StatusUnchanged, "the activation holds no seat"));
            }
            grants::release(draft, chain, reason, revocations.clone())?;
            Ok(())
        })?;
        self.grant(license, &chain)
    }

    /// The newest grant of a device chain.
    ///
    /// # Errors
    /// `not_activated` when there is none.
    pub fn grant(&mut self, license: &LicenseId, chain: &ChainId) -> Result<Grant, Refusal> {
        self.store
            .newest_grant(license, chain)?
            .ok_or_else(|| Refusal::new(Code::NotActivated, chain.to_string()))
    }
}
