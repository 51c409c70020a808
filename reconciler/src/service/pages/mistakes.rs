//! What was asked for cannot be done, and whoever asked can mend it.

use schemas::refusal::Refusal;

/// Whether it is told on the page where it was asked, and not on a page of its own.
pub(super) fn is_mistaken(refusal: &Refusal) -> bool {
    (400..500).contains(&refusal.code().status())
}
