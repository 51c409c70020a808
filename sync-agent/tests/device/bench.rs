//! A device on the bench: an agent in a directory of its own, a clock that is set by hand, and its vendor.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use counterfoil_sync_agent::{Agent, Applied, Code, Config, Refusal};
use schemas::grant::GrantBody;
use tempfile::TempDir;

use crate::vendor::{TestClock, Vendor, config, license_key};

/// A device with an agent in a directory of its own.
pub(crate) struct Device {
    pub(crate) vendor: Vendor,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) folder: TempDir,
}

impl Device {
    pub(crate) fn new() -> Self {
        Self::at("2026-11-24T07:00:00Z")
    }

    /// A device whose clock shows `wall`.
    pub(crate) fn at(wall: &str) -> Self {
        Self {
            vendor: Vendor::new(),
            clock: TestClock::new(wall),
            folder: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) fn config(&self) -> Config {
        config(&self.state(), &self.vendor, &self.clock)
    }

    pub(crate) fn open(&self) -> Agent {
        Agent::open(self.config()).expect("opens")
    }

    pub(crate) fn activated(&mut self) -> Agent {
        let agent = self.open();
        let request = agent.activate(&license_key()).expect("asks");
        let grant = self.vendor.answer(&request, self.clock.now(), |_| {});
        agent.apply(&grant).expect("applies");
        agent
    }

    pub(crate) fn sync(&mut self, agent: &Agent) -> Applied {
        self.sync_with(agent, |_| {})
    }

    /// Reports, and applies an answer with a change.
    pub(crate) fn sync_with(&mut self, agent: &Agent, change: impl FnMut(&mut GrantBody)) -> Applied {
        let report = agent.report().expect("reports");
        let answers = self.vendor.answer_all(&report, self.clock.now(), change);
        agent.apply(&answers).expect("applies")
    }

    /// Keeps a copy of the state directory as it is.
    pub(crate) fn back_up(&self) {
        replace(&self.state(), &self.folder.path().join("backup"));
    }

    /// Puts the copy back. No agent has the directory open.
    pub(crate) fn restore(&self) {
        replace(&self.folder.path().join("backup"), &self.state());
    }
}

/// Makes `to` a copy of the folder `from`.
fn replace(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).expect("removable");
    }
    copy(from, to);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("writable");
    for entry in fs::read_dir(from).expect("readable") {
        let entry = entry.expect("readable");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("writable");
        }
    }
}

pub(crate) fn code<T>(outcome: Result<T, Refusal>) -> Option<Code> {
    outcome.err().map(|refusal| refusal.code())
}

/// The names of the events on an agent's chain, in order.
pub(crate) fn kinds(agent: &Agent) -> Vec<&'static str> {
    let mut kinds = Vec::new();
    agent.history(|entry| kinds.push(entry.event.body.name())).expect("a history");
    kinds
}
