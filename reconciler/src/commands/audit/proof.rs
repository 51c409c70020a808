//! `counterfoil audit proof`

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use schemas::codes::Exit;
use schemas::container::FileKind;
use schemas::ids::ChainId;
use schemas::numbers::Seq;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;
use crate::commands::files;
use crate::shown::words;
use crate::vendor::forks::ForkProof;

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
        let ForkProof { chain, seq, proof } = vendor.fork_proof(&self.fork)?;
        files::write(&self.output, FileKind::Bundle, proof, self.armor)?;
        context.output.result(&Written { fork: words::short(&chain), chain, seq, file: self.output })?;
        Ok(Exit::Done)
    }
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
