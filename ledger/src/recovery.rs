//! Taking back, after a backup was restored, what the backup had lost: devices enclose the last grant that they
//! applied, and what such a grant proves is written again onto the authority chain's new epoch.
//!
//! A grant is full state, so one of them proves the entitlement, whether the licence stood, the seat, and G and X of
//! its device. Nothing here trusts it before its signature was checked, and nothing is taken back twice: what is
//! recorded on the chain decides, so that a rebuild arrives at the same.

mod trials;

use std::collections::BTreeMap;

use schemas::codes::Code;
use schemas::event::authority::{
    ActivationReleased, AuthorityRestored, EntitlementChanged, LicenseStatusChanged, ReleaseReason,
};
use schemas::event::{Body, Event};
use schemas::grant::{Grant, GrantBody, GrantStatus, QuotaLine, Revocations};
use schemas::ids::{ChainId, Link, PublicKey};
use schemas::limits;
use schemas::numbers::{Epoch, FeatureNumber, Seconds, Seq, Total};
use schemas::period::Period;
use schemas::terms::{Entitlement, OnFork, QuotaRule};
use schemas::text::Text;
use serde::{Deserialize, Serialize};

pub use self::trials::{TriedTwice, other_trial, tried_twice};
use crate::authority::{self, Activation, GrantPlace, License, Quota, Released, Standing, line_periods};
use crate::chain::{self, Head};
use crate::draft::Draft;
use crate::grants::{self, Deadline};
use crate::quotas;
use crate::seats::{self, SeatDecision};
use crate::trust::{self, VerifiedGrant};
use crate::writer::TooLong;

/// What a licence knows of an epoch that ended with events missing.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Recovery {
    /// The highest place beyond the backup's end that a grant proved: of several, the newest says how the licence stood.
    pub lost: Option<(Epoch, Seq)>,
    /// Whether the events that follow are taken back, up to the next grant.
    pub taking_back: bool,
    /// The epoch in which the vendor last decided on the terms. A later decision is not undone.
    pub terms: Epoch,
    /// The epoch in which the vendor last decided on the standing.
    pub standing: Epoch,
    /// Of each feature of which units came back, the most that all devices together could be granted since: a limit
    /// that was lowered after that is the vendor's decision, and what is lacking by it no debt of the restore.
    pub limits: BTreeMap<FeatureNumber, Total>,
}

impl Recovery {
    /// Folds an event of the authority chain that ends at `head` and belongs to `epoch`.
    pub(crate) fn apply(&mut self, epoch: Epoch, head: Head, body: &Body) {
        match body {
            // The first event of an epoch says where the one before it ended; later ones, how far it really went.
            Body::AuthorityRestored(restored) if head.seq > Seq(1) => {
                self.lost = self.lost.max(Some((restored.epoch, restored.seq)));
                self.taking_back = true;
            }
            Body::GrantIssued(_) => self.taking_back = false,
            Body::EntitlementChanged(_) if !self.taking_back => self.terms = epoch,
            Body::LicenseSuspended(_) | Body::LicenseResumed(_) | Body::LicenseRevoked(_)
                if !self.taking_back =>
            {
                self.standing = epoch;
            }
            _ => {}
        }
    }

    /// Notes that units of a feature came back while these rules hold.
    pub(crate) fn note_units(&mut self, feature: FeatureNumber, rules: &[QuotaRule]) {
        self.limits.entry(feature).or_default();
        self.note_limits(rules);
    }

    /// Notes the limits of the rules that hold.
    pub(crate) fn note_limits(&mut self, rules: &[QuotaRule]) {
        for rule in rules {
            if let Some(most) = self.limits.get_mut(&rule.feature) {
                *most = (*most).max(quotas::grantable(rule));
            }
        }
    }
}

/// A grant that a device enclosed, decoded and not believed yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Enclosed {
    grant: Grant,
    body: GrantBody,
    link: Link,
}

impl Enclosed {
    /// Decodes a grant; nothing where its event is no grant.
    pub fn read(grant: Grant) -> Option<Self> {
        let Body::GrantIssued(body) = Event::decode(&grant.core).ok()?.body else { return None };
        let id = chain::event_id(&grant.chain, grant.seq, &grant.prev, &grant.core);
        let link = chain::link(&id, &grant.signature);
        Some(Self { grant, body: *body, link })
    }

