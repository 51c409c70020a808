//! What carries messages between a device and its vendor: files, or codes that are typed. The same story is told over either.

use serde_json::Value;

use crate::lab::{Lab, License, text};

/// How a device and its vendor hear of each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Carrier {
    /// Files, in any way in which files travel.
    File,
    /// Codes, which people type.
    Code,
}

/// What one side has for the other: the name of a file, or a code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message(String);

/// What codes do not carry, and why: steps of stories, and whole stories of the file suites by the names of their tests.
pub const NOT_BY_CODE: [(&str, &str); 20] = [
    ("the licence's identifier", "the licence key, which is typed at both ends, stands for it"),
    ("a refusal", "nobody types a code to be told that there is none: the vendor says it"),
    ("values that were set", "a code tells sums, not events"),
    ("the device's own events", "a code tells sums, not events"),
    ("that a report is late", "it is told by when events were recorded, and a code holds none"),
    ("a feature that no policy of the pack holds", "a code names a policy that came with the application"),
    ("a feature that was taken out of the licence", "a code names a policy that came with the application"),
    ("maintenance that is not the policy's", "a code names a policy that came with the application"),
    ("every_file_is_shown_and_verified_by_both_programs", "it is about files"),
    ("a_file_is_known_by_its_content_and_not_by_its_name", "a code has no name"),
    ("the_text_form_does_for_every_file", "a code is text"),
    ("usage_is_exported_as_it_is_told", "each use has a line there, and a code tells sums"),
    (
        "silent_devices_lose_their_seats_and_then_what_they_hold",
        "no deadline of a code passes before its day ends",
    ),
    ("a_limit_below_what_is_out_asks_for_the_difference", "a code asks for nothing back"),
    (
        "the_same_device_supersedes_counts_or_is_refused",
        "its devices sign bundles by hand: see tests/codes.rs",
    ),
    (
        "a_superseded_device_is_told_and_what_it_holds_stays_out",
        "its devices sign bundles by hand: see tests/codes.rs",
    ),
    (
        "a_reinstalled_device_without_quota_is_told_who_holds_it_and_what_frees_it",
        "its devices sign bundles by hand: see tests/codes.rs",
    ),
    ("a_seat_moves_to_another_device_only_so_often", "its devices sign bundles by hand: see tests/codes.rs"),
    ("all_devices_that_try_a_product_share_one_licence_each_with_its_own_dates", "no code asks for a trial"),
    ("a_device_has_no_second_trial_whatever_was_changed_on_it", "no code asks for a trial"),
];

/// What came of an activation that was asked for: the device's chain, or why the vendor gave none.
pub type Activation = Result<String, String>;

impl Carrier {
    /// A home whose policy `standard` either may carry.
    #[track_caller]
    pub fn lab(self, options: &str) -> Lab {
        match self {
            Self::File => Lab::with_policy(options),
            Self::Code => Lab::with_either(options),
        }
    }

    /// A device asks.
    #[track_caller]
    pub fn ask(self, lab: &Lab, device: &str, license: &License) -> Message {
        match self {
            Self::File => {
                lab.request(device, license);
                Message(format!("{device}.cfbundle"))
            }
            Self::Code => Message(lab.request_code(device, license)),
        }
    }

    /// The vendor decides on a request: its answer, or why it has none. A refusal is a file like any other; nobody has a code to
    /// type where there is one.
    ///
    /// # Errors
    /// The refusal's code, by code.
    #[track_caller]
    pub fn answer(
        self,
        lab: &Lab,
        device: &str,
        license: &License,
        asked: &Message,
    ) -> Result<Message, String> {
        let Message(asked) = asked;
        if self.tells("a refusal") {
            lab.vendor(&format!("merge {asked} --answers answers")).done();
            return Ok(Message(format!("answers/{device}.cfgrant")));
        }
        let answered = lab.answer_code(asked, license);
        if answered.exit() == Some(0) {
            return Ok(Message(text(&answered.done(), "code")));
        }
        let code = text(&answered.json(), "code");
        answered.refused(4, &code);
        Err(code)
    }

