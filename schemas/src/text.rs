//! Bounded text.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::canonical::Violation;
use crate::limits;

/// UTF-8 text of at most `MAX` bytes without control characters, so that it can be shown as it is.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct BoundedText<const MAX: usize>(Box<str>);

/// The text of an ordinary field.
pub type Text = BoundedText<{ limits::TEXT_BYTES }>;

/// A `ref` that makes a consumption idempotent.
pub type UsageRef = BoundedText<{ limits::REF_BYTES }>;

impl<const MAX: usize> BoundedText<MAX> {
    /// The text, unless it is too long or holds a control character.
    pub fn new(text: &str) -> Option<Self> {
        (text.len() <= MAX && !text.chars().any(char::is_control)).then(|| Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for BoundedText<MAX> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor<const MAX: usize>;
        impl<const MAX: usize> serde::de::Visitor<'_> for TextVisitor<MAX> {
            type Value = BoundedText<MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "text of at most {MAX} bytes")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                BoundedText::new(text).ok_or_else(|| {
                    if text.len() > MAX { Violation::TooLong.raise() } else { Violation::OutOfRange.raise() }
                })
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

impl<const MAX: usize> fmt::Display for BoundedText<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<const MAX: usize> fmt::Debug for BoundedText<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<const MAX: usize> std::str::FromStr for BoundedText<MAX> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::new(text).ok_or_else(|| format!("at most {MAX} bytes of text without control characters"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{DecodeError, from_bytes, to_bytes};

    #[test]
    fn text_is_bounded_and_printable() {
        assert_eq!(from_bytes::<Text>(&to_bytes(&"x".repeat(256))).map(|text| text.as_str().len()), Ok(256));
        assert_eq!(from_bytes::<Text>(&to_bytes(&"x".repeat(257))), Err(DecodeError::TooLong));
        assert_eq!(from_bytes::<Text>(&to_bytes("bell\u{7}")), Err(DecodeError::OutOfRange));
        assert_eq!(from_bytes::<UsageRef>(&to_bytes(&"x".repeat(65))), Err(DecodeError::TooLong));
    }
}