    /// The device chain that it is for.
    pub fn device(&self) -> ChainId {
        self.body.device
    }

    /// What orders the grants of one activation.
    pub fn order(&self) -> (Epoch, Seq) {
        (self.body.epoch, self.grant.seq)
    }

    /// The grant as it came.
    pub fn into_grant(self) -> Grant {
        self.grant
    }

    /// Whether the licence is certain to hold it, and nothing of it need be looked at: it is of the present epoch and no
    /// newer than the device's newest grant.
    pub fn is_held(&self, license: &License) -> bool {
        let newest = license.activations.get(&self.body.device).map(|activation| activation.grant);
        self.body.epoch == license.epoch
            && newest.is_some_and(|newest| self.order() <= (newest.epoch, newest.seq))
    }

    /// Whether the licence does not hold it: it is newer than the device's newest grant, or it belongs to an epoch
    /// that ended before its place. `link_at` gives the stored link of an authority chain at a place.
    ///
    /// # Errors
    /// Those of `link_at`.
    pub fn is_lost<E>(
        &self,
        license: &License,
        link_at: impl FnOnce(&ChainId, Seq) -> Result<Option<Link>, E>,
    ) -> Result<bool, E> {
        if self.is_held(license) {
            return Ok(false);
        }
        let newest = license.activations.get(&self.body.device).map(|activation| activation.grant);
        if newest.is_none_or(|newest| self.order() > (newest.epoch, newest.seq)) {
            return Ok(true);
        }
        Ok(link_at(&self.grant.chain, self.grant.seq)? != Some(self.link))
    }

    /// Believes the grant, if an issuer that `root` certifies and `revocations` do not name signed it for `license`.
    pub fn believe(&self, license: &License, root: &PublicKey, revocations: &Revocations) -> Option<Lost> {
        let verified = trust::verify_grant(&self.grant, root).ok()?;
        let body = &verified.body;
        let is_ours = self.grant.seq.0 <= limits::PLACE_MAX
            && body.license == license.id
            && body.product == license.product
            && body.environment == license.environment
            && !revocations.certificates.contains(&verified.issuer);
        is_ours.then_some(Lost { verified, link: self.link })
    }
}

/// A genuine grant of the licence that its stored authority chains do not hold.
#[derive(Clone, Debug)]
pub struct Lost {
    verified: VerifiedGrant,
    link: Link,
}

impl Lost {
    fn body(&self) -> &GrantBody {
        &self.verified.body
    }

    /// Whether its device had a seat by it. Only an activation that was given one is ever told of the licence's end.
    fn holds_seat(&self) -> bool {
        matches!(self.body().status, GrantStatus::Active | GrantStatus::Suspended | GrantStatus::Revoked)
    }

    fn is_released(&self) -> bool {
        self.body().status == GrantStatus::Released
    }
}

/// Writes what a lost grant proves and the licence does not know: the epoch is raised where the grant is of the present
/// one or a later one; then terms and standing, unless the vendor decided on them since or a newer lost grant said
/// more; the seat, even beyond the limit; and G and X, in a new grant that the device takes for newer, and that asks it
/// to send again what is missing. Returns whether anything was written.
///
/// # Errors
/// When the new grant would be longer than a device takes.
pub fn take_back(draft: &mut Draft<'_>, lost: &Lost, revocations: &Revocations) -> Result<bool, TooLong> {
    if is_covered(draft.license(), lost) {
        return Ok(false);
    }
    if lost.body().epoch >= draft.license().epoch {
        draft.raise_epoch(Epoch(lost.body().epoch.0 + 1))?;
    }
    let (epoch, seq) = lost.verified.order();
    let is_newest = draft.license().recovery.lost < Some((epoch, seq));
    // What follows up to the next grant is told by it from what the vendor decides.
    draft.write(Body::AuthorityRestored(Box::new(AuthorityRestored { epoch, seq, link: lost.link })))?;
    if is_newest {
        take_license_back(draft, lost)?;
    }
    take_activation_back(draft, lost, revocations)?;
    Ok(true)
}