    /// The vendor decides on a request, and the device hears of it.
    ///
    /// # Errors
    /// The code of the reason why it is given none.
    #[track_caller]
    pub fn decide(self, lab: &Lab, device: &str, license: &License, asked: &Message) -> Activation {
        let answer = self.answer(lab, device, license, asked)?;
        self.apply(lab, device, &answer).done();
        let status = lab.device(device, "status").done();
        match status["state"].as_str() {
            Some("active") => Ok(text(&status, "chain")),
            _ => Err(text(&status, "reason")),
        }
    }

    /// Brings a device to its licence. Returns its chain.
    ///
    /// # Panics
    /// If the vendor gives none.
    #[track_caller]
    pub fn activate(self, lab: &Lab, device: &str, license: &License) -> String {
        let asked = self.ask(lab, device, license);
        self.decide(lab, device, license, &asked).expect("a seat is free")
    }

    /// A device reports.
    #[track_caller]
    pub fn report(self, lab: &Lab, device: &str) -> Message {
        match self {
            Self::File => {
                let file = format!("{device}-report.cfbundle");
                lab.report(device, &file);
                Message(file)
            }
            Self::Code => Message(lab.return_code(device)),
        }
    }

    /// A device gives its licence back.
    #[track_caller]
    pub fn close(self, lab: &Lab, device: &str) -> Message {
        let file = format!("{device}-bye.cfbundle");
        let line = self.either(format!("deactivate --file {file}"), "deactivate --code".to_owned());
        let closed = lab.device(device, &line).done();
        assert_eq!(closed["state"], "deactivated", "{closed:#}");
        match self {
            Self::File => Message(file),
            Self::Code => Message(text(&closed, "code")),
        }
    }

    /// The vendor takes in what a device told, and answers it.
    #[track_caller]
    pub fn take_in(self, lab: &Lab, told: &Message) -> Message {
        let Message(told) = told;
        match self {
            Self::File => {
                let merged = lab.vendor(&format!("merge {told} --answers answers")).done();
                assert_eq!(merged["refused"], 0, "{merged:#}");
                Message(format!("answers/{}.cfgrant", told.trim_end_matches(".cfbundle")))
            }
            Self::Code => Message(text(&lab.take_code(told).done(), "code")),
        }
    }

    /// Takes an answer in at a device, which may refuse it.
    pub fn apply(self, lab: &Lab, device: &str, answer: &Message) -> crate::Ran {
        let Message(answer) = answer;
        match self {
            Self::File => lab.device(device, &format!("apply {answer}")),
            Self::Code => lab.apply_code(device, answer),
        }
    }

    /// Reports, takes in, applies: both then know the same. Returns what the device did.
    #[track_caller]
    pub fn sync(self, lab: &Lab, device: &str) -> Value {
        let answer = self.take_in(lab, &self.report(lab, device));
        self.apply(lab, device, &answer).done()
    }

    /// Brings the licence as it stands to a device: a refresh file that it did not ask for, or the answer to its report, because a
    /// code only ever answers one.
    #[track_caller]
    pub fn refresh(self, lab: &Lab, device: &str, chain: &str) -> Value {
        match self {
            Self::File => {
                lab.vendor(&format!("refresh {chain} -o refresh.cfgrant")).done();
                lab.device(device, "apply refresh.cfgrant").done()
            }
            Self::Code => self.sync(lab, device),
        }
    }

    /// What holds by file, or what holds by code.
    pub fn either<T>(self, by_file: T, by_code: T) -> T {
        match self {
            Self::File => by_file,
            Self::Code => by_code,
        }
    }

    /// Whether this carrier tells something that codes do not.
    ///
    /// # Panics
    /// If that is not listed.
    #[track_caller]
    pub fn tells(self, what: &str) -> bool {
        assert!(NOT_BY_CODE.iter().any(|(listed, _)| *listed == what), "`{what}` is not listed");
        self == Self::File
    }
}
