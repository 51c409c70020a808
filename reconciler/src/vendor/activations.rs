//! Activations: refreshed without a request, released by an operator, and what they hold written off.

use std::collections::BTreeSet;

use ledger::authority::License;
use ledger::grants::{self, Release};
use ledger::{quotas, seats};
use schemas::codes::Code;
use schemas::event::Body;
use schemas::event::authority::{QuotaWrittenOff, ReleaseReason};
use schemas::grant::{Grant, GrantStatus};
use schemas::ids::{ChainId, LicenseId};
use schemas::numbers::{FeatureNumber, Micros};
use schemas::pack::ProductFeature;
use schemas::period::Period;
use schemas::refusal::Refusal;
use schemas::text::Text;

use super::Vendor;
use crate::store::ActivationFilter;

/// A seat that was taken back.
#[derive(Debug)]
pub struct Released {
    /// What the device is told.
    pub grant: Grant,
    /// From when the seat can be given to another device.
    pub seat_free_at: Micros,
    /// Whether that is now.
    pub is_free: bool,
}

/// Units that were written off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WrittenOff {
    /// The feature.
    pub feature: FeatureNumber,
    /// The period.
    pub period: Period,
    /// Units written off now.
    pub units: u64,
    /// X: units written off so far, these included.
    pub total: u64,
}

impl WrittenOff {
    fn of(license: &License, written_off: &QuotaWrittenOff) -> Self {
        let QuotaWrittenOff { chain, feature, period, total, .. } = *written_off;
        let quota = license.activations.get(&chain).and_then(|known| known.quotas.get(&(feature, period)));
        let before = quota.map_or(0, |quota| quota.written_off.get());
        Self { feature, period, units: total.get() - before, total: total.get() }
    }
}

