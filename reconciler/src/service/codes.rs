//! Codes that people type on pages, as far as the portal and the operators' pages have it in common: what a code is, from itself
//! alone, and what the vendor answers, to be shown. Who may try how many is said in `rates`.

mod given;
mod unlocked;

pub(super) use self::given::{CodeForm, Given, Mistake, Typed, is_wrong};
pub(super) use self::unlocked::{Line, Unlocked, lines};
