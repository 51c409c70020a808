//! What a grant says: a pure function of a licence, a device chain and the vendor's time.

use schemas::codes::Code;
use schemas::event::Body;
use schemas::event::authority::{ActivationReleased, EntitlementChanged, ReleaseReason};
use schemas::grant::{Ack, CheckIn, GrantBody, Revocations, TookIn};
use schemas::ids::{ChainId, Commitment};
use schemas::numbers::{Micros, Revision};
use schemas::text::Text;

use crate::authority::License;
use crate::draft::Draft;
use crate::evidence::Chain;
use crate::quotas;
use crate::seats::{self, Verdict};
use crate::writer::TooLong;

/// Decides what a device chain is told now and writes it onto the authority chain.
///
/// A seat is given if one is free; a closed chain is released; quotas are topped up as far as units are free. A
/// denial that stays the same is not written again.
///
/// # Errors
/// When the grant would be longer than a device takes; see [`quotas::fits`].
pub fn issue_grant(
    draft: &mut Draft<'_>,
    chain: ChainId,
    took_in: Vec<TookIn>,
    revocations: Revocations,
) -> Result<(), TooLong> {
    seats::release_if_closed(draft, &chain)?;
    let verdict = seats::verdict(draft.license(), &chain, draft.now());
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

/// Whether a new decision on a chain without a seat would come out the same.
fn decided_the_same(license: &License, chain: &ChainId, verdict: Verdict) -> bool {
    license.activations.get(chain).is_some_and(|activation| {
        let reason = activation.reason.as_ref().map(Text::as_str);
        activation.granted_at.is_none()
            && activation.status == verdict.status()
            && reason == verdict.reason().map(Code::word)
    })
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
    let evidence = license.chains.get(&chain);
    let forked = license.forks.contains_key(&chain) || evidence.is_some_and(|chain| chain.fork.is_some());
    let waits = evidence.is_some_and(|chain| !chain.parked.is_empty());
    // G stays as it is while copies may spend it, or while what came may not be all that was spent.
    let raise = verdict == Verdict::Active && !forked && !waits;
    let quotas = quotas::reserved(license, &chain, now, &check_in, raise);
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
        forked: forked.then_some(rules.on_fork),
        quotas,
        return_requests: Vec::new(),
        floating: None,
        ack: acknowledged(license, &chain, &took_in),
        took_in,
        missing: evidence.map_or_else(Vec::new, Chain::missing),
        resend_from: None,
        revocations,
        compact: rules.compact,
        typed: None,
    }
}

/// How far the device's own history is known: where copies went different ways, that of the copy that reported last.
fn acknowledged(license: &License, chain: &ChainId, took_in: &[TookIn]) -> Ack {
    let Some(known) = license.chains.get(chain) else { return Ack::NONE };
    if known.fork.is_none() {
        return known.head().into();
    }
    let last = took_in.last().map(|took_in| Ack { seq: took_in.seq, link: took_in.link });
    let before = license.activations.get(chain).map(|activation| activation.ack);
    last.or(before).unwrap_or_else(|| known.head().into())
}
