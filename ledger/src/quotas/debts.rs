//! Debts that a restore brought: more is out of a quota than may be, because lost grants came back after the ledger had
//! granted their units again.
//!
//! What is lost of a device may as well be that it gave units back, or closed its chain. So nobody is asked for units of
//! such a debt while another device that holds some was not heard of since the restore and may still be at work. What
//! the vendor lowered a limit by is asked back at once, as ever.

use std::collections::{BTreeMap, BTreeSet};

use schemas::ids::ChainId;
use schemas::numbers::{FeatureNumber, Micros, Total};
use schemas::period::Period;
use schemas::terms::QuotaRule;

use super::{accounts, grantable, hard};
use crate::authority::{Activation, License};
use crate::escrow::{self, Account};

/// A quota of which more is out than may be, because of grants that came back after a restore.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Debt {
    /// The feature.
    pub feature: FeatureNumber,
    /// The period, which is not over.
    pub period: Period,
    /// Units out beyond what may be granted.
    pub lacking: u64,
    /// How many of them only came back with lost grants.
    pub brought: u64,
    /// The devices that hold units and were not heard of since the restore.
    pub unheard: Vec<Holder>,
}

/// A device that holds units of a quota.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Holder {
    /// The device chain.
    pub chain: ChainId,
    /// Units out and not used, as far as is known.
    pub units: u64,
    /// From when it counts as silent, and is no longer waited for; absent: never.
    pub silent_from: Option<Micros>,
}

impl Holder {
    /// Whether it may still be at work at `now`.
    pub fn is_awaited(&self, now: Micros) -> bool {
        self.silent_from.is_none_or(|from| now < from)
    }
}

/// The debts of a licence that a restore brought, in the order of feature and period.
pub fn debts(license: &License, now: Micros) -> Vec<Debt> {
    let rules = license.terms.rules.quotas.iter();
    let hard = rules.filter(|rule| hard(&license.terms, rule.feature).is_some());
    hard.flat_map(|rule| {
        let periods = periods_taken_back(license, rule.feature).into_iter();
        periods.filter(move |period| now < period.end()).filter_map(move |period| debt(license, rule, period))
    })
    .collect()
}

/// The periods of which units of a feature came back.
fn periods_taken_back(license: &License, feature: FeatureNumber) -> BTreeSet<Period> {
    let quotas = license.activations.values().flat_map(|activation| &activation.quotas);
    let back = quotas.filter(|((of, _), quota)| *of == feature && quota.taken_back > Total::ZERO);
    back.map(|((_, period), _)| *period).collect()
}

/// Units lacking that a chain is not asked for, because another device may still make up for them.
pub(super) fn spared(
    license: &License,
    chain: &ChainId,
    key: (FeatureNumber, Period),
    accounts: &BTreeMap<ChainId, Account>,
    now: Micros,
) -> u64 {
    let brought = brought(license, key, accounts);
    let mut others = unheard(license, accounts).filter(|holder| holder.chain != *chain);
    if brought > 0 && others.any(|holder| holder.is_awaited(now)) { brought } else { 0 }
}

fn debt(license: &License, rule: &QuotaRule, period: Period) -> Option<Debt> {
    let feature = rule.feature;
    let accounts = accounts(license, feature, period);
    let lacking = escrow::lacking(grantable(rule), accounts.values().copied());
    let brought = brought(license, (feature, period), &accounts).min(lacking);
    let unheard = unheard(license, &accounts).collect();
    (brought > 0).then_some(Debt { feature, period, lacking, brought, unheard })
}

/// The debt without which nothing but lost grants would lack: how much more is out beyond the highest limit since they
/// came back than would be without them.
fn brought(license: &License, key: (FeatureNumber, Period), accounts: &BTreeMap<ChainId, Account>) -> u64 {
    let Some(limit) = license.recovery.limits.get(&key.0) else { return 0 };
    let as_if_lost = accounts.iter().map(|(chain, account)| {
        let granted = account.granted.saturating_sub(taken_back(license, chain, key).get());
        Account { granted, ..*account }
    });
    let all = escrow::lacking(*limit, accounts.values().copied());
    all.saturating_sub(escrow::lacking(*limit, as_if_lost))
}

fn taken_back(license: &License, chain: &ChainId, key: (FeatureNumber, Period)) -> Total {
    let quota = license.activations.get(chain).and_then(|activation| activation.quotas.get(&key));
    quota.map_or(Total::ZERO, |quota| quota.taken_back)
}

/// The devices that have a seat and hold units, of which nothing was taken in since the restore.
fn unheard(license: &License, accounts: &BTreeMap<ChainId, Account>) -> impl Iterator<Item = Holder> {
    let is_unheard = |activation: &Activation| activation.holds_seat() && activation.heard_in < license.epoch;
    accounts.iter().filter_map(move |(chain, account)| {
        let is_unheard = license.activations.get(chain).is_some_and(is_unheard);
        let (chain, units, silent_from) = (*chain, account.held(), license.silent_from(chain));
        (is_unheard && units > 0).then_some(Holder { chain, units, silent_from })
    })
}
