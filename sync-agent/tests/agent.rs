//! The agent from outside: a device's life against a vendor in miniature.

mod vendor;

use std::fs;
use std::sync::Arc;
use std::thread;

use counterfoil_sync_agent::{Agent, AgentReader, Code, Config, Consume, State};
use schemas::grant::GrantStatus;
use schemas::numbers::{Amount, Micros, Seconds};
use schemas::text::UsageRef;
use tempfile::TempDir;
use vendor::{Machine, TestClock, Vendor, at, config};

/// A device with an agent in a directory of its own.
struct Device {
    vendor: Vendor,
    clock: Arc<TestClock>,
    folder: TempDir,
}

impl Device {
    fn new() -> Self {
        Self {
            vendor: Vendor::new(),
            clock: TestClock::new("2026-11-24T07:00:00Z"),
            folder: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    fn config(&self) -> Config {
        config(&self.folder.path().join("state"), &self.vendor, &self.clock)
    }

    fn open(&self) -> Agent {
        Agent::open(self.config()).expect("opens")
    }

    fn activated(&mut self) -> Agent {
        let agent = self.open();
        let request = agent.activate(&self.vendor.license_key()).expect("asks");
        let grant = self.vendor.answer(&request, self.clock.now(), |_| {});
        agent.apply(&grant).expect("applies");
        agent
    }

    fn sync(&mut self, agent: &Agent) {
        let report = agent.report().expect("reports");
        let grant = self.vendor.answer(&report, self.clock.now(), |_| {});
        agent.apply(&grant).expect("applies");
    }
}

fn code<T>(outcome: Result<T, counterfoil_sync_agent::Refusal>) -> Option<Code> {
    outcome.err().map(|refusal| refusal.code())
}

fn kinds(agent: &Agent) -> Vec<&'static str> {
    let mut kinds = Vec::new();
    agent.history(|entry| kinds.push(entry.event.body.name())).expect("a history");
    kinds
}

#[test]
fn a_device_lives_from_activation_to_deactivation() {
    let mut device = Device::new();
    let agent = device.open();
    assert_eq!(agent.status().expect("readable").state, State::Unregistered);
    assert_eq!(agent.check("render").code, Code::NotActivated);
    let request = agent.activate(&device.vendor.license_key()).expect("asks");
    assert_eq!(agent.status().expect("readable").state, State::Pending);
    assert_eq!(agent.activate(&device.vendor.license_key()).expect("asks again"), request);

    let grant = device.vendor.answer(&request, device.clock.now(), |_| {});
    let applied = agent.apply(&grant).expect("applies");
    assert_eq!(applied.state, State::Active);
    assert!(!applied.changes.is_empty());
    assert!(agent.apply(&grant).expect("the same again").changes.is_empty());
    assert_eq!(agent.check("render").remaining, Some(100));

    assert_eq!(agent.consume("render", 5).expect("counts").total.get(), 5);
    assert_eq!(agent.check("render").remaining, Some(95));
    agent.set("site", "plant 7").expect("sets");
    device.sync(&agent);
    assert_eq!(agent.status().expect("readable").unacknowledged, 1);

    let bye = agent.deactivate().expect("closes");
    assert_eq!(agent.deactivate().expect("again"), bye);
    assert_eq!(agent.check("render").code, Code::Deactivated);
    assert_eq!(code(agent.consume("render", 1)), Some(Code::Deactivated));
    assert_eq!(
        kinds(&agent),
        [
            "chain.opened",
            "activation.requested",
            "agent.started",
            "grant.applied",
            "feature.consumed",
            "variable.set",
            "grant.applied",
            "chain.closed",
        ]
    );
    agent.verify().expect("every signature is good");
}
