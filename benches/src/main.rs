//! The load program: the whole of Counterfoil under load, on input that it makes from a seed.
//!
//! ```text
//! cargo run --release -p counterfoil-benches -- import --events 1000000 --bundle 1000
//! cargo run --release -p counterfoil-benches -- syncs --syncs 50000 --connections 64
//! cargo run --release -p counterfoil-benches -- agent --events 5000000
//! ```
//!
//! Each step of a vendor is the real program in a process of its own, which is this executable under another name: so its
//! memory is its own too. A device is put to work through its library, as an application does it. Numbers are printed as a
//! table, and with `--json FILE` as a document.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

mod agent;
mod fleet;
mod floor;
mod grow;
mod import;
mod measure;
mod options;
mod program;
mod rebuild;
mod report;
mod syncs;
mod vendor;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Load on the whole of Counterfoil, on input made from a seed
#[derive(Debug, Parser)]
#[command(name = "counterfoil-benches", version)]
struct Load {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// A vendor's night: activations and usage reports of a fleet, merged, merged again, and folded anew
    Import(import::ImportArgs),
    /// What an event costs while the ledger grows: a curve of medians
    Grow(grow::GrowArgs),
    /// Everything that follows from the events, folded anew with one thread and with two: medians
    Rebuild(rebuild::RebuildArgs),
    /// A service: syncs of many devices at one time over HTTP, each with new events or with none
    Syncs(syncs::SyncsArgs),
    /// A device: checks, use from a block, durable appends beside what they cost at least, and a long life
    Agent(agent::AgentArgs),
    #[command(hide = true)]
    AgentPart(agent::long_life::PartArgs),
}

fn main() -> ExitCode {
    if let Some(code) = program::become_program() {
        return code;
    }
    let done = match Load::parse().what {
        What::Import(args) => args.run(),
        What::Grow(args) => args.run(),
        What::Rebuild(args) => args.run(),
        What::Syncs(args) => args.run(),
        What::Agent(args) => args.run(),
        What::AgentPart(args) => args.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
