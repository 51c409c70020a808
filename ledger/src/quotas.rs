//! Reserved quota: what a device chain holds of each period and what it is topped up to. Pure functions of a licence
//! and the vendor's time; the arithmetic is in [`crate::escrow`].

use std::collections::BTreeMap;

use schemas::canonical;
use schemas::grant::{CheckIn, QuotaLine};
use schemas::ids::ChainId;
use schemas::limits;
use schemas::numbers::{FeatureNumber, Micros, Seconds};
use schemas::period::{Period, Reset};
use schemas::terms::{Mode, QuotaRule, Terms};

use crate::authority::{License, Quota};
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

/// The longest quota line, and room for the rest of a grant.
const LINE_BYTES: usize = 32;
const AROUND_BYTES: usize = 12 * 1024;

/// Reserved quota: what the chain holds of the periods that are still open, and the periods up to the deadline
/// topped up while `raise` says so.
pub(crate) fn reserved(
    license: &License,
    chain: &ChainId,
    now: Micros,
    check_in: &CheckIn,
    raise: bool,
) -> Vec<QuotaLine> {
    let rules = &license.terms.rules;
    let held = license.activations.get(chain).map(|activation| &activation.quotas);
    let open_from = now - Seconds::days(u64::from(rules.finalisation_days));
    let mut accounts: BTreeMap<(FeatureNumber, Period), Quota> = held
        .into_iter()
        .flatten()
        .filter(|((_, period), _)| open_from < period.end())
        .map(|(key, quota)| (*key, *quota))
        .collect();
    if raise {
        let until = deadline(&license.terms, now, check_in);
        for (rule, reset) in
            rules.quotas.iter().filter_map(|rule| Some((rule, hard(&license.terms, rule.feature)?)))
        {
            for period in periods_ahead(reset, now, until) {
                let quota = accounts.entry((rule.feature, period)).or_default();
                quota.granted = raised(license, chain, rule, period, *quota);
            }
        }
    }
    lines(accounts)
}

/// G of one chain, feature and period, topped up to U + share while units are free.
fn raised(
    license: &License,
    chain: &ChainId,
    rule: &QuotaRule,
    period: Period,
    quota: Quota,
) -> schemas::numbers::Total {
    let share =
        rule.share.unwrap_or_else(|| escrow::default_share(rule.limit, license.terms.rules.max_activations));
    let accounts = accounts(license, rule.feature, period);
    let free = escrow::free(rule.limit, rule.overage, accounts.values().copied());
    let account = accounts.get(chain).copied().unwrap_or(Account {
        granted: quota.granted.get(),
        written_off: quota.written_off.get(),
        ..Account::default()
    });
    escrow::topped_up(account, share, free)
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
    for (chain, evidence) in &license.chains {
        if let Some(meter) = evidence.meters.get(&(feature, period)) {
            let account = accounts.entry(*chain).or_default();
            account.used = evidence.charged(&(feature, period));
            account.returned = meter.freed.get();
            // A closed chain spends nothing more: what it holds is free again.
            if evidence.closed_at.is_some() {
                account.returned = account.returned.max(account.granted.saturating_sub(account.used));
            }
        } else if evidence.closed_at.is_some()
            && let Some(account) = accounts.get_mut(chain)
        {
            account.returned = account.granted;
        }
    }
    accounts
}

/// How often the quota of a feature starts again, if it is held by escrow.
fn hard(terms: &Terms, feature: FeatureNumber) -> Option<Reset> {
    let granted = terms.entitlement.features.iter().find(|granted| granted.number == feature)?;
    (granted.mode == Mode::Hard).then_some(granted.reset)
}

/// Until when quota is reserved: the check-in deadline with its grace, the end of validity, and never without end.
fn deadline(terms: &Terms, now: Micros, check_in: &CheckIn) -> Micros {
    let check_in = check_in.overdue_at().unwrap_or(now + AHEAD_WITHOUT_CHECK_IN);
    terms.entitlement.valid_until.map_or(check_in, |until| until.min(check_in))
}

/// How far ahead quota is reserved for a device that never has to check in.
const AHEAD_WITHOUT_CHECK_IN: Seconds = Seconds::days(366);

/// Periods that one grant reserves ahead, at most.
const PERIODS_AHEAD: usize = 128;

fn periods_ahead(reset: Reset, now: Micros, until: Micros) -> impl Iterator<Item = Period> {
    let first = Period::of(reset, now);
    std::iter::successors(Some(first), |period| Some(period.next()).filter(|next| next != period))
        .take_while(move |period| *period == first || period.start() < until)
        .take(PERIODS_AHEAD)
}

/// Puts neighbouring periods with the same G and X into one line.
fn lines(accounts: BTreeMap<(FeatureNumber, Period), Quota>) -> Vec<QuotaLine> {
    let mut lines: Vec<QuotaLine> = Vec::new();
    for ((feature, period), Quota { granted, written_off }) in accounts {
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
