//! Counterfoil's rules: keys, chains, folds, escrow, clock and check, the merge decision; and the device's
//! append-only store.
//!
//! All but the files ([`durable`], [`store`]) and what makes new secrets ([`keys::SecretKey::generate`],
//! [`commitment::attach`]) are functions of their arguments: time, randomness and what is known come in, a decision
//! goes out. There is no async code and no network here.

pub mod authority;
pub mod catalog;
pub mod chain;
pub mod check;
pub mod clock;
pub mod clocks;
pub mod coded;
pub mod codes;
pub mod commitment;
pub mod device;
pub mod digest;
pub mod draft;
pub mod durable;
pub mod escrow;
pub mod evidence;
pub mod fingerprint;
#[cfg(test)]
mod fixture;
pub mod forks;
pub mod grants;
pub mod happening;
pub mod inspect;
pub mod keys;
pub mod known;
pub mod license_key;
pub mod merge;
pub mod packing;
pub mod parking;
pub mod periods;
pub mod proof;
pub mod quotas;
pub mod recovery;
pub mod refold;
pub mod rows;
pub mod run;
pub mod seats;
pub mod state;
pub mod store;
pub mod trust;
pub mod writer;
