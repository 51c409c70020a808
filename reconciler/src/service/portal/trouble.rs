//! What stands in the way, as the customer's administrator is told: with a way out that is open to who is not the vendor.

use schemas::codes::Code;
use schemas::refusal::Refusal;

use crate::service::html::trouble::Trouble;

/// A refusal in words.
pub(in crate::service) fn trouble(refusal: &Refusal) -> Trouble {
    Trouble::of(refusal).in_words(meaning, way_out)
}

/// What it means to who uses the portal, where the table's words are the vendor's.
fn meaning(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::LicenseUnknown => {
            "The vendor does not know the licence key with which the device made its request: it was mistyped, or is another vendor's."
        }
        Code::QuarantineFull => {
            "The vendor has no room for it until somebody there has looked at what waits."
        }
        Code::TransfersExhausted => {
            "The licence limits how often a seat may move to another device, and as many are given up as may move for now."
        }
        Code::NoDeadline => "The device need not report, so that nobody can tell when it has stopped.",
        Code::StatusUnchanged => "The device holds no seat: it was given back, or taken back, before.",
        _ => return None,
    })
}

/// The way out for who uses the portal, where the table's is the vendor's.
fn way_out(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::LicenseUnknown => {
            "Check the licence key with which the device made its request. If it is right, ask your vendor: the request is kept there."
        }
        Code::ChainUnknown => {
            "Check the reference on the device, where `counterfoil-agent status` shows it whole. If it is right, give the device's activation request first."
        }
        Code::LicenseNotFound => "Check the licence key. If it is right, ask your vendor.",
        Code::QuarantineFull => "Try again later, or ask your vendor.",
        Code::TransfersExhausted => "Wait until the time of the limit has passed, or ask your vendor.",
        Code::NoDeadline => "Ask your vendor to take the seat back: tell the device's chain reference.",
        Code::StatusUnchanged => "See the seats once more.",
        Code::RouteUnknown | Code::MethodNotAllowed => "Begin on the portal's first page.",
        Code::RequestInvalid => "Choose one file, or paste one text, and send it again.",
        Code::UnknownFile => {
            "Give the file that the application wrote: an activation request, a usage report or a deactivation file."
        }
        Code::Internal | Code::IoFailed => {
            "Try again later. If it repeats, tell your vendor the code and the time."
        }
        _ => return None,
    })
}
