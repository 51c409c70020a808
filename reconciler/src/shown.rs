//! What is shown of things, the same as JSON on the command line and over HTTP. How people read it in words is with the
//! commands.

pub(crate) mod licenses;
pub(crate) mod tokens;