/// Whether all that the grant proves is known, and the device is told something newer.
fn is_covered(license: &License, lost: &Lost) -> bool {
    let Some(activation) = license.activations.get(&lost.body().device) else { return false };
    license.recovery.lost >= Some(lost.verified.order())
        && (activation.grant.epoch, activation.grant.seq) > lost.verified.order()
        && (!lost.holds_seat() || activation.granted_at.is_some())
        && (!lost.is_released() || activation.released.is_some())
        && (activation.released.is_some() || holds_dates(activation, lost.body()))
        && holds_promise(activation, lost.body())
        && holds_all(activation, &lost.body().quotas)
}

/// Whether the activation is known to run for as long as the grant lets it.
fn holds_dates(activation: &Activation, grant: &GrantBody) -> bool {
    grant.status != GrantStatus::Active
        || activation.granted_at.is_some()
            && match (activation.runs_until, authority::runs_until(grant)) {
                (None, _) => true,
                (Some(known), until) => until.is_some_and(|until| until <= known),
            }
}

/// Whether what the grant promises of a successor is known, or the seat is gone that it would have.
fn holds_promise(activation: &Activation, grant: &GrantBody) -> bool {
    !grant.promises_heal() || activation.told_to_heal || activation.released.is_some()
}

fn holds_all(activation: &Activation, lines: &[QuotaLine]) -> bool {
    accounts(lines).iter().all(|(key, lost)| {
        let known = activation.quotas.get(key).copied().unwrap_or_default();
        lost.granted <= known.granted && lost.written_off <= known.written_off
    })
}

/// Writes what the licence as a whole was then.
fn take_license_back(draft: &mut Draft<'_>, lost: &Lost) -> Result<(), TooLong> {
    take_terms_back(draft, lost)?;
    if draft.license().recovery.standing > lost.body().epoch {
        return Ok(());
    }
    let changed = LicenseStatusChanged { reason: None };
    match (lost.body().status, draft.license().standing) {
        (GrantStatus::Suspended, Standing::Active) => draft.write(Body::LicenseSuspended(changed)),
        (GrantStatus::Revoked, Standing::Active | Standing::Suspended) => {
            draft.write(Body::LicenseRevoked(changed))
        }
        (GrantStatus::Active, Standing::Suspended) => draft.write(Body::LicenseResumed(changed)),
        _ => Ok(()),
    }
}

/// A grant carries the entitlement and not the rules: those that are known go with it.
fn take_terms_back(draft: &mut Draft<'_>, lost: &Lost) -> Result<(), TooLong> {
    let license = draft.license();
    let Some(entitlement) = &lost.body().entitlement else { return Ok(()) };
    if license.recovery.terms > lost.body().epoch
        || entitlement.revision <= license.terms.entitlement.revision
    {
        return Ok(());
    }
    let mut terms = license.terms.clone();
    let known = std::mem::replace(&mut terms.entitlement, entitlement.clone());
    if license.is_trial() && terms.valid_from_activation.is_some() {
        // The dates are those of the one device that encloses them.
        let Entitlement { starts_at, valid_until, maintenance_until, .. } = known;
        terms.entitlement = Entitlement { starts_at, valid_until, maintenance_until, ..terms.entitlement };
    } else {
        // Validity that begins with the first activation has begun.
        terms.valid_from_activation = None;
    }
    draft.write(Body::EntitlementChanged(Box::new(EntitlementChanged { terms, reason: None })))
}

fn take_activation_back(
    draft: &mut Draft<'_>,
    lost: &Lost,
    revocations: &Revocations,
) -> Result<(), TooLong> {
    let chain = lost.body().device;
    let known = draft.license().activations.get(&chain);
    let seated = known.is_some_and(|known| {
        known.granted_at.is_some()
            && (known.released.is_some() || holds_dates(known, lost.body()))
            && holds_promise(known, lost.body())
    });
    let assumed = assume(draft.license(), lost);
    let decision = match lost.body().status {
        GrantStatus::Denied => SeatDecision::Denied(denial(lost.body().reason.as_ref())),
        _ => seats::decision(&assumed, &chain, draft.now()),
    };
    if lost.holds_seat() && !seated && decision != SeatDecision::Active {
        // A seat is given by a grant that says active, and by no other; so are the time for which it lets a device run,
        // and a successor promised.
        let active = grant_again(&assumed, lost, SeatDecision::Active, revocations, draft);
        draft.write(Body::GrantIssued(Box::new(active)))?;
    }
    let grant = grant_again(&assumed, lost, decision, revocations, draft);
    draft.write(Body::GrantIssued(Box::new(grant)))?;
    let known = draft.license().activations.get(&chain);
    if lost.is_released() && known.is_some_and(|activation| activation.released.is_none()) {
        draft.write(Body::ActivationReleased(ActivationReleased {
            chain,
            why: ReleaseReason::Operator,
            seat_free_at: lost.verified.issued_at,
            overridden: false,
            reason: None,
        }))?;
    }
    Ok(())
}

