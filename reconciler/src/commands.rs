//! The commands, one file each. The doc comment of a command's arguments is its help text.

pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod init;
pub(crate) mod keys;
pub(crate) mod show;
pub(crate) mod verify;

pub(crate) mod activation;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod code;
pub(crate) mod customer;
pub(crate) mod db;
pub(crate) mod demo;
pub(crate) mod digest;
pub(crate) mod export;
pub(crate) mod license;
pub(crate) mod merge;
pub(crate) mod period;
pub(crate) mod policy;
pub(crate) mod product;
pub(crate) mod quarantine;
pub(crate) mod rebuild;
pub(crate) mod refresh;
pub(crate) mod restore;
pub(crate) mod serve;
pub(crate) mod store;
pub(crate) mod token;
pub(crate) mod webhook;

mod debts;
mod files;
mod filter;
mod root_key;
pub(crate) mod stranded;
