//! Counterfoil's rules: keys, chains, folds, escrow, clock and check, the merge decision; and the device's
//! append-only store.
//!
//! All but [`durable`] are functions of their arguments: time, randomness and what is known come in,
//! a decision goes out. There is no async code and no network here.

pub mod chain;
pub mod commitment;
pub mod durable;
pub mod keys;
pub mod license_key;
pub mod run;
pub mod trust;
