//! Reserved quota: what a device chain holds of each period and what it is topped up to. Pure functions of a licence
//! and the vendor's time; the arithmetic is in [`crate::escrow`].

mod debts;
mod overview;
mod stranded;

use std::collections::BTreeMap;

use schemas::canonical;
use schemas::codes::Code;
use schemas::event::authority::QuotaWrittenOff;
use schemas::grant::{CheckIn, QuotaLine, ReturnRequest};
use schemas::ids::ChainId;
use schemas::limits;
use schemas::numbers::{FeatureNumber, Micros, Seconds, Total};
use schemas::period::{Period, Reset};
use schemas::terms::{Entitlement, Mode, QuotaRule, Terms};

pub use self::debts::{Debt, Holder, debts};
pub use self::overview::{Overview, overview};
pub use self::stranded::{Stranded, stranded, stranded_for};
use crate::authority::{License, Quota};
use crate::codes::telling::Telling;
use crate::escrow::{self, Account};

/// Whether every grant of a licence with these terms is short enough for a device to take, in the worst case that no
/// two neighbouring periods hold the same.
pub fn fits(terms: &Terms) -> bool {
    let rules = &terms.rules;
    let ahead = rules
        .sync_every
        .map_or(AHEAD_WITHOUT_CHECK_IN, |every| Seconds(every.0.saturating_add(rules.grace.0)));
    let days_ahead = usize::try_from(ahead.0 / 86_400 + 2).unwrap_or(usize::MAX);
    let days_open = usize::from(rules.finalisation_days) + 1;
    let lines: usize = rules
        .quotas
        .iter()
        .filter_map(|rule| hard(terms, rule.feature))
        .map(|reset| match reset {
            Reset::Never => 1,
            Reset::Year => days_ahead.div_ceil(365).min(PERIODS_AHEAD) + days_open.div_ceil(365) + 1,
            Reset::Month => days_ahead.div_ceil(28).min(PERIODS_AHEAD) + days_open.div_ceil(28) + 1,
            Reset::Day => days_ahead.min(PERIODS_AHEAD) + days_open,
        })
        .sum();
    let bytes = canonical::to_bytes(terms).len() + lines.saturating_mul(LINE_BYTES) + AROUND_BYTES;
    lines <= limits::LIST_ENTRIES && bytes <= limits::GRANT_BYTES
}

/// The longest quota line with the longest request to return from it, and room for the rest of a grant.
const LINE_BYTES: usize = 32 + 18;
const AROUND_BYTES: usize = 12 * 1024;

/// Reserved quota: what the chain holds of the periods that are still open, and the periods that begin before
/// `raise_until` topped up, if that is given; where a code tells it, to no more than that can.
pub(crate) fn reserved(
    license: &License,
    chain: &ChainId,
    now: Micros,
    raise_until: Option<Micros>,
    telling: Option<&Telling<'_>>,
) -> Vec<QuotaLine> {
    let rules = &license.terms.rules;
    let held = license.activations.get(chain).map(|activation| &activation.quotas);
    let mut accounts: BTreeMap<(FeatureNumber, Period), Quota> = held
        .into_iter()
        .flatten()
        .filter(|((_, period), _)| is_open(license, *period, now))
        .map(|(key, quota)| (*key, *quota))
        .collect();
    if let Some(until) = raise_until {
        for (rule, reset) in
            rules.quotas.iter().filter_map(|rule| Some((rule, hard(&license.terms, rule.feature)?)))
        {
            let mut topped_up = Vec::new();
            for period in periods_ahead(reset, now, until) {
                let quota = accounts.get(&(rule.feature, period)).copied().unwrap_or_default();
                let granted = raised(license, chain, rule, period, quota);
                topped_up.push((period, Quota { granted, ..quota }));
            }
            if let Some(telling) = telling {
                let before = |period| accounts.get(&(rule.feature, period)).copied().unwrap_or_default();
                telling.limit(rule.feature, &mut topped_up, before);
            }
            accounts.extend(topped_up.into_iter().map(|(period, quota)| ((rule.feature, period), quota)));
        }
    }
    lines(accounts)
}

