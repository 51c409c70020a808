//! What is shown of things, the same as JSON on the command line and over HTTP, and in the same words. How they stand in
//! tables is with the commands.

pub(crate) mod activations;
pub(crate) mod catalog;
pub(crate) mod debts;
pub(crate) mod event;
pub(crate) mod forks;
pub(crate) mod history;
pub(crate) mod imports;
pub(crate) mod licenses;
pub(crate) mod quarantine;
pub(crate) mod says;
pub(crate) mod stranded;
pub(crate) mod tokens;
pub(crate) mod values;
pub(crate) mod webhooks;
pub(crate) mod words;
