//! Heals: a device that was set back ends its chain and goes on with a successor, which takes over the seat.
//!
//! A device that is told to heal ends its chain for good. So it is told only where its successor, asked for at that
//! moment, would be given the seat; and what a grant promised is kept, whatever the vendor tells others or changes
//! meanwhile. A promise stands from the grant that makes it for as long as the chain has its seat, or the seat is kept
//! for the successor that the chain was closed for. It counts like a heal until it is used. That a chain was told is
//! folded from its grants; the rest follows from the activations.

use schemas::codes::Code;
use schemas::event::authority::ReleaseReason;
use schemas::ids::ChainId;
use schemas::numbers::{Micros, Seconds};
use schemas::terms::{OnFork, TransferLimit};

use super::{taken_beside, takes_newcomers};
use crate::authority::{Activation, License};
use crate::evidence::Chain;
use crate::forks::Verdict;

/// A restored device that went on with a successor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Heal {
    /// The chain that it followed.
    pub(super) follows: ChainId,
    /// When the successor was given the seat.
    pub(super) at: Micros,
}

/// The heals that there were.
pub(super) fn heals(license: &License) -> Vec<Heal> {
    let granted = license.activations.iter().filter_map(|(chain, activation)| {
        let follows = license.chains.get(chain)?.follows?;
        Some(Heal { follows, at: activation.granted_at? })
    });
    granted.collect()
}

/// What a device is told to do about the fork of its chain. What was promised is said again, unless the policy or the
/// verdict are no longer those of a heal: a device that has not ended its chain yet does not end it any more then.
pub(crate) fn on_fork(license: &License, chain: &ChainId, now: Micros) -> OnFork {
    let policy = license.terms.rules.on_fork;
    let goes_on = || {
        is_restored(license, chain)
            && takes_newcomers(license, now).is_ok()
            && successor(license, chain, now).is_ok()
    };
    if policy == OnFork::Heal && !goes_on() { OnFork::Stop } else { policy }
}

/// Whether a successor of the chain `follows` is given a seat: the chain whose seat it takes over, if that still takes
/// one, or why not. One that was promised takes over the seat, so that no more are taken than before.
pub(super) fn successor(license: &License, follows: &ChainId, now: Micros) -> Result<Vec<ChainId>, Code> {
    let heals = heals(license);
    let old = license.activations.get(follows).ok_or(Code::HealRefused)?;
    let displaced = if old.takes_seat(now) { vec![*follows] } else { Vec::new() };
    if is_promised(license, &heals, follows, now) {
        return Ok(displaced);
    }
    may_heal(license, &heals, follows, now)?;
    if taken_beside(license, &displaced, now) >= license.terms.rules.max_activations as usize {
        return Err(Code::NoSeatFree);
    }
    Ok(displaced)
}

/// Until when a chain that its device closes now keeps its seat for the successor that it was closed for. Absent: it
/// gives the seat back.
pub(super) fn kept_until(license: &License, chain: &ChainId, now: Micros) -> Option<Micros> {
    let for_successor = license.chains.get(chain).is_some_and(Chain::is_closed_for_successor);
    let is_kept = for_successor && is_promised(license, &heals(license), chain, now);
    // The successor goes on under the old chain's grants; its request may be on its way.
    let silent_from = license.silent_from(chain).unwrap_or(Micros::MAX);
    is_kept.then(|| silent_from.max(now + ON_ITS_WAY))
}

/// How long a successor is waited for, at least.
const ON_ITS_WAY: Seconds = Seconds::days(1);

/// Whether a successor was promised to the chain and may still come.
fn is_promised(license: &License, heals: &[Heal], chain: &ChainId, now: Micros) -> bool {
    let stands = |known: &Activation| known.told_to_heal && known.takes_seat(now) && gives_way(known);
    license.activations.get(chain).is_some_and(stands) && !is_followed(heals, chain)
}

/// Whether the policy heals the chain: it forked because its device was set back, no other chain follows it, and the
/// heals in the window and those that were promised to others leave one.
fn may_heal(license: &License, heals: &[Heal], chain: &ChainId, now: Micros) -> Result<(), Code> {
    let rules = &license.terms.rules;
    let (OnFork::Heal, Some(limit)) = (rules.on_fork, &rules.heals) else { return Err(Code::HealRefused) };
    let is_free = license.activations.get(chain).is_some_and(gives_way) && !is_followed(heals, chain);
    let is_left = || spent(license, heals, limit, now) < limit.count as usize;
    if is_restored(license, chain) && is_free && is_left() { Ok(()) } else { Err(Code::HealRefused) }
}

/// Heals in the window that ends at `now`, and those that were promised and not used.
fn spent(license: &License, heals: &[Heal], limit: &TransferLimit, now: Micros) -> usize {
    let recent = heals.iter().filter(|heal| heal.at > now - limit.window).count();
    let promised = license.activations.keys().filter(|chain| is_promised(license, heals, chain, now));
    recent + promised.count()
}

fn is_restored(license: &License, chain: &ChainId) -> bool {
    let fork = license.chains.get(chain).and_then(|chain| chain.fork);
    fork.is_some_and(|fork| fork.verdict == Verdict::Restored)
}

fn is_followed(heals: &[Heal], chain: &ChainId) -> bool {
    heals.iter().any(|heal| heal.follows == *chain)
}

/// Whether an activation has a seat for its successor, or its device gave the seat up itself.
fn gives_way(old: &Activation) -> bool {
    let closed = old.released.is_some_and(|released| released.why == ReleaseReason::Closed);
    old.holds_seat() || old.granted_at.is_some() && closed
}

#[cfg(test)]
mod tests;
