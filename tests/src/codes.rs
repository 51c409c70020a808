//! Devices to which no file goes: what they show is typed, and what they are answered is typed there.

use crate::lab::{Lab, License, text};

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
}
