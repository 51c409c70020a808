//! What the vendor answers, in words, and the licence file that says it: to be saved, copied, or taken as a picture.

use ledger::inspect::{AnswerInspection, GrantInspection, Inspection, NoticeInspection, inspect};
use schemas::armor;
use schemas::bundle::{Answer, encode_answers};
use schemas::codes::Code;
use schemas::container::FileKind;
use schemas::grant::{GrantBody, GrantStatus};
use schemas::numbers::Micros;
use schemas::refusal::Refusal;

use super::trouble::trouble;
use crate::service::html::page::moment;
use crate::service::html::picture::Picture;
use crate::service::html::trouble::{Trouble, sentence};

/// The answer to all that was given.
#[derive(Debug)]
pub(super) struct Answered {
    /// What each device is told.
    pub(super) devices: Vec<Told>,
    /// The licence file as text.
    pub(super) text: String,
    /// The same as a picture, where it is short enough for one.
    pub(super) picture: Option<Picture>,
}

/// What one device is told.
#[derive(Debug)]
pub(super) struct Told {
    /// The chain's reference.
    pub(super) chain: String,
    /// What it means.
    pub(super) heading: String,
    /// Whether the device may work.
    pub(super) is_granted: bool,
    /// The particulars.
    pub(super) facts: Vec<(&'static str, String)>,
    /// The features that are granted.
    pub(super) features: Vec<String>,
    /// Why not, and what to do.
    pub(super) trouble: Option<Trouble>,
}

impl Answered {
    /// Tells answers.
    ///
    /// # Errors
    /// When an answer cannot be read back.
    pub(super) fn of(answers: &[Answer]) -> Result<Self, Refusal> {
        let bytes = encode_answers(answers);
        let Inspection::Grant(file) = inspect(&bytes)? else { return Err(Code::Internal.into()) };
        let text = armor::armor(FileKind::Grants, &bytes);
        Ok(Self { devices: file.answers.iter().map(Told::of).collect(), picture: Picture::of(&text), text })
    }
}

impl Told {
    fn of(answer: &AnswerInspection) -> Self {
        match answer {
            AnswerInspection::Grant(grant) => Self::granted(grant),
            AnswerInspection::Notice(notice) => Self::noticed(notice),
        }
    }

    fn granted(grant: &GrantInspection) -> Self {
        let body = &grant.body;
        let features = body.entitlement.iter().flat_map(|terms| &terms.features);
        Self {
            chain: body.device.to_string(),
            heading: heading(body.status).to_owned(),
            is_granted: body.status == GrantStatus::Active,
            facts: facts(grant),
            features: features.map(|feature| feature.name.to_string()).collect(),
            trouble: why_not(body).map(|code| trouble(&Refusal::from(code))),
        }
    }

    fn noticed(notice: &NoticeInspection) -> Self {
        let code = notice.body.code.as_str().parse::<Code>().ok();
        Self {
            chain: notice.body.chain.to_string(),
            heading: "Your vendor has no licence for this device".to_owned(),
            is_granted: false,
            facts: vec![("Answered", moment(notice.body.at))],
            features: Vec::new(),
            trouble: code.map(|code| trouble(&Refusal::from(code))),
        }
    }
}

/// What a device is told, as a heading.
pub(in crate::service) fn heading(status: GrantStatus) -> &'static str {
    match status {
        GrantStatus::Active => "The licence is granted to this device",
        GrantStatus::Denied => "The activation is denied",
        GrantStatus::Suspended => "The licence is suspended",
        GrantStatus::Revoked => "The licence is revoked",
        GrantStatus::Released => "This device holds no seat any more",
    }
}

/// The code that says why a device may not work.
fn why_not(body: &GrantBody) -> Option<Code> {
    match body.status {
        GrantStatus::Active => None,
        GrantStatus::Denied => body.reason.as_ref().and_then(|reason| reason.as_str().parse().ok()),
        GrantStatus::Suspended => Some(Code::LicenseSuspended),
        GrantStatus::Revoked => Some(Code::LicenseRevoked),
        GrantStatus::Released => Some(Code::Released),
    }
}

fn facts(grant: &GrantInspection) -> Vec<(&'static str, String)> {
    let body = &grant.body;
    let mut facts = vec![
        ("Product", format!("{} ({})", body.product, body.environment)),
        ("Licence", body.license.to_string()),
        ("Answered", moment(grant.issued_at)),
    ];
    if let Some(terms) = &body.entitlement {
        facts.push(("Valid until", until(terms.valid_until)));
        facts.extend(body.check_in.sync_by.map(|by| ("Report again by", moment(by))));
    }
    facts.extend(body.import_until.map(|by| ("Apply on the device before", moment(by))));
    let missing = body.missing.iter().map(|range| format!("{} to {}", range.first, range.last));
    let missing: Vec<String> = missing.collect();
    if !missing.is_empty() || body.resend_from.is_some() {
        let which = if missing.is_empty() { "earlier ones".to_owned() } else { missing.join(", ") };
        facts.push((
            "Reports still missing",
            format!("events {which}: have the device report all of its record"),
        ));
    }
    facts
}

/// Until when something holds.
pub(in crate::service) fn until(instant: Option<Micros>) -> String {
    instant.map_or_else(|| "without end".to_owned(), moment)
}

/// The bytes of a licence file.
///
/// # Errors
/// `wrong_file` and the like for what is none.
pub(super) fn licence_file(bytes: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    match inspect(&bytes)? {
        Inspection::Grant(_) => Ok(bytes),
        Inspection::Bundle(_) | Inspection::Pack(_) => Err(Code::WrongFile.into()),
    }
}

/// What is said of a whole answer.
pub(super) fn summary(devices: &[Told]) -> String {
    let granted = devices.iter().filter(|device| device.is_granted).count();
    match (devices, granted) {
        ([], _) => sentence("it was taken in, and there is no licence file yet"),
        ([device], _) => format!("{}.", device.heading),
        (devices, granted) => format!("{granted} of {} devices have their licence.", devices.len()),
    }
}
