//! `counterfoil demo`

mod story;

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use schemas::codes::{Code, Exit};
use schemas::refusal::Refusal;
use serde::Serialize;

use self::story::Findings;
use crate::cli::Context;
use crate::output;

/// Play the whole story: activations, usage, a copied device, and what is found
///
/// Everything is real: a home with its ledger, devices played by the program `counterfoil-agent`, and files that go
/// back and forth between them. Each command is shown as it can be typed.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil demo
  counterfoil demo --dir demo")]
pub(crate) struct DemoArgs {
    /// Play it in this new directory [default: a temporary one, which is kept]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl DemoArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let dir = match self.dir {
            Some(dir) => new_directory(&dir)?,
            None => temporary_directory()?,
        };
        let findings = story::play(&dir, &mut |line| output::talk(&line))?;
        context.output.result(&Played { dir, findings })?;
        Ok(Exit::Done)
    }
}

fn new_directory(dir: &Path) -> Result<PathBuf, Refusal> {
    std::fs::create_dir(dir)
        .and_then(|()| dir.canonicalize())
        .map_err(|error| Refusal::from_error(Code::IoFailed, &error).at(dir.display()))
}

fn temporary_directory() -> Result<PathBuf, Refusal> {
    tempfile::Builder::new()
        .prefix("counterfoil-demo-")
        .tempdir()
        .map(tempfile::TempDir::keep)
        .map_err(|error| Refusal::from_error(Code::IoFailed, &error))
}

#[derive(Serialize)]
struct Played {
    dir: PathBuf,
    #[serde(flatten)]
    findings: Findings,
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Findings { license_id, render_used, copied_chain, digest } = &self.findings;
        writeln!(f, "What was found")?;
        writeln!(f, "  - {render_used} units of render were used; each is a signed event of its device.")?;
        writeln!(f, "  - The device {} was copied: two histories continue", &copied_chain[..8])?;
        writeln!(
            f,
            "    from one place. Both were taken in, and their use is added up. The proof needs nothing but"
        )?;
        writeln!(
            f,
            "    the device's public key, which it names: `counterfoil-agent verify fork.cfbundle`."
        )?;
        writeln!(f, "  - Every signature verifies and every table follows from the events.")?;
        writeln!(f, "  - The evidence digest is {digest}.")?;
        writeln!(f, "\nWhere to look")?;
        writeln!(f, "  cd {}", self.dir.display())?;
        writeln!(f, "  counterfoil --home home audit history {license_id}")?;
        writeln!(f, "  counterfoil --home home audit usage --by chain,day")?;
        writeln!(f, "  counterfoil --home home audit forks")?;
        writeln!(f, "  counterfoil verify fork.cfbundle")?;
        writeln!(f, "  counterfoil show press.cfbundle")?;
        write!(f, "  counterfoil-agent --state press history")
    }
}
