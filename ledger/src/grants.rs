//! What a grant says: a pure function of a licence, a device chain and the vendor's time.

use std::collections::BTreeMap;

use schemas::canonical;
use schemas::codes::Code;
use schemas::event::Body;
use schemas::event::authority::{ActivationReleased, EntitlementChanged, ReleaseReason};
use schemas::grant::{Ack, CheckIn, GrantBody, GrantStatus, QuotaLine, Revocations, TookIn};
use schemas::ids::{ChainId, Commitment};
use schemas::limits;
use schemas::numbers::{FeatureNumber, Micros, Revision, Seconds};
use schemas::period::{Period, Reset};
use schemas::terms::{Mode, QuotaRule, Terms};
use schemas::text::Text;

use crate::authority::{License, Quota, Standing};
use crate::draft::Draft;
use crate::escrow::{self, Account};
use crate::writer::TooLong;

/// Decides what a device chain is told now and writes it onto the authority chain.
///
/// A seat is given if one is free; a closed chain is released; quotas are topped up as far as units are free. A
/// denial that stays the same is not written again.
///
/// # Errors
/// When the grant would be longer than a device takes; see [`fits`].
pub fn issue_grant(
    draft: &mut Draft<'_>,
    chain: ChainId,
    took_in: Vec<TookIn>,
    revocations: Revocations,
) -> Result<(), TooLong> {
    release_if_closed(draft, &chain)?;
    let verdict = verdict(draft.license(), &chain, draft.now());
    if took_in.is_empty() && decided_the_same(draft.license(), &chain, verdict) {
        return Ok(());
    }
    if verdict == Verdict::Active {
        start_validity(draft)?;
    }
    let grant = grant(draft.license(), chain, draft.now(), verdict, took_in, revocations);
    draft.write(Body::GrantIssued(Box::new(grant)))
}

/// Releases an activation by an operator's decision, the seat free at once, and writes what the device is told.
///
/// # Errors
/// As [`issue_grant`].
pub fn release(
    draft: &mut Draft<'_>,
    chain: ChainId,
    reason: Option<Commitment>,
    revocations: Revocations,
) -> Result<(), TooLong> {
    draft.write(Body::ActivationReleased(ActivationReleased {
        chain,
        why: ReleaseReason::Operator,
        seat_free_at: draft.now(),
        overridden: true,
        reason,
    }))?;
    issue_grant(draft, chain, Vec::new(), revocations)
}

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

/// Whether a new decision on a chain without a seat would come out the same.
fn decided_the_same(license: &License, chain: &ChainId, verdict: Verdict) -> bool {
    license.activations.get(chain).is_some_and(|activation| {
        let reason = activation.reason.as_ref().map(Text::as_str);
        activation.granted_at.is_none()
            && activation.status == verdict.status()
            && reason == verdict.reason().map(Code::word)
    })
}

/// What a device chain is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The activation stands.
    Active,
    /// It was asked for and is not given.
    Denied(Code),
    /// The licence is suspended.
    Suspended,
    /// The licence is revoked.
    Revoked,
    /// The seat was given back.
    Released,
}

impl Verdict {
    fn status(self) -> GrantStatus {
        match self {
            Self::Active => GrantStatus::Active,
            Self::Denied(_) => GrantStatus::Denied,
            Self::Suspended => GrantStatus::Suspended,
            Self::Revoked => GrantStatus::Revoked,
            Self::Released => GrantStatus::Released,
        }
    }

    fn reason(self) -> Option<Code> {
        match self {
            Self::Denied(code) => Some(code),
            _ => None,
        }
    }
}

