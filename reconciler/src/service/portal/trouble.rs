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
        Code::CodeKind => {
            "A request code and a return code go from the device to the vendor. An unlock code goes from the vendor to the device."
        }
        Code::CodeOtherPack => {
            "The application on the device came with a product pack that your vendor did not publish here."
        }
        Code::CodePolicy => {
            "What your licence grants cannot be told to this device by a code: the product pack that came with its application does not hold it."
        }
        Code::CodeMismatch => {
            "Each group is right by itself, but together they are not what the device showed: groups of two codes were mixed, or groups were exchanged."
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
        Code::CodeKind => {
            "Type the code that the device shows. An unlock code is typed at the device: `counterfoil-agent apply --code`."
        }
        Code::CodeChainUnknown => {
            "See that the code is this vendor's device's. If it never had its request code answered, begin with that."
        }
        Code::CodeOtherPack | Code::CodePolicy => {
            "Ask your vendor, and tell the version of the application on the device."
        }
        Code::CodeMismatch => "Compare the whole code with what the device shows, group by group.",
        Code::CodeUnfit => "Ask your vendor. Where a file may come from the device, give that here.",
        Code::RateLimited => "Wait a while, then send it again.",
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
