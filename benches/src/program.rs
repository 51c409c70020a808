//! The program `counterfoil` as a process of its own: this executable, told to be it.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::measure::{Cost, Spent, as_float, peak};

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

    /// Serves on a free port of this machine until what is returned is ended. Its log lies beside the home.
    pub(crate) fn serve(&self, options: &[&str]) -> anyhow::Result<Serving> {
        let log = self.home.with_extension("log");
        let log = File::create(&log).with_context(|| log.display().to_string())?;
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"])?;
        let mut child = command.args(options).stdout(Stdio::piped()).stderr(log).spawn()?;
        let stdout = child.stdout.take().context("stdout is a pipe")?;
        Serving::begin(child, stdout)
    }

    fn command(&self, words: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(env::current_exe().context("this executable")?);
        command.args(["--json", "--home"]).arg(&self.home).args(words);
        command.env(COST_FILE, &self.cost_file).stdin(Stdio::null());
        Ok(command)
    }

    /// Runs a command and reads what it prints.
    pub(crate) fn run(&self, words: &[&str]) -> anyhow::Result<Done> {
        let mut command = self.command(words)?;
        command.stderr(Stdio::piped());
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

/// A service that runs. It is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Serving {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Kept open, as a terminal would be.
    stdout: BufReader<ChildStdout>,
}

impl Serving {
    /// Waits until it says where it listens.
    fn begin(child: Child, stdout: ChildStdout) -> anyhow::Result<Self> {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut serving = Self { child, address: nowhere, stdout: BufReader::new(stdout) };
        let mut said = String::new();
        serving.stdout.read_line(&mut said)?;
        let said: Value = serde_json::from_str(&said).context("the service did not begin")?;
        serving.address = said["listen"].as_str().context("an address")?.parse()?;
        Ok(serving)
    }

    /// What it took so far.
    pub(crate) fn cost(&self) -> anyhow::Result<Cost> {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let stat = fs::read_to_string(process.join("stat"))?;
        let cpu =
            as_float(ticks(&stat).context("what the service ran")?) / as_float(clock_ticks_per_second());
        Ok(Cost { peak: peak(&process)?, cpu })
    }

    /// Lets it answer what it has accepted, and end.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        let process = Pid::from_child(&self.child);
        kill_process(process, Signal::TERM)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the service ended with {status}");
        Ok(())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Ticks that a process ran, by itself and in the system, from its line in `/proc/PID/stat` (proc(5)): the 14th and 15th
/// field. The second one, its name, may hold blanks and ends with the last bracket.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

fn read(printed: &str) -> anyhow::Result<Value> {
    let lines = serde_json::Deserializer::from_str(printed).into_iter::<Value>();
    let mut documents = lines.collect::<Result<Vec<Value>, _>>()?;
    Ok(if documents.len() == 1 { documents.remove(0) } else { Value::Array(documents) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_ran_is_found_behind_any_name() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 10 20 30 40 250 50 60 70 20 0 4 0 9";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("7 (a) S 1"), None);
    }
}
