//! Seats: whether a device chain is given one, whose it takes over, and how it gives it back. Pure functions of a
//! licence and the vendor's time.

mod late;
mod transfers;

use schemas::codes::Code;
use schemas::event::Body;
use schemas::event::authority::{ActivationReleased, ReleaseReason};
use schemas::grant::GrantStatus;
use schemas::ids::ChainId;
use schemas::numbers::Micros;
use schemas::terms::{FingerprintRule, OnFork, SameDevice};

pub(crate) use self::late::is_late;
pub use self::late::reported_late;
pub use self::transfers::{Transfers, transfers};
use crate::authority::{Activation, License, Standing};
use crate::draft::Draft;
use crate::evidence::{Chain, Fingerprints};
use crate::fingerprint;
use crate::forks;
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

/// The activations that hold a seat and whose devices were silent past deadline, grace and clock tolerance at `now`.
pub fn silent(license: &License, now: Micros) -> Vec<ChainId> {
    let holding = license.activations.iter().filter(|(_, activation)| activation.holds_seat());
    holding.filter(|(chain, _)| license.is_silent(chain, now)).map(|(chain, _)| *chain).collect()
}

/// A chain that its device closed gives its seat back, if it ever had one: at once, whatever was to be waited for.
pub(crate) fn release_if_closed(draft: &mut Draft<'_>, chain: &ChainId) -> Result<(), TooLong> {
    let license = draft.license();
    let closed = license.chains.get(chain).is_some_and(|chain| chain.closed_at.is_some());
    let takes_seat =
        license.activations.get(chain).is_some_and(|activation| activation.takes_seat(draft.now()));
    if closed && takes_seat {
        let now = draft.now();
        draft.write(released(*chain, ReleaseReason::Closed, now))?;
    }
    Ok(())
}

/// The event that takes a seat back without an override.
pub(crate) fn released(chain: ChainId, why: ReleaseReason, seat_free_at: Micros) -> Body {
    Body::ActivationReleased(ActivationReleased { chain, why, seat_free_at, overridden: false, reason: None })
}

/// What holds of a chain that does not have to be given a seat first.
fn standing(license: &License, chain: &ChainId) -> Option<SeatDecision> {
    let activation = license.activations.get(chain);
    let released = activation.is_some_and(|activation| activation.released.is_some());
    let closed = license.chains.get(chain).is_some_and(|chain| chain.closed_at.is_some());
    if released || closed {
        return Some(SeatDecision::Released);
    }
    match (license.standing, activation.is_some_and(Activation::holds_seat)) {
        (Standing::Revoked, true) => Some(SeatDecision::Revoked),
        (Standing::Suspended, true) => Some(SeatDecision::Suspended),
        (Standing::Revoked, false) => Some(SeatDecision::Denied(Code::LicenseRevoked)),
        (Standing::Suspended, false) => Some(SeatDecision::Denied(Code::LicenseSuspended)),
        (Standing::Active, true) => Some(SeatDecision::Active),
        (Standing::Active, false) => None,
    }
}

/// Whether a chain without a seat is given one: the chains that it displaces, or why not.
fn newcomer(license: &License, chain: &ChainId, now: Micros) -> Result<Vec<ChainId>, Code> {
    let rules = &license.terms.rules;
    if license.terms.entitlement.valid_until.is_some_and(|until| until <= now) {
        return Err(Code::LicenseExpired);
    }
    let follows = license.chains.get(chain).and_then(|chain| chain.follows);
    if license.is_trial() && follows.is_none() {
        first_trial(license, chain)?;
    }
    let displaced = match &follows {
        Some(follows) => healed(license, follows, now)?,
        None => superseded(license, chain, now)?,
    };
    let taken = license.seats_taken(now).saturating_sub(displaced.len());
    if taken >= rules.max_activations as usize {
        return Err(Code::NoSeatFree);
    }
    let transfers = transfers(license, now);
    if follows.is_none() && !transfers.allows(displaced.len(), rules.max_activations) {
        return Err(Code::TransfersExhausted);
    }
    Ok(displaced)
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

/// What a device is told to do about the fork of its chain. It is told to go on with a successor only where that would
/// be given the seat: on reading it, the device ends its chain for good.
pub(crate) fn on_fork(license: &License, chain: &ChainId, now: Micros) -> OnFork {
    match license.terms.rules.on_fork {
        OnFork::Heal if healed(license, chain, now).is_err() => OnFork::Stop,
        policy => policy,
    }
}

/// The chain that a successor displaces, if it still takes a seat: it forked because its device was set back, no other
/// chain follows it, and the policy heals, not more often than it says.
fn healed(license: &License, follows: &ChainId, now: Micros) -> Result<Vec<ChainId>, Code> {
    let rules = &license.terms.rules;
    let (OnFork::Heal, Some(limit)) = (rules.on_fork, &rules.heals) else { return Err(Code::HealRefused) };
    let restored = license
        .chains
        .get(follows)
        .and_then(|chain| chain.fork)
        .is_some_and(|fork| fork.verdict == forks::Verdict::Restored);
    let heals = transfers::heals(license);
    let is_free = heals.iter().all(|heal| heal.follows != *follows);
    let recent = heals.iter().filter(|heal| heal.at > now - limit.window).count();
    let old = license.activations.get(follows).filter(|old| gives_way(old));
    match old {
        Some(old) if restored && is_free && recent < limit.count as usize => {
            Ok(if old.takes_seat(now) { vec![*follows] } else { Vec::new() })
        }
        _ => Err(Code::HealRefused),
    }
}

/// Whether an activation has a seat for its successor, or its device gave the seat up itself.
fn gives_way(old: &Activation) -> bool {
    let closed = old.released.is_some_and(|released| released.why == ReleaseReason::Closed);
    old.holds_seat() || old.granted_at.is_some() && closed
}

/// The other activations on the device of `chain`, as its fingerprint tells. A device without one is like no other.
fn on_same_device<'a>(
    license: &'a License,
    chain: &'a ChainId,
) -> impl Iterator<Item = (&'a ChainId, &'a Activation)> {
    let rule = license.terms.rules.fingerprint;
    let device = license.chains.get(chain);
    license.activations.iter().filter(move |(other, _)| {
        let known = license.chains.get(other);
        *other != chain && device.zip(known).is_some_and(|(device, known)| is_same(rule, known, device))
    })
}

fn is_same(rule: FingerprintRule, known: &Chain, device: &Chain) -> bool {
    let (known, device) = (&known.fingerprint, &device.fingerprint);
    !known.is_empty() && !device.is_empty() && fingerprint::is_same(rule, known, device)
}

#[cfg(test)]
mod tests;
