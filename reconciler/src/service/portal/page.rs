//! The templates of the portal's pages with what they show.

use askama::Template;

use super::answer::Told;
use super::reading::Reading;
use super::seats::Seats;
use crate::service::codes::{CodeForm, Given, Line, Unlocked};
use crate::service::html::frame::Frame;
use crate::service::html::picture::Picture;
use crate::service::html::trouble::Trouble;

/// The first page.
#[derive(Template)]
#[template(path = "home.html")]
pub(super) struct Home<'a> {
    pub(super) frame: &'a Frame,
    /// What is wrong with the file.
    pub(super) file: Option<&'a Trouble>,
    /// The form for a code, and what is wrong there.
    pub(super) code: CodeForm<'a>,
    /// What is wrong with the reference of a device.
    pub(super) chain: Option<&'a Trouble>,
    /// The reference as it was typed.
    pub(super) typed: &'a str,
    /// What is wrong with the licence key. It is secret, so that no page repeats it.
    pub(super) key: Option<&'a Trouble>,
}

impl<'a> Home<'a> {
    /// The page when nothing is wrong.
    pub(super) fn new(frame: &'a Frame) -> Self {
        Self { frame, file: None, code: CodeForm::default(), chain: None, typed: "", key: None }
    }

    fn is_refused(&self) -> bool {
        [self.file, self.code.code, self.code.key, self.chain, self.key].iter().any(Option::is_some)
    }
}

/// The seats of a licence.
#[derive(Template)]
#[template(path = "seats.html")]
pub(super) struct SeatsPage<'a> {
    pub(super) frame: &'a Frame,
    pub(super) seats: &'a Seats,
}

/// What a file says, before it is sent.
#[derive(Template)]
#[template(path = "request.html")]
pub(super) struct RequestPage<'a> {
    pub(super) frame: &'a Frame,
    pub(super) reading: &'a Reading,
    /// The file as text, unless it is too large for a page: then it is chosen once more.
    pub(super) carried: Option<&'a str>,
    /// The file's SHA-256.
    pub(super) digest: &'a str,
}

/// What a code says, before it is sent.
#[derive(Template)]
#[template(path = "code.html")]
pub(super) struct CodePage<'a> {
    pub(super) frame: &'a Frame,
    pub(super) given: &'a Given,
    pub(super) lines: &'a [Line],
}

/// The answer to a code.
#[derive(Template)]
#[template(path = "unlock.html")]
pub(super) struct UnlockPage<'a> {
    pub(super) frame: &'a Frame,
    pub(super) unlocked: &'a Unlocked,
    /// Why the device may not work.
    pub(super) trouble: Option<&'a Trouble>,
}

/// The answer.
#[derive(Template)]
#[template(path = "answer.html")]
pub(super) struct AnswerPage<'a> {
    pub(super) frame: &'a Frame,
    pub(super) summary: &'a str,
    pub(super) devices: &'a [Told],
    /// The licence file as text.
    pub(super) text: &'a str,
    /// The same as a picture.
    pub(super) picture: Option<&'a Picture>,
}
