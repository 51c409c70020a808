//! A store of many events, none of which was ever reported: made, opened, and reported.

use std::env;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use clap::{Args, ValueEnum};
use counterfoil_benches::device::{self, METERED};
use ledger::durable::{self, Access};
use sync_agent::{Agent, AgentReader, Config};

use crate::measure::{Watch, as_float};
use crate::report::Step;

/// Makes the store in the new directory `state`, opens it and reports it.
pub(super) fn steps(state: &Path, events: usize, seed: u64) -> anyhow::Result<Vec<Step>> {
    eprintln!("making a store of {events} events");
    let mut steps = vec![make(state, events, seed)?];
    for part in [Part::Open, Part::Report] {
        steps.extend(part.in_its_process(state)?);
    }
    Ok(steps)
}

fn make(state: &Path, events: usize, seed: u64) -> anyhow::Result<Step> {
    let agent = device::activated(state)?;
    let watch = Watch::start()?;
    device::record(&agent, events, seed)?;
    drop(agent);
    let spent = watch.stop()?;
    let events = events as u64;
    let bytes_each = Some(as_float(size(state)?) / as_float(events));
    Ok(Step { bytes_each, ..Step::new("make a store, many events a commit", events, "events", spent) })
}

/// One part of a long life, done by a process of its own so that its memory is its own.
#[derive(Args, Debug)]
pub(crate) struct PartArgs {
    part: Part,
    state: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    Open,
    Report,
}

impl Part {
    fn in_its_process(self, state: &Path) -> anyhow::Result<Vec<Step>> {
        let name = self.to_possible_value().context("a part has a name")?;
        let mut command = Command::new(env::current_exe().context("this executable")?);
        command.args(["agent-part", name.get_name()]).arg(state);
        let ended = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
        ensure!(ended.status.success(), "{}: {}", name.get_name(), ended.status);
        Ok(serde_json::from_slice(&ended.stdout)?)
    }
}

impl PartArgs {
    /// Does it in this process, and prints its steps as JSON.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let steps = match self.part {
            Part::Open => open(&self.state)?.to_vec(),
            Part::Report => vec![report(&self.state)?],
        };
        println!("{}", serde_json::to_string(&steps)?);
        Ok(())
    }
}

fn open(state: &Path) -> anyhow::Result<[Step; 2]> {
    let watch = Watch::start()?;
    let agent = Agent::open(Config::new(state, None))?;
    let opened = watch.stop()?;
    let watch = Watch::start()?;
    let answer = black_box(agent.check(METERED));
    let checked = watch.stop()?;
    ensure!(answer.allowed, "the first check says {}", answer.code);
    Ok([Step::new("open it", 1, "store", opened), Step::new("first check", 1, "check", checked)])
}

fn report(state: &Path) -> anyhow::Result<Step> {
    let watch = Watch::start()?;
    let reader = AgentReader::open(Config::new(state, None))?;
    let bundle = reader.report()?;
    durable::write(&state.with_extension("cfbundle"), &bundle, Access::Shared)?;
    let spent = watch.stop()?;
    let events = reader.status().unacknowledged;
    let bytes_each = Some(as_float(bundle.len() as u64) / as_float(events));
    Ok(Step { bytes_each, ..Step::new("write a report of all of it", events, "events", spent) })
}

/// Bytes of the files of a directory.
fn size(folder: &Path) -> anyhow::Result<u64> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.metadata()?.len())).sum()
}
