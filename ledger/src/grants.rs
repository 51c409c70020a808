//! What a grant says: a pure function of a licence, a device chain and the vendor's time.

use schemas::codes::Code;
use schemas::event::Body;
use schemas::event::authority::{ActivationReleased, EntitlementChanged, ReleaseReason};
use schemas::grant::{Ack, CheckIn, GrantBody, Revocations, TookIn};
use schemas::ids::{ChainId, Commitment};
use schemas::numbers::{Micros, Revision};
use schemas::text::Text;

use crate::authority::{self, Activation, License};
use crate::codes::telling::{self, Telling};
use crate::draft::Draft;
use crate::evidence::Chain;
use crate::quotas;
use crate::seats::{self, SeatDecision, Seating};
use crate::writer::TooLong;

/// Decides what a device chain is told now and writes it onto the authority chain.
///
/// A seat is given if one is free; a closed chain is released; quotas are topped up as far as units are free. A
/// denial that stays the same is not written again while it can be applied.
///
/// # Errors
/// When the grant would be longer than a device takes; see [`quotas::fits`].
pub fn issue_grant(
    draft: &mut Draft<'_>,
    chain: ChainId,
    took_in: Vec<TookIn>,
    revocations: Revocations,
) -> Result<(), TooLong> {
    issue(draft, chain, took_in, revocations, Answer { deadline: Deadline::Anew, telling: None })
}

/// Decides what a device is told that nothing but a code reaches, and writes it onto the authority chain as the code tells it.
/// A code that was answered before moves no deadline.
///
/// # Errors
/// As [`issue_grant`].
pub fn issue_by_code(
    draft: &mut Draft<'_>,
    chain: ChainId,
    revocations: Revocations,
    telling: Telling<'_>,
    is_repeat: bool,
) -> Result<(), TooLong> {
    let deadline = if is_repeat { Deadline::Kept } else { Deadline::Anew };
    issue(draft, chain, Vec::new(), revocations, Answer { deadline, telling: Some(telling) })
}

/// Decides anew what a device is told of which nothing was taken in: its last answer came too late, or what it said waits.
/// Its check-in deadline stays: whoever sends an old report again, or leaves one out, gains no time by it. The applied
/// grant is something new to report.
///
/// # Errors
/// As [`issue_grant`].
pub(crate) fn answer_again(
    draft: &mut Draft<'_>,
    chain: ChainId,
    revocations: Revocations,
) -> Result<(), TooLong> {
    issue(draft, chain, Vec::new(), revocations, Answer { deadline: Deadline::Kept, telling: None })
}

/// How a device is answered.
#[derive(Clone, Copy, Debug)]
struct Answer<'a> {
    deadline: Deadline,
    telling: Option<Telling<'a>>,
}

/// When a device that may go on must be heard of again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Deadline {
    /// As the licence says, counted from now.
    Anew,
    /// As its last grant says.
    Kept,
}

fn issue(
    draft: &mut Draft<'_>,
    chain: ChainId,
    took_in: Vec<TookIn>,
    revocations: Revocations,
    answer: Answer<'_>,
) -> Result<(), TooLong> {
    seats::release_if_closed(draft, &chain)?;
    let Seating { decision, displaced } = seats::seating(draft.license(), &chain, draft.now());
    if took_in.is_empty() && decided_the_same(draft.license(), &chain, decision, draft.now()) {
        return Ok(());
    }
    for old in displaced {
        displace(draft, old, &revocations)?;
    }
    if decision == SeatDecision::Active {
        start_validity(draft)?;
    }
    let decided = (decision, answer.deadline);
    let now = draft.now();
    let grant = grant(draft.license(), chain, now, decided, took_in, revocations, answer.telling);
    draft.write(Body::GrantIssued(Box::new(grant)))
}

/// Has a chain leave its seat to another, and tells its device, unless that gave the seat up itself.
fn displace(draft: &mut Draft<'_>, old: ChainId, revocations: &Revocations) -> Result<(), TooLong> {
    let held = draft.license().activations.get(&old).is_some_and(Activation::holds_seat);
    draft.write(seats::displaced(draft.license(), old, draft.now()))?;
    if held { issue_grant(draft, old, Vec::new(), revocations.clone()) } else { Ok(()) }
}

/// How a seat is taken back; see [`seats::free_at`] and [`seats::silent`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Release {
    /// Why.
    pub why: ReleaseReason,
    /// From when the seat is free.
    pub seat_free_at: Micros,
    /// Whether an operator set the usual conditions aside.
    pub overridden: bool,
    /// The reason in words.
    pub reason: Option<Commitment>,
}