/// Decides on a device chain: the first rule that applies. What its device closed is released, seat or not.
pub fn verdict(license: &License, chain: &ChainId, now: Micros) -> Verdict {
    let activation = license.activations.get(chain);
    let released = activation.is_some_and(|activation| activation.released.is_some());
    let closed = license.chains.get(chain).is_some_and(|chain| chain.closed_at.is_some());
    if released || closed {
        return Verdict::Released;
    }
    let holds_seat = activation.is_some_and(|activation| activation.granted_at.is_some());
    match (license.standing, holds_seat) {
        (Standing::Revoked, true) => return Verdict::Revoked,
        (Standing::Suspended, true) => return Verdict::Suspended,
        (Standing::Revoked, false) => return Verdict::Denied(Code::LicenseRevoked),
        (Standing::Suspended, false) => return Verdict::Denied(Code::LicenseSuspended),
        (Standing::Active, true) => return Verdict::Active,
        (Standing::Active, false) => {}
    }
    if license.terms.entitlement.valid_until.is_some_and(|until| until <= now) {
        return Verdict::Denied(Code::LicenseExpired);
    }
    if license.seats_taken(now) >= license.terms.rules.max_activations as usize {
        return Verdict::Denied(Code::NoSeatFree);
    }
    Verdict::Active
}

/// A chain that its device closed gives its seat back, if it ever had one.
fn release_if_closed(draft: &mut Draft<'_>, chain: &ChainId) -> Result<(), TooLong> {
    let license = draft.license();
    let closed = license.chains.get(chain).is_some_and(|chain| chain.closed_at.is_some());
    let (granted, released) = license.activations.get(chain).map_or((false, false), |activation| {
        (activation.granted_at.is_some(), activation.released.is_some())
    });
    if closed && granted && !released {
        draft.write(Body::ActivationReleased(ActivationReleased {
            chain: *chain,
            why: ReleaseReason::Closed,
            seat_free_at: draft.now(),
            overridden: false,
            reason: None,
        }))?;
    }
    Ok(())
}

/// Fixes the dates of a licence whose validity begins with its first activation.
fn start_validity(draft: &mut Draft<'_>) -> Result<(), TooLong> {
    let terms = &draft.license().terms;
    let Some(valid_for) = terms.valid_from_activation else { return Ok(()) };
    let mut terms = terms.clone();
    let entitlement = &mut terms.entitlement;
    let (issued_start, start) = (entitlement.starts_at, draft.now());
    entitlement.revision = Revision(entitlement.revision.0 + 1);
    entitlement.starts_at = start;
    entitlement.valid_until = Some(start + valid_for);
    entitlement.maintenance_until = entitlement
        .maintenance_until
        .map(|until| Micros::new(start.get().saturating_add(until.since(issued_start))));
    terms.valid_from_activation = None;
    draft.write(Body::EntitlementChanged(Box::new(EntitlementChanged { terms, reason: None })))
}

fn grant(
    license: &License,
    chain: ChainId,
    now: Micros,
    verdict: Verdict,
    took_in: Vec<TookIn>,
    revocations: Revocations,
) -> GrantBody {
    let rules = &license.terms.rules;
    let sync_by = match verdict {
        Verdict::Active => rules.sync_every.map(|every| now + every),
        _ => license.activations.get(&chain).and_then(|activation| activation.sync_by),
    };
    let check_in = CheckIn { sync_by, grace: rules.grace, after: rules.after };
    let quotas = quotas(license, &chain, now, &check_in, verdict == Verdict::Active);
    GrantBody {
        device: chain,
        license: license.id,
        product: license.product.clone(),
        environment: license.environment.clone(),
        epoch: license.epoch,
        status: verdict.status(),
        reason: verdict.reason().map(|code| Text::new(code.word()).expect("a code is a short word")),
        entitlement: (!matches!(verdict, Verdict::Denied(_))).then(|| license.terms.entitlement.clone()),
        check_in,
        import_until: rules.import_for.map(|import_for| now + import_for),
        clock_tolerance: rules.clock_tolerance,
        fingerprint: rules.fingerprint,
        forked: None,
        quotas,
        return_requests: Vec::new(),
        floating: None,
        took_in,
        ack: license.chains.get(&chain).map_or(Ack::NONE, |chain| chain.head().into()),
        missing: Vec::new(),
        resend_from: None,
        revocations,
        compact: rules.compact,
        typed: None,
    }
}

/// Reserved quota: what the chain holds of the periods that are still open, and the periods up to the deadline
/// topped up while `raise` says so.
fn quotas(
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
            account.used = meter.net();
            account.returned = meter.returned.get();
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

#[cfg(test)]
mod tests;
