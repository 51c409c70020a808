//! The device side of Counterfoil, to be embedded in an application: activate, check, meter, report, deactivate.
//!
//! [`Agent`] is the one writer of a state directory and serves any number of threads; [`AgentReader`] reads the same
//! directory beside it, and a [`Visitor`] opens it for moments. All are synchronous. Files go out and come in; [`sync()`], [`Agent::sync`] and [`Visitor::sync`] carry the same over a
//! [`Transport`], such as [`HttpTransport`]. No other part touches a network, and there is no vendor secret here.

pub mod agent;
mod changes;
pub mod config;
pub mod doctor;
pub mod fingerprint;
mod key_file;
mod lineage;
mod machine;
mod pack;
pub mod reader;
mod refuse;
pub mod server;
mod state_dir;
pub mod status;
mod succession;
pub mod sync;
pub mod transport;
mod visitor;
pub mod wall_clock;

pub use ledger::check::Answer;
pub use ledger::clock::Reading;
pub use ledger::device::{Consume, Consumed, Returned, UsefulBecause, Usefulness};
pub use ledger::license_key::LicenseKey;
pub use schemas::codes::Code;
pub use schemas::numbers::Micros;
pub use schemas::refusal::Refusal;

pub use self::agent::{Agent, Applied, Block};
pub use self::changes::Change;
pub use self::config::Config;
pub use self::reader::AgentReader;
pub use self::server::Server;
pub use self::status::{State, Status, Why};
pub use self::sync::{SyncError, Synced, sync};
pub use self::transport::{HttpTransport, Transport};
pub use self::visitor::Visitor;

/// The example of the README, compiled with the tests so that it stays true.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
