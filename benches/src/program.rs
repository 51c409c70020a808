//! The program `counterfoil` as a process of its own: this executable, told to be it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::measure::{Cost, Spent};

/// Says that this process is `counterfoil`, and where it leaves what it took.
const COST_FILE: &str = "LOAD_COST_FILE";

/// Is `counterfoil` where this process was started to be that; nothing otherwise.
pub(crate) fn become_program() -> Option<ExitCode> {
    let file = PathBuf::from(env::var_os(COST_FILE)?);
    let code = reconciler::run(env::args_os());
    let noted = Cost::so_far().and_then(|cost| Ok(fs::write(file, serde_json::to_vec(&cost)?)?));
    Some(if noted.is_ok() { code } else { ExitCode::FAILURE })
}

/// The program, working on one home.
#[derive(Debug)]
pub(crate) struct Program {
    home: PathBuf,
    cost_file: PathBuf,
}

/// What a command printed and took.
#[derive(Debug)]
pub(crate) struct Done {
    /// Its document, or a list of its lines.
    pub(crate) output: Value,
    /// What the whole process took.
    pub(crate) spent: Spent,
}

impl Program {
    /// The program for a home in this folder.
    pub(crate) fn at(work: &Path) -> Self {
        Self { home: work.join("home"), cost_file: work.join("cost") }
    }

    /// Where the ledger lies, if it is a file.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.home.join("ledger.db")
    }

    /// Runs a command and reads what it prints.
    pub(crate) fn run(&self, words: &[&str]) -> anyhow::Result<Done> {
        let mut command = Command::new(env::current_exe().context("this executable")?);
        command.args(["--json", "--home"]).arg(&self.home).args(words);
        command.env(COST_FILE, &self.cost_file).stdin(Stdio::null()).stderr(Stdio::piped());
        let start = Instant::now();
        let ended = command.output().context("this executable runs")?;
        let took = start.elapsed();
        let printed = String::from_utf8_lossy(&ended.stdout);
        if !ended.status.success() {
            let said = String::from_utf8_lossy(&ended.stderr);
            bail!("counterfoil {}: {}\n{printed}{said}", words.join(" "), ended.status);
        }
        let cost = serde_json::from_slice(&fs::read(&self.cost_file).context("what it took")?)?;
        Ok(Done { output: read(&printed)?, spent: Spent { took, cost } })
    }
}

fn read(printed: &str) -> anyhow::Result<Value> {
    let lines = serde_json::Deserializer::from_str(printed).into_iter::<Value>();
    let mut documents = lines.collect::<Result<Vec<Value>, _>>()?;
    Ok(if documents.len() == 1 { documents.remove(0) } else { Value::Array(documents) })
}
