//! Seats: whether a device chain is given one, whose it takes over, and how it gives it back. Pure functions of a
//! licence and the vendor's time.

mod heals;
mod late;
mod transfers;

use schemas::codes::Code;
use schemas::event::Body;
use schemas::event::authority::{ActivationReleased, ReleaseReason};
use schemas::grant::GrantStatus;
use schemas::ids::ChainId;
use schemas::numbers::Micros;
use schemas::terms::{FingerprintRule, SameDevice};
use schemas::typed::DeviceTag;

pub(crate) use self::heals::on_fork;
pub(crate) use self::late::is_late;
pub use self::late::reported_late;
pub use self::transfers::{Transfers, transfers};
use crate::authority::{Activation, License, Released, Standing};
use crate::codes;
use crate::draft::Draft;
use crate::evidence::{Chain, Fingerprints};
use crate::fingerprint;
use crate::writer::TooLong;

/// What a device chain is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SeatDecision {
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

impl SeatDecision {
    /// The status that a grant states.
    pub fn status(self) -> GrantStatus {
        match self {
            Self::Active => GrantStatus::Active,
            Self::Denied(_) => GrantStatus::Denied,
            Self::Suspended => GrantStatus::Suspended,
            Self::Revoked => GrantStatus::Revoked,
            Self::Released => GrantStatus::Released,
        }
    }

    /// The code that says why.
    pub fn reason(self) -> Option<Code> {
        match self {
            Self::Denied(code) => Some(code),
            _ => None,
        }
    }
}

/// A decision on a device chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seating {
    /// What the chain is told.
    pub decision: SeatDecision,
    /// The chains whose seats it takes over.
    pub displaced: Vec<ChainId>,
}

/// Decides on a device chain: the first rule that applies. What its device closed is released, seat or not.
pub fn seating(license: &License, chain: &ChainId, now: Micros) -> Seating {
    let decision = match standing(license, chain) {
        Some(decision) => decision,
        None => match newcomer(license, chain, now) {
            Ok(displaced) => return Seating { decision: SeatDecision::Active, displaced },
            Err(code) => SeatDecision::Denied(code),
        },
    };
    Seating { decision, displaced: Vec::new() }
}

/// What [`seating`] decides.
pub fn decision(license: &License, chain: &ChainId, now: Micros) -> SeatDecision {
    seating(license, chain, now).decision
}

/// When the seat of an activation is free if an operator takes it back now: at once with an override, otherwise when
/// its device is certain to have stopped.
///
/// # Errors
/// `status_unchanged` when nothing would change; `no_deadline` when the device never has to check in.
pub fn free_at(license: &License, chain: &ChainId, now: Micros, overridden: bool) -> Result<Micros, Code> {
    let activation = license.activations.get(chain);
    let changes =
        activation.is_some_and(|known| if overridden { known.takes_seat(now) } else { known.holds_seat() });
    match (changes, overridden) {
        (false, _) => Err(Code::StatusUnchanged),
        (true, true) => Ok(now),
        (true, false) => license.silent_from(chain).map(|from| from.max(now)).ok_or(Code::NoDeadline),
    }
}

/// When the seat of an activation is free if whoever holds the licence key takes it back now: when its device is certain to
/// have stopped, and only as long as all seats that are given up may move to another device.
///
/// # Errors
/// As [`free_at`]; `transfers_exhausted`.
pub fn free_at_for_customer(license: &License, chain: &ChainId, now: Micros) -> Result<Micros, Code> {
    let free_at = free_at(license, chain, now, false)?;
    let moves = transfers(license, now);
    let is_awaited = |known: &&Activation| known.released.is_some_and(|released| released.seat_free_at > now);
    let given_up = moves.vacant + license.activations.values().filter(is_awaited).count();
    if moves.left.is_some_and(|left| given_up >= left) { Err(Code::TransfersExhausted) } else { Ok(free_at) }
}

/// The activations that hold a seat and whose devices were silent past deadline, grace and clock tolerance at `now`.
pub fn silent(license: &License, now: Micros) -> Vec<ChainId> {
    let holding = license.activations.iter().filter(|(_, activation)| activation.holds_seat());
    holding.filter(|(chain, _)| license.is_silent(chain, now)).map(|(chain, _)| *chain).collect()
}

/// A chain that its device closed gives its seat back, if it ever had one: at once, whatever was to be waited for, unless
/// it is kept for the successor that the chain was closed for.
pub(crate) fn release_if_closed(draft: &mut Draft<'_>, chain: &ChainId) -> Result<(), TooLong> {
    let license = draft.license();
    let closed = license.is_closed(chain);
    let now = draft.now();
    let is_known = |released: Released| released.why == ReleaseReason::Closed;
    let takes_seat = license
        .activations
        .get(chain)
        .is_some_and(|activation| activation.takes_seat(now) && !activation.released.is_some_and(is_known));
    if closed && takes_seat {
        let free_at = heals::kept_until(license, chain, now).unwrap_or(now);
        draft.write(released(*chain, ReleaseReason::Closed, free_at))?;
    }
    Ok(())
}

/// The event by which a chain leaves its seat to another now. One that its device closed stays closed by it.
pub(crate) fn displaced(license: &License, chain: ChainId, now: Micros) -> Body {
    let known = license.activations.get(&chain).and_then(|activation| activation.released);
    released(chain, known.map_or(ReleaseReason::Superseded, |released| released.why), now)
}

