//! A refusal as people and programs meet it: a stable code, one sentence, what happened here, and a way out.

use std::fmt::{self, Display, Write as _};

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use crate::codes::Code;

/// A code with what happened in this case. Programs print it, exit with its code, and never say more than one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    code: Code,
    detail: String,
}

impl Refusal {
    /// A refusal with the particulars of this case; an empty `detail` says nothing beyond the code's title.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// A refusal that tells an error and all that caused it, in the order of cause.
    pub fn from_error(code: Code, error: &dyn std::error::Error) -> Self {
        let mut detail = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            write!(detail, ": {cause}").expect("a string takes every write");
            source = cause.source();
        }
        // An error that says no more than the code's title is told once.
        if detail == code.entry().title {
            detail.clear();
        }
        Self { code, detail }
    }

    /// Puts the place before the particulars, such as a file's name.
    #[must_use]
    pub fn at(mut self, place: impl Display) -> Self {
        self.detail =
            if self.detail.is_empty() { place.to_string() } else { format!("{place}: {}", self.detail) };
        self
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// What happened in this case; may be empty.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The way out.
    pub fn hint(&self) -> &'static str {
        self.code.entry().hint
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self::new(code, "")
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.entry().title)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.detail) }
    }
}

impl std::error::Error for Refusal {}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Refusal", 4)?;
        object.serialize_field("code", self.code.word())?;
        object.serialize_field("title", self.code.entry().title)?;
        object.serialize_field("detail", &self.detail)?;
        object.serialize_field("hint", self.hint())?;
        object.end()
    }
}
