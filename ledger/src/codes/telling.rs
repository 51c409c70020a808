//! What a code can tell of a grant: days in place of instants, and of quotas what has room. The vendor rounds before it signs, so
//! that its ledger holds what the device is told.

use std::num::NonZeroU16;

use schemas::grant::{CheckIn, GrantBody, GrantStatus, Typed};
use schemas::ids::Digest;
use schemas::numbers::{FeatureNumber, Micros, Revision, Seconds, Seq, Total};
use schemas::period::Period;
use schemas::terms::{Entitlement, FeatureGrant, Mode, OnFork, Policy, Terms};
use schemas::typed::{CodeQuota, CodeUnits, Day, GrantPlace, Unfit, UnlockFields, UnlockState};

use super::hard;
use crate::authority::Quota;
use crate::quotas;

const DAY: u64 = 24 * 60 * 60 * 1_000_000;

/// How a grant is told by a code.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'a> {
    /// The policy of the device's pack that the code names; it has a number.
    pub policy: &'a Policy,
    /// The digest of the code that is answered.
    pub answers: Digest,
    /// Days after which validity ends, where that is sooner than the licence's end.
    pub valid_days: Option<NonZeroU16>,
}

impl Telling<'_> {
    /// What the code rests on, as the grant says it.
    pub(crate) fn typed(&self) -> Option<Typed> {
        Some(Typed { key: 0, policy: self.policy.air_gapped?, answers: self.answers })
    }

    /// Limits the quotas of a feature to what a code tells: any units of the first period, and of those that follow the policy's
    /// share of all, or nothing more than `before`.
    pub(crate) fn limit(
        &self,
        feature: FeatureNumber,
        quotas: &mut [(Period, Quota)],
        before: impl Fn(Period) -> Quota,
    ) {
        let Some((first, following)) = quotas.split_first_mut() else { return };
        first.1 = tellable(before(first.0), first.1.granted, |left| CodeUnits::at_most(left).total());
        let share = share(self.policy, feature);
        let holds = |(_, quota): &(Period, Quota)| share.is_some_and(|share| left(quota) >= share.get());
        let all = following.iter().all(holds);
        for (period, quota) in following {
            let known = before(*period);
            let most = |left: Total| share.map_or(left, |share| share.min(left));
            *quota = if all { tellable(known, quota.granted, most) } else { known };
        }
    }

    /// What the licence grants to the device from `now` on, as a code tells it: the policy's features and conditions, and
    /// days: validity begins with a day and ends, as the check-in deadline does, with the end of one.
    pub(crate) fn round(
        &self,
        entitlement: &Entitlement,
        check_in: CheckIn,
        now: Micros,
    ) -> (Entitlement, CheckIn) {
        let Self { policy, valid_days, .. } = self;
        let latest = valid_days.map(|days| now + Seconds::days(days.get().into()));
        let valid_until = entitlement.valid_until.into_iter().chain(latest).min();
        let starts_at = beginning_of_day(entitlement.starts_at);
        let entitlement = Entitlement {
            revision: entitlement.revision,
            valid_until: valid_until.map(end_of_day),
            ..terms(policy, starts_at)
        };
        let sync_by = check_in.sync_by.map(end_of_day);
        (entitlement, CheckIn { sync_by, grace: policy.rules.grace, after: policy.rules.after })
    }
}

/// What a policy grants from `starts_at` on, without an end.
pub(super) fn terms(policy: &Policy, starts_at: Micros) -> Entitlement {
    Entitlement {
        revision: Revision(1),
        kind: policy.kind,
        starts_at,
        valid_until: None,
        maintenance_until: policy.maintenance_for.map(|covered| starts_at + covered),
        features: policy.features.clone(),
        custom: Vec::new(),
    }
}

/// G of which a code tells all that X leaves, `told` of it, and that is no less than what was granted `before`.
fn tellable(before: Quota, granted: Total, told: impl FnOnce(Total) -> Total) -> Quota {
    let left = Total::ZERO.saturating_plus(granted.get().saturating_sub(before.written_off.get()));
    let granted = before.written_off.saturating_plus(told(left).get()).max(before.granted);
    Quota { granted, ..before }
}

/// What the code says that stands for a grant which the vendor wrote at `at` and `seq`, rounded by [`Telling`].
///
/// # Errors
/// What a code cannot tell: dates that are too far off, validity that has ended or not begun, a denial.
pub fn fields(body: &GrantBody, seq: Seq, at: Micros, policy: &Policy) -> Result<UnlockFields, Unfit> {
    let state = state(body)?;
    let issued = Day::of(at).ok_or(Unfit("day of issue"))?;
    let stands = matches!(state, UnlockState::Active | UnlockState::Frozen);
    let entitlement = body.entitlement.as_ref().ok_or(Unfit("refusal"))?;
    let since_start = issued.start().get().checked_sub(entitlement.starts_at.get());
    let since_start_days =
        since_start.and_then(|since| u16::try_from(since / DAY).ok()).ok_or(Unfit("start of validity"))?;
    let to_end_days = match entitlement.valid_until {
        Some(until) if stands => Some(days_to(issued, until).ok_or(Unfit("end of validity"))?),
        _ => None,
    };
    let to_check_in_days = match body.check_in.sync_by {
        Some(sync_by) if stands => Some(days_to(issued, sync_by).ok_or(Unfit("check-in deadline"))?),
        _ => None,
    };
    let dates = Dates { issued: issued.start(), entitlement, check_in: &body.check_in };
    let quotas = hard(policy).filter(|_| stands).map(|feature| quota(body, feature, policy, &dates));
    Ok(UnlockFields {
        place: GrantPlace { epoch: body.epoch, seq },
        state,
        policy: policy.air_gapped.ok_or(Unfit("policy"))?,
        issued,
        since_start_days,
        to_end_days,
        to_check_in_days,
        quotas: quotas.collect(),
    })
}