/// The licence as it would be with the activation that the grant proves.
fn assume(license: &License, lost: &Lost) -> License {
    let mut assumed = license.clone();
    let (body, at) = (lost.body(), lost.verified.issued_at);
    let seated_since = license.seated_since(body, at);
    let activation = assumed.activations.entry(body.device).or_insert_with(|| Activation {
        status: body.status,
        reason: None,
        granted_at: None,
        told_to_heal: false,
        released: None,
        grant: GrantPlace { epoch: body.epoch, seq: lost.verified.seq, at },
        ack: body.ack,
        sync_by: body.check_in.sync_by,
        import_until: body.import_until,
        runs_until: None,
        heard_in: Epoch::default(),
        taken_back: true,
        quotas: BTreeMap::new(),
    });
    if lost.holds_seat() {
        activation.granted_at.get_or_insert(seated_since);
    }
    if lost.is_released() {
        activation.released.get_or_insert(Released { at, why: ReleaseReason::Operator, seat_free_at: at });
    }
    assumed.apply_quotas(body, true);
    assumed
}

/// The grant that tells the device the same on the new epoch, with G and X never lower than it holds. Nothing is raised
/// here: its evidence may be as lost as its grant was.
fn grant_again(
    assumed: &License,
    lost: &Lost,
    decision: SeatDecision,
    revocations: &Revocations,
    draft: &Draft<'_>,
) -> GrantBody {
    let chain = lost.body().device;
    let mut grant = grants::grant(
        assumed,
        chain,
        draft.now(),
        (decision, Deadline::Anew),
        Vec::new(),
        revocations.clone(),
        None,
    );
    let mut quotas = accounts(&quotas::reserved(assumed, &chain, draft.now(), None, None));
    // Of a period that is over too, the device is told no less than what is known.
    let known = assumed.activations.get(&chain).map(|activation| &activation.quotas);
    for (key, quota) in accounts(&lost.body().quotas) {
        let told = quotas.entry(key).or_default();
        let known = known.and_then(|known| known.get(&key)).copied().unwrap_or_default();
        for Quota { granted, written_off, .. } in [quota, known] {
            told.raise(granted, written_off);
        }
    }
    grant.quotas = quotas::lines(quotas);
    if decision == SeatDecision::Active && lost.body().status == GrantStatus::Active {
        // Nor is it given less time: it may never see this grant.
        let spared = Seconds(grant.check_in.grace.0.saturating_add(grant.clock_tolerance.0));
        let until = authority::runs_until(lost.body()).map(|until| until - spared);
        grant.check_in.sync_by = grant.check_in.sync_by.zip(until).map(|(sync_by, until)| sync_by.max(until));
    }
    if decision == SeatDecision::Active && lost.body().promises_heal() {
        // Its device may have ended its chain.
        grant.forked = Some(OnFork::Heal);
    }
    let head = assumed.chains.get(&chain).map_or(Head::START, crate::evidence::Chain::head);
    grant.resend_from = (lost.body().ack.seq > head.seq).then(|| head.seq.next());
    grant
}

fn accounts(lines: &[QuotaLine]) -> BTreeMap<(FeatureNumber, Period), Quota> {
    let mut accounts: BTreeMap<(FeatureNumber, Period), Quota> = BTreeMap::new();
    for line in lines {
        for period in line_periods(line) {
            accounts.entry((line.feature, period)).or_default().raise(line.granted, line.written_off);
        }
    }
    accounts
}

/// Why the device was denied; what this version does not know is told as the commonest reason.
fn denial(reason: Option<&Text>) -> Code {
    reason.and_then(|reason| reason.as_str().parse().ok()).unwrap_or(Code::NoSeatFree)
}

#[cfg(test)]
mod tests;
