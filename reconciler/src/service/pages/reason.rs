//! Why something is changed: every change asks for it, and it is kept for the record.

use schemas::codes::Code;
use schemas::ids::LicenseId;
use schemas::refusal::Refusal;
use schemas::text::Text;

use crate::service::html::form::Form;

/// The field that says which version of a licence was seen: nobody's change is overwritten by who did not see it.
pub(super) const SAW: &str = "saw";

/// The reason that a form gives.
///
/// # Errors
/// `request_invalid` for none, `text_invalid` for what is too long.
pub(super) fn reason(form: &Form) -> Result<Text, Refusal> {
    match form.word("reason") {
        "" => Err(Refusal::new(Code::RequestInvalid, "say why it is done")),
        given => Text::new(given).ok_or_else(|| Refusal::new(Code::TextInvalid, "the reason")),
    }
}

/// The licence of an address.
///
/// # Errors
/// `license_not_found` for what is no identifier.
pub(super) fn license_id(text: &str) -> Result<LicenseId, Refusal> {
    LicenseId::parse(text).ok_or_else(|| Refusal::new(Code::LicenseNotFound, text))
}