impl Vendor {
    /// The licence of a device chain, named whole or by a beginning that no other chain shares.
    ///
    /// # Errors
    /// `chain_unknown`; `reference_ambiguous` when a beginning fits several.
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
            return Err(Refusal::new(
                Code::ReferenceAmbiguous,
                format!("{wanted} is the beginning of several chains"),
            ));
        }
        Ok((found.license, found.chain))
    }

    /// Writes a new grant for a device without a request: new deadlines, the licence as it stands, the same
    /// acknowledgement. An activation that was released or denied gets its last grant again while that can be applied.
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
            let ended = activation.released.is_some() || activation.status == GrantStatus::Denied;
            if !ended || activation.is_answer_late(draft.now()) {
                grants::issue_grant(draft, chain, Vec::new(), revocations.clone())?;
            }
            Ok(())
        })?;
        self.grant(license, &chain)
    }

    /// Takes an activation's seat back: free at once with `overridden`, otherwise when its device is certain to have
    /// stopped. The device is told with its next answer.
    ///
    /// # Errors
    /// `chain_unknown`; those of [`seats::free_at`].
    pub fn release(
        &mut self,
        license: &LicenseId,
        chain: ChainId,
        overridden: bool,
        reason: Option<&str>,
    ) -> Result<Released, Refusal> {
        let revocations = self.store.revocations()?;
        let attachment = super::licenses::reason_attachment(reason)?;
        let reason = attachment.as_ref().map(|attachment| attachment.commitment);
        let mut free_at = self.now;
        self.change_license(license, attachment.as_ref(), |draft| {
            free_at = seats::free_at(draft.license(), &chain, draft.now(), overridden)
                .map_err(|code| refused(draft.license(), &chain, code))?;
            let why = ReleaseReason::Operator;
            let release = Release { why, seat_free_at: free_at, overridden, reason };
            grants::release(draft, chain, release, revocations.clone())?;
            Ok(())
        })?;
        let is_free = free_at <= self.now;
        Ok(Released { grant: self.grant(license, &chain)?, seat_free_at: free_at, is_free })
    }

    /// Takes an activation's seat back for whoever holds the licence's key, when its device is certain to have stopped, and
    /// within the limit for transfers.
    ///
    /// # Errors
    /// `chain_unknown` for a device of another licence; those of [`seats::free_at_for_customer`].
    pub fn release_for_customer(&mut self, license: &License, chain: ChainId) -> Result<Released, Refusal> {
        let revocations = self.store.revocations()?;
        let mut free_at = self.now;
        self.change_license(&license.id, None, |draft| {
            let license = draft.license();
            if !license.activations.contains_key(&chain) {
                return Err(Refusal::new(Code::ChainUnknown, chain.to_string()));
            }
            free_at = seats::free_at_for_customer(license, &chain, draft.now())
                .map_err(|code| refused(license, &chain, code))?;
            let why = ReleaseReason::Customer;
            let release = Release { why, seat_free_at: free_at, overridden: false, reason: None };
            grants::release(draft, chain, release, revocations.clone())?;
            Ok(())
        })?;
        let is_free = free_at <= self.now;
        Ok(Released { grant: self.grant(&license.id, &chain)?, seat_free_at: free_at, is_free })
    }

    /// Takes back the seats of all activations of a licence, or of every licence, whose devices were silent past
    /// deadline, grace and clock tolerance: one commit a licence.
    ///
    /// # Errors
    /// When the ledger cannot be changed; the licences before are done then.
    pub fn release_silent(
        &mut self,
        license: Option<LicenseId>,
    ) -> Result<Vec<(LicenseId, ChainId)>, Refusal> {
        let revocations = self.store.revocations()?;
        let filter = ActivationFilter { license, ..ActivationFilter::default() };
        let overdue = self.store.activations(&filter)?.into_iter().filter(|activation| {
            activation.released_at.is_none() && activation.sync_by.is_some_and(|sync_by| sync_by <= self.now)
        });
        let licenses: BTreeSet<LicenseId> = overdue.map(|activation| activation.license).collect();
        let mut done = Vec::new();
        for license in licenses {
            let mut released = Vec::new();
            self.change_license(&license, None, |draft| {
                released = seats::silent(draft.license(), draft.now());
                for chain in &released {
                    let why = ReleaseReason::Silent;
                    let release = Release { why, seat_free_at: draft.now(), overridden: false, reason: None };
                    grants::release(draft, *chain, release, revocations.clone())?;
                }
                Ok(())
            })?;
            done.extend(released.into_iter().map(|chain| (license, chain)));
        }
        Ok(done)
    }

    /// Writes off what an activation holds and has not used, of one feature or of all.
    ///
    /// # Errors
    /// `feature_unknown`; those of [`quotas::write_offs`]; `status_unchanged` when it holds nothing.
    pub fn write_off(
        &mut self,
        license: &LicenseId,
        chain: ChainId,
        feature: Option<&Text>,
        overridden: bool,
    ) -> Result<Vec<WrittenOff>, Refusal> {
        let product = self.find_license(&license.to_string())?.product;
        let known = self.product(&product)?.features;
        let feature = feature.map(|name| numbered(&known, name)).transpose()?;
        let mut done = Vec::new();
        self.change_license(license, None, |draft| {
            let license = draft.license();
            let all = quotas::write_offs(license, &chain, feature, draft.now(), overridden)
                .map_err(|code| refused(license, &chain, code))?;
            if all.is_empty() {
                return Err(Refusal::new(Code::StatusUnchanged, "the activation holds no units"));
            }
            done = all.iter().map(|all| WrittenOff::of(license, all)).collect();
            for written_off in all {
                draft.write(Body::QuotaWrittenOff(written_off))?;
            }
            Ok(())
        })?;
        Ok(done)
    }

    /// The newest grant of a device chain, which is durable.
    ///
    /// # Errors
    /// `not_activated` when there is none.
    pub fn grant(&mut self, license: &LicenseId, chain: &ChainId) -> Result<Grant, Refusal> {
        let grant = self.store.newest_grant(license, chain)?;
        self.store.settle()?;
        grant.ok_or_else(|| Refusal::new(Code::NotActivated, chain.to_string()))
    }
}

fn numbered(known: &[ProductFeature], name: &Text) -> Result<FeatureNumber, Refusal> {
    let feature = known.iter().find(|feature| feature.name == *name);
    let feature = feature.ok_or_else(|| Refusal::new(Code::FeatureUnknown, name.as_str()))?;
    Ok(feature.number)
}

/// A refusal that says until when the device may be at work.
fn refused(license: &License, chain: &ChainId, code: Code) -> Refusal {
    let detail = match (code, license.silent_from(chain)) {
        (Code::NotSilent, Some(from)) => format!("it may be until {from}"),
        (Code::StatusUnchanged, _) => "the activation holds no seat".to_owned(),
        _ => chain.to_string(),
    };
    Refusal::new(code, detail)
}