/// The event that takes a seat back without an override.
pub(crate) fn released(chain: ChainId, why: ReleaseReason, seat_free_at: Micros) -> Body {
    Body::ActivationReleased(ActivationReleased { chain, why, seat_free_at, overridden: false, reason: None })
}

/// What holds of a chain that does not have to be given a seat first.
fn standing(license: &License, chain: &ChainId) -> Option<SeatDecision> {
    let activation = license.activations.get(chain);
    let released = activation.is_some_and(|activation| activation.released.is_some());
    if released || license.is_closed(chain) {
        return Some(SeatDecision::Released);
    }
    match (license.standing, activation.is_some_and(Activation::holds_seat)) {
        (Standing::Revoked, true) => Some(SeatDecision::Revoked),
        (Standing::Suspended, true) => Some(SeatDecision::Suspended),
        (Standing::Active, true) => Some(SeatDecision::Active),
        (_, false) => None,
    }
}

/// Whether the licence stands and is valid, so that it gives seats at all.
fn takes_newcomers(license: &License, now: Micros) -> Result<(), Code> {
    let valid_until = license.terms.entitlement.valid_until;
    match license.standing {
        Standing::Revoked => Err(Code::LicenseRevoked),
        Standing::Suspended => Err(Code::LicenseSuspended),
        Standing::Active if valid_until.is_some_and(|until| until <= now) => Err(Code::LicenseExpired),
        Standing::Active => Ok(()),
    }
}

/// Whether a chain without a seat is given one: the chains that it displaces, or why not.
fn newcomer(license: &License, chain: &ChainId, now: Micros) -> Result<Vec<ChainId>, Code> {
    takes_newcomers(license, now)?;
    if let Some(follows) = license.chains.get(chain).and_then(|chain| chain.follows) {
        return heals::successor(license, &follows, now);
    }
    if license.is_trial() {
        first_trial(license, chain)?;
    }
    let seats = license.terms.rules.max_activations;
    let displaced = superseded(license, chain, now)?;
    if taken_beside(license, &displaced, now) >= seats as usize {
        return Err(Code::NoSeatFree);
    }
    if !transfers(license, now).allows(displaced.len(), seats) {
        return Err(Code::TransfersExhausted);
    }
    Ok(displaced)
}

/// Seats taken once those of `displaced`, which take one, are left.
fn taken_beside(license: &License, displaced: &[ChainId], now: Micros) -> usize {
    license.seats_taken(now).saturating_sub(displaced.len())
}

/// A device tries a product once, whatever was changed on it since; what cannot be told from other devices has no trial.
/// A successor goes on with the trial of the chain that it follows.
fn first_trial(license: &License, chain: &ChainId) -> Result<(), Code> {
    let nothing = Fingerprints::default();
    let of = |chain| license.chains.get(chain).map_or(&nothing, |known| &known.fingerprints);
    let device = of(chain);
    if device.is_empty() {
        return Err(Code::FingerprintMissing);
    }
    let rule = license.terms.rules.fingerprint;
    let mut tried = license.activations.iter().filter(|(_, activation)| activation.granted_at.is_some());
    if tried.any(|(other, _)| device.is_same_device(rule, of(other))) {
        return Err(Code::TrialUsed);
    }
    Ok(())
}

/// The chains on the same device that a newcomer displaces, by the licence's rule.
fn superseded(license: &License, chain: &ChainId, now: Micros) -> Result<Vec<ChainId>, Code> {
    let mut seated = on_same_device(license, chain).filter(|(_, activation)| activation.takes_seat(now));
    match license.terms.rules.same_device {
        SameDevice::Supersede => Ok(seated.map(|(chain, _)| *chain).collect()),
        SameDevice::Refuse if seated.next().is_some() => Err(Code::SameDevice),
        SameDevice::Refuse | SameDevice::Count => Ok(Vec::new()),
    }
}

/// The other activations on the device of `chain`, as its fingerprint tells. A device without one is like no other.
fn on_same_device<'a>(
    license: &'a License,
    chain: &'a ChainId,
) -> impl Iterator<Item = (&'a ChainId, &'a Activation)> {
    let rule = license.terms.rules.fingerprint;
    let device = license.chains.get(chain);
    let tag = tag(license, chain);
    license.activations.iter().filter(move |(other, _)| {
        let known = license.chains.get(other);
        let is_same = match device.zip(known) {
            Some((device, known)) => is_same(rule, known, device),
            // Of a device that only typed codes no more is known than its tag.
            None => tag.is_some() && tag == self::tag(license, other),
        };
        *other != chain && is_same
    })
}

/// The fingerprint of a chain's device in short; nothing where it has none.
fn tag(license: &License, chain: &ChainId) -> Option<DeviceTag> {
    let told = license.coded.device(chain).map(|device| device.tag);
    let proved = || license.chains.get(chain).map(|known| codes::request::device_tag(&known.fingerprint));
    told.or_else(proved).filter(|tag| tag.as_bytes().iter().any(|byte| *byte != 0))
}

fn is_same(rule: FingerprintRule, known: &Chain, device: &Chain) -> bool {
    let (known, device) = (&known.fingerprint, &device.fingerprint);
    !known.is_empty() && !device.is_empty() && fingerprint::is_same(rule, known, device)
}

#[cfg(test)]
mod tests;
