//! Counterfoil's wire types: the canonical encoding, identifiers, events, runs, bundles, grants, packs and codes that
//! are typed, with their limits, the table of refusal codes and the SQL migrations.
//!
//! Nothing in this crate does I/O, reads a clock or knows a key: it says what the bytes are, not whether they
//! are true. `docs/formats/` specifies the same, byte by byte, for another implementation.

pub mod armor;
pub mod bundle;
pub mod canonical;
pub mod certificate;
pub mod codes;
pub mod container;
pub mod event;
pub mod grant;
pub mod ids;
pub mod limits;
pub mod migrations;
pub mod notice;
pub mod numbers;
pub mod pack;
pub mod period;
pub mod refusal;
pub mod run;
pub mod terms;
pub mod text;
pub mod typed;
pub mod webhook;
mod wire;