/// Until when quota is reserved: the check-in deadline with its grace, the end of validity, and never without end.
pub(crate) fn raise_until(entitlement: &Entitlement, now: Micros, check_in: &CheckIn) -> Micros {
    let check_in = check_in.overdue_at().unwrap_or(now + AHEAD_WITHOUT_CHECK_IN);
    entitlement.valid_until.map_or(check_in, |until| until.min(check_in))
}

/// Quota that a chain is asked to give back, because more is out than the limit allows now: as much of what it holds
/// as makes up for it, for periods that are not over. What is asked for is the R that the device is to reach. A chain
/// that forked is asked for nothing: no copy frees what another may spend. Nor is any asked for what only a restore
/// brought while others may still make up for it; see [`debts`].
pub(crate) fn asked_back(license: &License, chain: &ChainId, now: Micros) -> Vec<ReturnRequest> {
    let forked = license.fork_of(chain).is_some();
    let Some(activation) = license.activations.get(chain).filter(|_| !forked) else { return Vec::new() };
    let held = activation.quotas.keys().filter(|(_, period)| now < period.end());
    held.filter_map(|(feature, period)| asked_back_of(license, chain, (*feature, *period), now)).collect()
}

fn asked_back_of(
    license: &License,
    chain: &ChainId,
    (feature, period): (FeatureNumber, Period),
    now: Micros,
) -> Option<ReturnRequest> {
    hard(&license.terms, feature)?;
    let rule = license.terms.rules.quotas.iter().find(|rule| rule.feature == feature)?;
    let accounts = accounts(license, feature, period);
    let account = accounts.get(chain)?;
    let lacking = escrow::lacking(grantable(rule), accounts.values().copied());
    let spared = debts::spared(license, chain, (feature, period), &accounts, now);
    let asked = account.held().min(lacking.saturating_sub(spared));
    let n = Total::ZERO.saturating_plus(account.returned).saturating_plus(asked);
    (asked > 0).then_some(ReturnRequest { feature, period, n })
}

/// What is written off of a chain: for each feature and period of which it holds units, X such that nothing that it
/// has not used stays out.
///
/// # Errors
/// `no_deadline`, `not_silent` while the device may still be at work and nobody overrides it.
pub fn write_offs(
    license: &License,
    chain: &ChainId,
    feature: Option<FeatureNumber>,
    now: Micros,
    overridden: bool,
) -> Result<Vec<QuotaWrittenOff>, Code> {
    match license.silent_from(chain) {
        None if !overridden => return Err(Code::NoDeadline),
        Some(from) if now < from && !overridden => return Err(Code::NotSilent),
        _ => {}
    }
    let Some(activation) = license.activations.get(chain) else { return Ok(Vec::new()) };
    let written_off = activation.quotas.keys().filter_map(|(number, period)| {
        let account = accounts(license, *number, *period).get(chain).copied()?;
        let total = Total::ZERO.saturating_plus(account.written_off).saturating_plus(account.held());
        let is_asked = feature.is_none_or(|feature| feature == *number) && account.held() > 0;
        is_asked.then_some(QuotaWrittenOff {
            chain: *chain,
            feature: *number,
            period: *period,
            total,
            overridden,
        })
    });
    Ok(written_off.collect())
}

/// Whether a period still takes uses and reports in.
pub(crate) fn is_open(license: &License, period: Period, now: Micros) -> bool {
    now - Seconds::days(u64::from(license.terms.rules.finalisation_days)) < period.end()
}

/// G of one chain, feature and period, topped up to U + share while units are free.
fn raised(license: &License, chain: &ChainId, rule: &QuotaRule, period: Period, quota: Quota) -> Total {
    let share = share(rule, license.terms.rules.max_activations);
    let accounts = accounts(license, rule.feature, period);
    let free = escrow::free(rule.limit, rule.overage, accounts.values().copied());
    let account = accounts.get(chain).copied().unwrap_or(Account {
        granted: quota.granted.get(),
        written_off: quota.written_off.get(),
        ..Account::default()
    });
    escrow::topped_up(account, share, free)
}

