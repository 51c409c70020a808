//! `counterfoil audit proof`

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use schemas::codes::{Code, Exit};
use schemas::container::FileKind;
use schemas::event::{Body, Event};
use schemas::ids::{ChainId, LicenseId};
use schemas::numbers::Seq;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;
use crate::commands::{files, words};
use crate::vendor::Vendor;

/// Write the proof that a device's chain has two histories
///
/// The file holds two signed runs that contradict each other. Whoever has it can check it, with the device's public
/// key, which it names, and nothing else: `counterfoil verify FILE` or `counterfoil-agent verify FILE`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil audit forks
  counterfoil audit proof 7d34e9875a551ec4 -o fork.cfbundle
  counterfoil verify fork.cfbundle")]
pub(crate) struct AuditProofArgs {
    /// The fork, or the beginning of its chain
    #[arg(value_name = "FORK")]
    fork: String,
    /// Write the proof here
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Write it as text that survives mail
    #[arg(long)]
    armor: bool,
}

impl AuditProofArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let (license, chain) = find(&mut vendor, &self.fork)?;
        let (seq, proof) = recorded(&mut vendor, &license, &chain)?;
        files::write(&self.output, FileKind::Bundle, proof, self.armor)?;
        context.output.result(&Written { fork: words::short(&chain), chain, seq, file: self.output })?;
        Ok(Exit::Done)
    }
}

/// The forked chain whose name begins so.
fn find(vendor: &mut Vendor, wanted: &str) -> Result<(LicenseId, ChainId), Refusal> {
    let wanted = wanted.to_ascii_lowercase();
    let unknown = || Refusal::new(Code::ForkUnknown, wanted.clone());
    if wanted.len() < 6 {
        return Err(unknown());
    }
    let forks = vendor.store.forks()?;
    let mut fitting = forks.iter().filter(|fork| fork.chain.to_string().starts_with(&wanted));
    let found = fitting.next().ok_or_else(unknown)?;
    if fitting.next().is_some() {
        return Err(Refusal::new(Code::Usage, format!("{wanted} is the beginning of several forks")));
    }
    Ok((found.license, found.chain))
}

/// The proof of the earliest parting that was recorded.
fn recorded(vendor: &mut Vendor, license: &LicenseId, chain: &ChainId) -> Result<(Seq, Vec<u8>), Refusal> {
    let history = vendor.store.history(license)?;
    let forked = history.iter().filter_map(|entry| match Event::decode(&entry.core).ok()?.body {
        Body::ChainForked(forked) if forked.chain == *chain => Some((forked.seq, forked.proof)),
        _ => None,
    });
    let earliest = forked.min_by_key(|(seq, _)| *seq);
    earliest.ok_or_else(|| Refusal::new(Code::ForkUnknown, "no proof of it is short enough to be recorded"))
}

#[derive(Serialize)]
struct Written {
    fork: String,
    chain: ChainId,
    seq: Seq,
    file: PathBuf,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        writeln!(
            f,
            "wrote {file}: chain {} has two histories, which part at event {}",
            self.chain, self.seq
        )?;
        write!(f, "Whoever has it checks it with `counterfoil verify {file}`.")
    }
}
