//! How a licence's quotas stand, all devices together: what vendors are shown before they decide anything.

use std::collections::BTreeSet;

use schemas::numbers::{FeatureNumber, Micros, Total};
use schemas::period::Period;
use schemas::terms::{FeatureGrant, Mode, QuotaRule};

use super::{accounts, is_open, share};
use crate::authority::License;
use crate::escrow::{self, Account};

/// One feature's quota in one period. For a hard quota,
/// `limit + overage = free + used + held − debt` and `out = used + held − debt`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Overview {
    /// The feature.
    pub feature: FeatureNumber,
    /// How its use is held.
    pub mode: Mode,
    /// The period.
    pub period: Period,
    /// Units that all devices together may use.
    pub limit: Total,
    /// Units beyond the limit that may be used and are charged.
    pub overage: Total,
    /// Units that one device holds ahead of its use.
    pub share: Total,
    /// Units that the next activation would be given.
    pub next_share: u64,
    /// Σ(G − E): units that were granted and did not come back.
    pub out: u64,
    /// ΣU: units used.
    pub used: u64,
    /// Units that devices hold and have not used.
    pub held: u64,
    /// Units used beyond what was granted.
    pub debt: u64,
    /// Units that may still be granted, or, where nothing is granted ahead, used; negative is too much out.
    pub free: i64,
    /// Units used beyond the limit: the overage that is charged.
    pub charged: u64,
}

/// The quotas of every limited feature: the present period, and the other periods of which a device holds or used
/// units and that are not final.
pub fn overview(license: &License, now: Micros) -> Vec<Overview> {
    let features = &license.terms.entitlement.features;
    let limited = license.terms.rules.quotas.iter().filter_map(|rule| {
        let feature = features.iter().find(|held| held.number == rule.feature)?;
        Some((rule, feature))
    });
    limited
        .flat_map(|(rule, feature)| {
            let periods = periods(license, feature, now);
            periods.into_iter().map(move |period| of_period(license, rule, feature.mode, period))
        })
        .collect()
}

fn periods(license: &License, feature: &FeatureGrant, now: Micros) -> BTreeSet<Period> {
    let granted = license.activations.values().flat_map(|activation| activation.quotas.keys());
    let used = license.chains.values().flat_map(|chain| chain.meters.keys());
    let used = used.chain(license.coded.periods());
    let open = granted.chain(used).filter(|(number, _)| *number == feature.number).map(|(_, period)| *period);
    open.filter(|period| is_open(license, *period, now)).chain([Period::of(feature.reset, now)]).collect()
}

fn of_period(license: &License, rule: &QuotaRule, mode: Mode, period: Period) -> Overview {
    let accounts = accounts(license, rule.feature, period);
    let sum = |part: fn(Account) -> u64| {
        accounts.values().map(|account| part(*account)).fold(0, u64::saturating_add)
    };
    let used = sum(|account| account.used);
    let is_hard = mode == Mode::Hard;
    let free = if is_hard {
        escrow::free(rule.limit, rule.overage, accounts.values().copied())
    } else {
        escrow::signed(rule.limit.get() + rule.overage.get()) - escrow::signed(used)
    };
    let share = share(rule, license.terms.rules.max_activations);
    Overview {
        feature: rule.feature,
        mode,
        period,
        limit: rule.limit,
        overage: rule.overage,
        share,
        next_share: if is_hard { share.get().min(u64::try_from(free).unwrap_or(0)) } else { 0 },
        out: sum(Account::outstanding),
        used,
        held: sum(Account::held),
        debt: if is_hard { sum(Account::debt) } else { 0 },
        free,
        charged: used.saturating_sub(rule.limit.get()),
    }
}