/// Units of a quota that all devices together may be granted.
pub(crate) fn grantable(rule: &QuotaRule) -> Total {
    rule.limit.saturating_plus(rule.overage.get())
}

/// Units that one device holds ahead of its use.
pub fn share(rule: &QuotaRule, max_activations: u32) -> Total {
    rule.share.unwrap_or_else(|| escrow::default_share(rule.limit, max_activations))
}

/// The accounts of every chain of the licence for one feature and period.
pub fn accounts(license: &License, feature: FeatureNumber, period: Period) -> BTreeMap<ChainId, Account> {
    let mut accounts: BTreeMap<ChainId, Account> = BTreeMap::new();
    for (chain, activation) in &license.activations {
        if let Some(quota) = activation.quotas.get(&(feature, period)) {
            let account = accounts.entry(*chain).or_default();
            account.granted = quota.granted.get();
            account.written_off = quota.written_off.get();
        }
    }
    for (chain, device) in license.coded.devices() {
        if device.used.contains_key(&(feature, period)) {
            accounts.entry(*chain).or_default();
        }
    }
    for (chain, evidence) in &license.chains {
        // What another history returned, or whether it was closed, is not known before it is here.
        let half_known = evidence.fork.is_none() && license.fork_of(chain).is_some();
        if let Some(meter) = evidence.meters.get(&(feature, period)) {
            let account = accounts.entry(*chain).or_default();
            account.used = evidence.charged(&(feature, period), license.fork_of(chain).is_some());
            account.returned = if half_known { 0 } else { meter.freed.get() };
        }
        // A closed chain spends nothing more: what it holds is free again.
        let is_closed = evidence.is_closed_everywhere() && !half_known;
        if let (true, Some(account)) = (is_closed, accounts.get_mut(chain)) {
            account.returned = account.returned.max(account.granted.saturating_sub(account.used));
        }
    }
    for (chain, account) in &mut accounts {
        account.used = account.used.max(license.coded.used(chain, &(feature, period)));
        if license.coded.is_closed(chain) && license.coded.parted(chain).is_none() {
            account.returned = account.returned.max(account.granted.saturating_sub(account.used));
        }
    }
    accounts
}

/// How often the quota of a feature starts again, if it is held by escrow.
fn hard(terms: &Terms, feature: FeatureNumber) -> Option<Reset> {
    let granted = terms.entitlement.features.iter().find(|granted| granted.number == feature)?;
    (granted.mode == Mode::Hard).then_some(granted.reset)
}

/// How far ahead quota is reserved for a device that never has to check in.
const AHEAD_WITHOUT_CHECK_IN: Seconds = Seconds::days(366);

/// Periods that one grant reserves ahead, at most.
const PERIODS_AHEAD: usize = 128;

pub(crate) fn periods_ahead(
    reset: Reset,
    now: Micros,
    until: Micros,
) -> impl Iterator<Item = Period> + Clone {
    let first = Period::of(reset, now);
    std::iter::successors(Some(first), |period| Some(period.next()).filter(|next| next != period))
        .take_while(move |period| *period == first || period.start() < until)
        .take(PERIODS_AHEAD)
}

/// Puts neighbouring periods with the same G and X into one line.
pub(crate) fn lines(accounts: BTreeMap<(FeatureNumber, Period), Quota>) -> Vec<QuotaLine> {
    let mut lines: Vec<QuotaLine> = Vec::new();
    for ((feature, period), Quota { granted, written_off, .. }) in accounts {
        match lines.last_mut() {
            Some(last)
                if last.feature == feature
                    && last.last.next() == period
                    && (last.granted, last.written_off) == (granted, written_off) =>
            {
                last.last = period;
            }
            _ => lines.push(QuotaLine { feature, first: period, last: period, granted, written_off }),
        }
    }
    lines
}

#[cfg(test)]
mod tests;
