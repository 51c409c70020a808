//! The management interface: what the command line does, over HTTP, for whoever has a token.

pub(super) mod activations;
pub(super) mod catalog;
pub(super) mod cursor;
pub(super) mod forks;
pub(super) mod imports;
pub(super) mod licenses;
pub(super) mod quarantine;
pub(super) mod repeat;
pub(super) mod terms;
pub(super) mod tokens;
pub(super) mod webhooks;
