//! Bounded text.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::canonical::Violation;
use crate::limits;

/// UTF-8 text of at most `MAX` bytes without characters that are not seen, so that it can be shown as it is: no control
/// characters, none that turn the direction of writing, none without a width.
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
        (text.len() <= MAX && !text.chars().any(is_unseen)).then(|| Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a character could make a text look like another one, or move what is shown beside it.
fn is_unseen(symbol: char) -> bool {
    symbol.is_control()
        || matches!(
            symbol,
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        )
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

    /// Reads what a person typed, which names something and so is not empty.
    fn from_str(text: &str) -> Result<Self, String> {
        Self::new(text)
            .filter(|text| !text.0.is_empty())
            .ok_or_else(|| format!("1 to {MAX} bytes of text without control or invisible characters"))
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

    #[test]
    fn no_text_holds_what_turns_its_direction_or_has_no_width() {
        for symbol in ['\u{200b}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2060}', '\u{2069}', '\u{feff}'] {
            let read = from_bytes::<Text>(&to_bytes(&format!("a{symbol}b")));
            assert_eq!(read, Err(DecodeError::OutOfRange), "{symbol:?}");
        }
        for seen in ["שלום", "مرحبا", "e\u{301}", "a\u{2010}b", "\u{2028}"] {
            assert!(Text::new(seen).is_some(), "{seen:?}");
        }
    }

    #[test]
    fn what_is_typed_is_not_empty() {
        assert!("".parse::<Text>().is_err());
        assert_eq!("x".parse::<Text>().ok(), Text::new("x"));
        assert_eq!(from_bytes::<Text>(&to_bytes("")).ok(), Text::new(""));
    }
}