/// When a grant was issued and until when it lets its device go on.
pub(super) struct Dates<'a> {
    pub(super) issued: Micros,
    pub(super) entitlement: &'a Entitlement,
    pub(super) check_in: &'a CheckIn,
}

impl Dates<'_> {
    /// The period that holds the day of issue, and those that follow up to the check-in deadline or the end.
    pub(super) fn periods(&self, feature: &FeatureGrant) -> impl Iterator<Item = Period> + Clone + use<> {
        let until = quotas::raise_until(self.entitlement, self.issued, self.check_in);
        quotas::periods_ahead(feature.reset, self.issued, until)
    }
}

/// Units that the policy has one device hold, as many of them as a code could tell: the same whether they are told by number
/// or as the share.
pub(super) fn share(policy: &Policy, feature: FeatureNumber) -> Option<Total> {
    let rule = policy.rules.quotas.iter().find(|rule| rule.feature == feature)?;
    Some(CodeUnits::at_most(quotas::share(rule, policy.rules.max_activations)).total())
}

fn quota(body: &GrantBody, feature: &FeatureGrant, policy: &Policy, dates: &Dates<'_>) -> CodeQuota {
    let units = |period| body.units_for(feature.number, period).unwrap_or(0);
    let mut periods = dates.periods(feature);
    let first = periods.next().map_or(0, units);
    let share = share(policy, feature.number).map(Total::get);
    let following = share.is_some_and(|share| {
        let mut periods = periods.peekable();
        periods.peek().is_some() && periods.all(|period| units(period) >= share)
    });
    CodeQuota { units: CodeUnits::at_most(Total::ZERO.saturating_plus(first)), following }
}

fn state(body: &GrantBody) -> Result<UnlockState, Unfit> {
    match (body.status, body.forked) {
        (GrantStatus::Active, Some(OnFork::Stop | OnFork::Heal)) => Ok(UnlockState::Frozen),
        (GrantStatus::Active, _) => Ok(UnlockState::Active),
        (GrantStatus::Suspended, _) => Ok(UnlockState::Suspended),
        (GrantStatus::Revoked, _) => Ok(UnlockState::Revoked),
        (GrantStatus::Released, _) => Ok(UnlockState::Released),
        (GrantStatus::Denied, _) => Err(Unfit("refusal")),
    }
}

/// Whole days from the beginning of a day to an instant after it.
fn days_to(from: Day, instant: Micros) -> Option<NonZeroU16> {
    let days = instant.get().checked_sub(from.start().get())? / DAY;
    u16::try_from(days).ok().and_then(NonZeroU16::new)
}

fn left(quota: &Quota) -> u64 {
    quota.granted.get().saturating_sub(quota.written_off.get())
}

/// The first instant of the day that holds `instant`.
pub(crate) fn beginning_of_day(instant: Micros) -> Micros {
    Micros::new(instant.get() / DAY * DAY)
}

/// The first instant that is not before `instant` and begins a day.
pub(crate) fn end_of_day(instant: Micros) -> Micros {
    Micros::new(instant.get().div_ceil(DAY).saturating_mul(DAY))
}

/// Whether a code for this policy tells a device just what the licence grants: the same features, metered alike, the same
/// conditions as far as a device knows them, and the same maintenance. Limits may differ: units are told by number.
pub fn gives(policy: &Policy, terms: &Terms) -> bool {
    let (held, rules, asked) = (&terms.entitlement, &policy.rules, &terms.rules);
    let has = |feature: &FeatureGrant| {
        let shared = feature.mode != Mode::Hard || share(policy, feature.number).is_some();
        shared && held.features.contains(feature)
    };
    let maintenance = policy.maintenance_for.map(|covered| held.starts_at + covered);
    policy.features.len() == held.features.len()
        && policy.features.iter().all(has)
        && policy.kind == held.kind
        && maintenance.map(beginning_of_day) == held.maintenance_until.map(beginning_of_day)
        && (rules.grace, rules.after, rules.import_for) == (asked.grace, asked.after, asked.import_for)
        && (rules.clock_tolerance, rules.fingerprint) == (asked.clock_tolerance, asked.fingerprint)
}

/// The licence's terms changed to what the policy grants and asks. Its dates stay but that of maintenance, which a code cannot
/// tell apart, and so do its custom fields.
pub fn changed_to(policy: &Policy, terms: &Terms) -> Terms {
    let held = &terms.entitlement;
    let entitlement = Entitlement {
        revision: Revision(held.revision.0 + 1),
        kind: policy.kind,
        features: policy.features.clone(),
        maintenance_until: policy.maintenance_for.map(|covered| held.starts_at + covered),
        ..held.clone()
    };
    Terms { entitlement, rules: policy.rules.clone(), ..terms.clone() }
}
