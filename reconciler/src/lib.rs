//! The vendor's side of Counterfoil, and the program `counterfoil`: the home with its keys, the central ledger,
//! issuing, merging and audit.
//!
//! What an event means and what a merge decides is in `ledger`; this crate owns files, the database, the clock and
//! the command line.

pub mod audit;
pub mod export;
pub mod home;
pub mod merging;
pub mod options;
pub mod packing;
pub mod store;
pub mod vendor;
pub mod webhooks;

mod cli;
mod commands;
mod config;
mod output;
mod progress;
mod service;
mod shown;
mod wall_clock;

pub use self::cli::run;
