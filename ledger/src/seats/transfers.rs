//! Transfers: how often a seat moved to another device. They follow from the activations alone, so that they need no
//! record of their own.

use std::collections::{BTreeSet, VecDeque};

use schemas::ids::ChainId;
use schemas::numbers::Micros;

use super::heals::heals;
use crate::authority::License;

/// What the activations of a licence tell about its seats' moves.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Transfers {
    /// Seats that were given up and not taken over yet.
    pub vacant: usize,
    /// Seats that were taken without taking one over.
    pub opened: usize,
    /// Transfers in the window that ends now; all there were where there is no limit.
    pub recent: usize,
    /// Transfers that may still be made now; absent: without limit.
    pub left: Option<usize>,
}

impl Transfers {
    /// Whether a newcomer that displaces `displaced` activations may take a seat: one that was given up while transfers
    /// are left, otherwise one of `seats` that was never used.
    pub(super) fn allows(&self, displaced: usize, seats: u32) -> bool {
        let takes_over = self.vacant + displaced > 0;
        !takes_over || self.left != Some(0) || self.opened < seats as usize
    }
}

/// A moment in the life of the seats.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Move {
    /// A seat was given up.
    GivenUp,
    /// A seat was taken.
    Taken,
}

/// Replays the licence's activations in the order of time.
///
/// Each activation that takes a seat takes one over that was given up before, if there is one: that is a transfer, at
/// the moment of its first grant. When the window holds as many transfers as the rule allows, it takes a seat that was
/// never used. A seat is given up when its activation is released: by closing, by superseding, by an operator or for
/// silence, and not before it is free.
pub fn transfers(license: &License, now: Micros) -> Transfers {
    let limit = license.terms.rules.transfers.as_ref();
    let mut state = Transfers::default();
    let mut recent: VecDeque<Micros> = VecDeque::new();
    let forget = |recent: &mut VecDeque<Micros>, at: Micros| {
        if let Some(limit) = limit {
            while recent.front().is_some_and(|transfer| *transfer + limit.window <= at) {
                recent.pop_front();
            }
        }
    };
    for (at, what) in moves(license, now) {
        forget(&mut recent, at);
        let may_move = limit.is_none_or(|limit| recent.len() < limit.count as usize);
        match what {
            Move::GivenUp => state.vacant += 1,
            Move::Taken if state.vacant > 0 && may_move => {
                state.vacant -= 1;
                recent.push_back(at);
            }
            Move::Taken => state.opened += 1,
        }
    }
    forget(&mut recent, now);
    state.recent = recent.len();
    state.left = limit.map(|limit| (limit.count as usize).saturating_sub(recent.len()));
    state
}

/// When seats were given up and taken, in the order of time. From a chain to its successor, a seat does not move.
fn moves(license: &License, now: Micros) -> Vec<(Micros, Move)> {
    let healed: BTreeSet<ChainId> = heals(license).into_iter().map(|heal| heal.follows).collect();
    let mut moves = Vec::new();
    for (chain, activation) in &license.activations {
        let Some(granted_at) = activation.granted_at else { continue };
        if license.chains.get(chain).is_none_or(|chain| chain.follows.is_none()) {
            moves.push((granted_at, Move::Taken));
        }
        let free_at = activation.released.map(|released| released.at.max(released.seat_free_at));
        if let Some(free_at) = free_at.filter(|at| *at <= now.max(license.last_at) && !healed.contains(chain))
        {
            moves.push((free_at, Move::GivenUp));
        }
    }
    moves.sort_unstable();
    moves
}
