//! Devices to which no file goes: what they show is typed, and what they are answered is typed there.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::numbers::Seconds;
use serde_json::Value;
use sync_agent::fingerprint::{Component, FingerprintSource};
use sync_agent::{Agent, Config};

use crate::clock::Ahead;
use crate::lab::{Lab, License, text};
use crate::picture;
use crate::ran::Ran;

impl Lab {
    /// A lab whose product has, beside `standard`, the policy `dark` for codes, with these options. Its pack names it.
    #[track_caller]
    pub fn with_codes(options: &str) -> Self {
        let lab = Self::with_policy("--max-activations 20");
        let same_device = if options.contains("--same-device") { "" } else { "--same-device count" };
        lab.vendor(&format!("policy create dark --product studio --air-gapped {same_device} {options}"))
            .done();
        lab.vendor("product pack studio -o studio.cfpack").done();
        lab
    }

    /// As [`Self::with_policy`], whose policy `standard` codes may unlock as well. Its pack names it.
    #[track_caller]
    pub fn with_either(options: &str) -> Self {
        let lab = Self::with_policy(&format!("--air-gapped {options}"));
        lab.vendor("product pack studio -o studio.cfpack").done();
        lab
    }

    /// Issues a licence from the policy `dark`.
    #[track_caller]
    pub fn issue_dark(&self) -> License {
        License::read(&self.vendor("license issue --policy dark --customer 'ACME GmbH'").done())
    }

    /// The request code that a device shows.
    #[track_caller]
    pub fn request_code(&self, device: &str, license: &License) -> String {
        text(&self.device(device, &format!("activate --license-key {} --code", license.key)).done(), "code")
    }

    /// The return code that a device shows.
    #[track_caller]
    pub fn return_code(&self, device: &str) -> String {
        text(&self.device(device, "report --code").done(), "code")
    }

    /// Types an unlock code at a device, after which it is in this state.
    #[track_caller]
    pub fn unlock(&self, device: &str, code: &str, state: &str) {
        self.device(device, &format!("apply --code {code}")).done();
        assert_eq!(self.device(device, "status").done()["state"], state);
    }

    /// Types a request code at the vendor.
    pub fn answer_code(&self, code: &str, license: &License) -> Ran {
        self.vendor(&format!("code answer {code} --license-key {}", license.key))
    }

    /// Types a return code at the vendor.
    pub fn take_code(&self, code: &str) -> Ran {
        self.vendor(&format!("code return {code}"))
    }

    /// Types an unlock code at a device.
    pub fn apply_code(&self, device: &str, code: &str) -> Ran {
        self.device(device, &format!("apply --code {code}"))
    }

    /// Brings a device to its licence by codes. Returns its chain.
    #[track_caller]
    pub fn activate_by_code(&self, device: &str, license: &License) -> String {
        let answered = self.answer_code(&self.request_code(device, license), license).done();
        let applied = self.apply_code(device, &text(&answered, "code")).done();
        assert_eq!(applied["state"], "active", "{applied:#}");
        assert_eq!(applied["chain"], answered["chain"]);
        text(&applied, "chain")
    }

    /// Reports by a code and types its answer. Returns what the vendor said and what the device did.
    #[track_caller]
    pub fn sync_by_code(&self, device: &str) -> (Value, Value) {
        let answered = self.take_code(&self.return_code(device)).done();
        let applied = self.apply_code(device, &text(&answered, "code")).done();
        (answered, applied)
    }

    /// All that the vendor keeps, and what its history digests to.
    #[track_caller]
    pub fn vendor_picture(&self) -> (BTreeMap<String, Vec<String>>, String) {
        (picture::tables(&self.home()), self.digest("counterfoil-home"))
    }

    /// What a device holds: its record, its licence and its sums, without what the time is.
    #[track_caller]
    pub fn device_picture(&self, device: &str) -> (Value, Vec<Value>) {
        let mut status = self.device(device, "status").done();
        status.as_object_mut().expect("an object").remove("time");
        (status, self.device(device, "history").done_lines())
    }

    /// The device in this process, with a clock that stands so far ahead.
    ///
    /// # Panics
    /// If the state cannot be opened.
    #[track_caller]
    pub fn agent_ahead(&self, device: &str, ahead: Seconds) -> Agent {
        let config = Config::new(self.path(device), Some(self.read("studio.cfpack")));
        Agent::open(Config { clock: Arc::new(Ahead(ahead)), ..config }).expect("nobody else has it open")
    }

    /// The device in this process, on a machine of that name.
    ///
    /// # Panics
    /// If the state cannot be opened.
    #[track_caller]
    pub fn agent_on(&self, device: &str, machine: &'static str) -> Agent {
        let config = Config::new(self.path(device), Some(self.read("studio.cfpack")));
        let config = Config { fingerprint: Arc::new(Machine(machine)), ..config };
        Agent::open(config).expect("nobody else has it open")
    }
}

/// A machine whose parts are told by its name.
#[derive(Debug)]
struct Machine(&'static str);

impl FingerprintSource for Machine {
    fn components(&self) -> Vec<(Component, String)> {
        let all = [Component::MachineId, Component::ProductUuid, Component::BoardSerial];
        all.map(|component| (component, format!("{component:?} of {}", self.0))).to_vec()
    }
}
