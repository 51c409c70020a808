//! Examines a state directory for what is not in order, without changing it.

use std::fs;
use std::path::Path;

use ledger::device::Device;
use ledger::store::sqlite_is_sound;
use schemas::codes::Code;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::config::Config;
use crate::reader::AgentReader;
use crate::state_dir::{Condition, StateDir};

/// Fewer components can hardly tell one device from another.
const FEW_COMPONENTS: usize = 2;

/// One thing that is not in order.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was examined.
    pub subject: String,
    /// What is not in order.
    pub text: String,
}

/// Examines the state directory of `config`.
pub fn examine(config: Config) -> Vec<Finding> {
    let mut examination = Examination::default();
    let dir = StateDir::new(config.state.clone());
    examination.permissions(&dir);
    examination.machine(&config);
    if dir.condition() != Condition::Empty {
        examination.refused("device key", dir.read_key().map(|_| ()));
    }
    match AgentReader::open(config) {
        Err(refusal) => examination.refused("product pack", Err(refusal)),
        Ok(reader) => examination.chain(&reader, dir.condition()),
    }
    examination.0
}

#[derive(Default)]
struct Examination(Vec<Finding>);

impl Examination {
    fn find(&mut self, subject: &str, text: impl Into<String>) {
        self.0.push(Finding { subject: subject.to_owned(), text: text.into() });
    }

    fn refused(&mut self, subject: &str, outcome: Result<(), Refusal>) {
        if let Err(refusal) = outcome {
            self.find(subject, format!("{refusal} [{}]", refusal.code()));
        }
    }

    fn permissions(&mut self, dir: &StateDir) {
        for path in [dir.path().to_owned(), dir.device_key(), dir.seal_key(), dir.chain()] {
            if is_open_to_others(&path) {
                self.find("permissions", format!("{} can be read by others", path.display()));
            }
        }
    }

    fn machine(&mut self, config: &Config) {
        if !sqlite_is_sound() {
            self.find("SQLite", "the bundled version can lose a database");
        }
        let components = config.fingerprint.components().len();
        if components < FEW_COMPONENTS {
            self.find("fingerprint", format!("only {components} components of this machine can be read"));
        }
    }

    fn chain(&mut self, reader: &AgentReader, condition: Condition) {
        if condition == Condition::Empty {
            return;
        }
        self.refused("record", reader.verify().map(|_| ()));
        let status = reader.status();
        let licence = reader.check(None, None).code;
        // Damage, deadlines and mismatches are told below, and what its user did to a device is no finding.
        if matches!(
            licence,
            Code::LicenseSuspended | Code::LicenseRevoked | Code::LicenseExpired | Code::NotStarted
        ) {
            self.find("licence", format!("{} [{licence}]", licence.entry().title));
        }
        if let Ok(device) = reader.device() {
            self.history(&device);
        }
        if reader.has_lost_ancestor() {
            self.find("archive", "an earlier record that this one follows is missing or damaged");
        }
        if status.clock_behind {
            self.find("clock", "it stands back by more than the tolerance");
        }
        match status.fingerprint_mismatch_since {
            Some(since) => self.find("fingerprint", format!("too few components match since {since}")),
            None if licence == Code::FingerprintMismatch => {
                self.find("fingerprint", "too few components match");
            }
            None => {}
        }
        if let Some(overdue) = status.overdue_at.filter(|overdue| status.time >= *overdue) {
            self.find("check-in", format!("deadline and grace ended at {overdue}"));
        }
    }

    /// What the device and the vendor learned about copies and older states of this record.
    fn history(&mut self, device: &Device) {
        if device.saved().set_back {
            self.find("record", "the device was set back to an older state; reserved quota is not spent");
        }
        if device.grant().is_none() && device.rests_on().is_some() {
            self.find("record", "the vendor has not answered the record that goes on here");
        }
        if device.grant().is_some_and(|grant| grant.verified.body.forked.is_some()) {
            self.find("record", "the vendor holds another history of this device: it was copied or set back");
        }
    }
}

#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(path: &Path) -> bool {
    let _unknown = fs::metadata(path);
    false
}