/// Takes an activation's seat back and writes what the device is told.
///
/// # Errors
/// As [`issue_grant`].
pub fn release(
    draft: &mut Draft<'_>,
    chain: ChainId,
    release: Release,
    revocations: Revocations,
) -> Result<(), TooLong> {
    let Release { why, seat_free_at, overridden, reason } = release;
    let released = ActivationReleased { chain, why, seat_free_at, overridden, reason };
    draft.write(Body::ActivationReleased(released))?;
    issue_grant(draft, chain, Vec::new(), revocations)
}

/// Whether a new decision on a chain without a seat would come out the same.
fn decided_the_same(license: &License, chain: &ChainId, decision: SeatDecision, now: Micros) -> bool {
    license.activations.get(chain).is_some_and(|activation| {
        let reason = activation.reason.as_ref().map(Text::as_str);
        activation.granted_at.is_none()
            && !activation.is_answer_late(now)
            && activation.status == decision.status()
            && reason == decision.reason().map(Code::word)
    })
}

/// Fixes the dates of a licence whose validity begins with its first activation. A trial's begin with each device's
/// own: they stand in its grants only.
fn start_validity(draft: &mut Draft<'_>) -> Result<(), TooLong> {
    let license = draft.license();
    let (Some(valid_for), false) = (license.terms.valid_from_activation, license.is_trial()) else {
        return Ok(());
    };
    let mut terms = license.terms.clone();
    terms.entitlement.revision = Revision(terms.entitlement.revision.0 + 1);
    authority::start(&mut terms.entitlement, draft.now(), valid_for);
    terms.valid_from_activation = None;
    draft.write(Body::EntitlementChanged(Box::new(EntitlementChanged { terms, reason: None })))
}

/// What a device chain is told with this decision, and until when it may go on.
pub(crate) fn grant(
    license: &License,
    chain: ChainId,
    now: Micros,
    (decision, deadline): (SeatDecision, Deadline),
    took_in: Vec<TookIn>,
    revocations: Revocations,
    telling: Option<Telling<'_>>,
) -> GrantBody {
    let rules = &license.terms.rules;
    let sync_by = match (decision, deadline) {
        (SeatDecision::Active, Deadline::Anew) => rules.sync_every.map(|every| now + every),
        _ => license.activations.get(&chain).and_then(|activation| activation.sync_by),
    };
    let check_in = CheckIn { sync_by, grace: rules.grace, after: rules.after };
    let evidence = license.chains.get(&chain);
    let forked = license.fork_of(&chain).is_some();
    let waits = evidence.is_some_and(|chain| !chain.parked.is_empty());
    // G stays as it is while copies may spend it, or while what came may not be all that was spent.
    // Nor is it while codes contradict each other, as only those of copies do.
    let parted = license.coded.parted(&chain).is_some();
    let raises = decision == SeatDecision::Active && !forked && !waits && !parted;
    let entitlement = license.entitlement_of(&chain, now);
    let (entitlement, check_in) = match telling {
        Some(telling) => telling.round(&entitlement, check_in, now),
        None => (entitlement, check_in),
    };
    let rules = telling.map_or(rules, |telling| &telling.policy.rules);
    let issued = if telling.is_some() { telling::end_of_day(now) } else { now };
    let from = if telling.is_some() { telling::beginning_of_day(now) } else { now };
    let raise_until = raises.then(|| quotas::raise_until(&entitlement, from, &check_in));
    GrantBody {
        device: chain,
        license: license.id,
        product: license.product.clone(),
        environment: license.environment.clone(),
        epoch: license.epoch,
        status: decision.status(),
        reason: decision.reason().map(|code| Text::new(code.word()).expect("a code is a short word")),
        entitlement: (!matches!(decision, SeatDecision::Denied(_))).then_some(entitlement),
        check_in,
        import_until: rules.import_for.map(|import_for| issued + import_for),
        clock_tolerance: rules.clock_tolerance,
        fingerprint: rules.fingerprint,
        forked: (forked || parted).then(|| seats::on_fork(license, &chain, now)),
        quotas: quotas::reserved(license, &chain, now, raise_until, telling.as_ref()),
        return_requests: quotas::asked_back(license, &chain, now),
        floating: None,
        ack: acknowledged(license, &chain, &took_in),
        took_in,
        missing: evidence.map_or_else(Vec::new, Chain::missing),
        resend_from: None,
        revocations,
        compact: rules.compact,
        typed: telling.and_then(|telling| telling.typed()),
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
