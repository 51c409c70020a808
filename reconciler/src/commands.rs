//! The commands, one file each. The doc comment of a command's arguments is its help text.

pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod init;
pub(crate) mod keys;
pub(crate) mod show;
pub(crate) mod verify;

mod files;
mod root_key;
