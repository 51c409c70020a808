//! The management interface: what operators do on the command line, over HTTP.

pub(super) mod licenses;
pub(super) mod tokens;

mod cursor;
