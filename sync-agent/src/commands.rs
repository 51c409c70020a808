//! The commands, one file each, and how they read and write files.

pub(crate) mod activate;
pub(crate) mod apply;
pub(crate) mod check;
pub(crate) mod code;
pub(crate) mod completions;
pub(crate) mod consume;
pub(crate) mod deactivate;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod files;
pub(crate) mod history;
pub(crate) mod report;
pub(crate) mod return_quota;
pub(crate) mod run;
pub(crate) mod server;
pub(crate) mod set;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod time_keeper;
pub(crate) mod verify;
