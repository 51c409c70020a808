//! Seats: whether a device chain is given one, keeps it, or gives it back. Pure functions of a licence and the
//! vendor's time.

use schemas::codes::Code;
use schemas::event::Body;
use schemas::event::authority::{ActivationReleased, ReleaseReason};
use schemas::grant::GrantStatus;
use schemas::ids::ChainId;
use schemas::numbers::Micros;

use crate::authority::{License, Standing};
use crate::draft::Draft;
use crate::writer::TooLong;

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
pub(crate) fn release_if_closed(draft: &mut Draft<'_>, chain: &ChainId) -> Result<(), TooLong> {
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

#[cfg(test)]
mod tests;
