//! What stands in the way, as an operator at a browser is told: with a way out that is on these pages.

use schemas::codes::Code;
use schemas::refusal::Refusal;

use crate::service::html::trouble::Trouble;

/// A refusal in words.
pub(in crate::service) fn trouble(refusal: &Refusal) -> Trouble {
    Trouble::of(refusal).in_words(meaning, way_out)
}

/// What it means to who fills in forms, where the table's words are for programs.
fn meaning(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::Unauthorized => "The token is not known, has expired or was revoked.",
        Code::IdempotencyKeyReused => {
            "This form was sent before with something else in it. Nothing of this one was done."
        }
        Code::RequestUnfinished => {
            "This form was sent before, and it is not known what became of it: it may have been done."
        }
        Code::RouteUnknown | Code::MethodNotAllowed => "There is no such page.",
        _ => return None,
    })
}

/// The way out for who fills in forms, where the table's is for programs or on the command line.
fn way_out(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::RequestInvalid | Code::TermsInvalid => "Mend what is named above, and send it again.",
        Code::Unauthorized => {
            "Check that you pasted the whole token, from `cft_` on, or ask an admin for a new one."
        }
        Code::CursorInvalid => "Begin with the first page of the list.",
        Code::PreconditionFailed => {
            "Look at the licence as it is now. If the change is still meant, send the form again."
        }
        Code::CrossSite => "Open the page itself, fill in the form there and send it.",
        Code::RouteUnknown | Code::MethodNotAllowed => "Begin with the licences.",
        Code::LicenseNotFound | Code::ChainUnknown => {
            "Check that it is whole, or look for the licence in the list by its customer."
        }
        Code::EventUnknown => "See what happened to the licence on its page.",
        Code::CustomerUnknown => "Check the name: it is the whole one, or the customer's identifier.",
        Code::StatusUnchanged => "Look at the licence or the device as it is now.",
        Code::CodeKind => {
            "Type the code that the device shows. An unlock code is typed at the device: `counterfoil-agent apply --code`."
        }
        Code::CodePolicy => {
            "Type the number of one of the policies that are named above, which changes the licence to it, or have a pack made that holds the licence's policy."
        }
        Code::NoDeadline => "Tick “Free the seat at once” to take it back all the same; that is recorded.",
        Code::QuarantineUnknown => "See the list: it was taken in or deleted meanwhile.",
        Code::ImportUnknown => "See the list of imports.",
        Code::WebhookUnknown | Code::DeliveryUnknown => "See the endpoints and their messages.",
        Code::IdempotencyKeyReused | Code::RequestUnfinished => {
            "Look among the licences whether what you sent before was issued. To issue this one as well, send the form again."
        }
        Code::TooLarge => "Send it in several parts.",
        Code::Overloaded => "Wait a moment, then send it again.",
        Code::Internal | Code::IoFailed => {
            "Try again later. If it repeats, tell whoever runs the service the code and the time."
        }
        _ => return None,
    })
}
