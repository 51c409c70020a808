//! The one encoding of every signed value: a subset of `MessagePack` in which each value has exactly one form.
//!
//! Arrays of fixed arity, unsigned integers in their shortest form, binary, and UTF-8 strings. An optional value
//! is an array of 0 or 1 elements, a boolean is 0 or 1. There is no nil, float, map, extension or negative
//! integer, and nothing follows the value. `rmp-serde` does the encoding and the decoding; [`from_bytes`] adds
//! the rule that makes it strict: what does not encode to the same bytes again is refused. [`Cursor`] reads the
//! few places where the shape depends on what was read before, by the same rules.

mod cursor;

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::cursor::Cursor;
use crate::codes::Code;
use crate::limits;

/// Encodes `value` in its canonical form.
///
/// The types of this crate have exactly one encoding each; this cannot fail for them.
pub fn to_bytes<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    append(&mut bytes, value);
    bytes
}

/// Appends the canonical form of `value` to `bytes`.
pub fn append<T: Serialize + ?Sized>(bytes: &mut Vec<u8>, value: &T) {
    value
        .serialize(&mut rmp_serde::Serializer::new(bytes))
        .expect("wire types hold only unsigned integers, text, binary and arrays");
}

/// Decodes exactly one canonical value that fills `bytes`.
///
/// # Errors
/// The first rule that `bytes` breaks. Nothing is allocated beyond a small multiple of `bytes.len()`.
pub fn from_bytes<'a, T: Deserialize<'a> + Serialize>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    let mut decoder = rmp_serde::Deserializer::from_read_ref(bytes);
    decoder.set_max_depth(limits::NESTING);
    match T::deserialize(&mut decoder) {
        Ok(value) if encodes_to(&value, bytes) => Ok(value),
        Ok(_) => Err(diagnose(bytes).unwrap_or(DecodeError::WrongType)),
        Err(error) => Err(diagnose(bytes).unwrap_or_else(|| DecodeError::of_typed(&error))),
    }
}

/// Why bytes are not the canonical form of what was expected.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum DecodeError {
    /// The bytes end inside a value.
    #[error("the value is cut short")]
    Truncated,
    /// Bytes follow the value.
    #[error("bytes follow the value")]
    TrailingBytes,
    /// An integer or a length is not in its shortest form.
    #[error("an integer or a length is not in its shortest form")]
    NotMinimal,
    /// A map stands where an array belongs.
    #[error("a map stands where an array belongs")]
    Map,
    /// A floating-point number.
    #[error("a floating-point number is not allowed")]
    Float,
    /// A nil.
    #[error("nil is not allowed")]
    Nil,
    /// A boolean; it is written as 0 or 1.
    #[error("a boolean must be written as 0 or 1")]
    Boolean,
    /// An extension type or the reserved byte.
    #[error("an extension type is not allowed")]
    Extension,
    /// An integer in a signed form.
    #[error("a negative integer is not allowed")]
    Negative,
    /// A text that is not UTF-8.
    #[error("a text is not UTF-8")]
    NotUtf8,
    /// A text, a list or a whole value beyond its limit.
    #[error("a value is longer than its limit")]
    TooLong,
    /// Arrays nested beyond the limit.
    #[error("arrays are nested too deep")]
    TooDeep,
    /// An array of another number of elements than its place asks for.
    #[error("an array has the wrong number of elements")]
    WrongArity,
    /// A value of another type than its place asks for.
    #[error("a value has the wrong type")]
    WrongType,
    /// A number or a choice outside what its place allows.
    #[error("a value is out of range")]
    OutOfRange,
    /// An event kind below 128 that this version does not know.
    #[error("an event kind that must be understood is unknown")]
    UnknownKind,
    /// A version that this program does not know.
    #[error("the version is not supported")]
    UnknownVersion,
}

impl DecodeError {
    /// The refusal code that stands for this error.
    pub fn code(self) -> Code {
        match self {
            Self::Truncated => Code::Truncated,
            Self::TrailingBytes => Code::TrailingBytes,
            Self::NotMinimal => Code::NotMinimal,
            Self::Map => Code::MapNotAllowed,
            Self::Float => Code::FloatNotAllowed,
            Self::Nil => Code::NilNotAllowed,
            Self::Boolean => Code::BooleanNotAllowed,
            Self::Extension => Code::ExtensionNotAllowed,
            Self::Negative => Code::NegativeNotAllowed,
            Self::NotUtf8 => Code::TextNotUtf8,
            Self::TooLong => Code::ValueTooLong,
            Self::TooDeep => Code::NestingTooDeep,
            Self::WrongArity => Code::WrongArity,
            Self::WrongType => Code::WrongType,
            Self::OutOfRange => Code::OutOfRange,
            Self::UnknownKind => Code::UnknownKind,
            Self::UnknownVersion => Code::UnsupportedVersion,
        }
    }

    /// Names the violation for values that are well formed but not of the expected type.
    ///
    /// serde carries a custom error as text only; [`Violation`] is what our own types put there, and "invalid
    /// length" is how serde's derived code reports an array that ends early.
    fn of_typed(error: &rmp_serde::decode::Error) -> Self {
        use rmp_serde::decode::Error as Decode;
        match error {
            Decode::LengthMismatch(_) => Self::WrongArity,
            Decode::OutOfRange => Self::OutOfRange,
            Decode::DepthLimitExceeded => Self::TooDeep,
            Decode::Syntax(text) | Decode::Uncategorized(text) => match text.as_str() {
                text if text == Violation::OutOfRange.text() => Self::OutOfRange,
                text if text == Violation::TooLong.text() => Self::TooLong,
                text if text.starts_with("invalid length") => Self::WrongArity,
                text if text.starts_with("invalid value: integer") => Self::OutOfRange,
                _ => Self::WrongType,
            },
            _ => Self::WrongType,
        }
    }
}

/// What the `Deserialize` of a wire type reports through serde's custom error.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Violation {
    OutOfRange,
    TooLong,
}

impl Violation {
    pub(crate) fn raise<E: serde::de::Error>(self) -> E {
        E::custom(self.text())
    }

    fn text(self) -> &'static str {
        match self {
            Self::OutOfRange => "cf: out of range",
            Self::TooLong => "cf: too long",
        }
    }
}

/// Names the first rule of form that `bytes` break, if they break one.
fn diagnose(bytes: &[u8]) -> Option<DecodeError> {
    let mut cursor = Cursor::new(bytes);
    cursor.skip_value().and_then(|()| cursor.finish()).err()
}

fn encodes_to<T: Serialize>(value: &T, bytes: &[u8]) -> bool {
    let mut rest = Expect(bytes);
    value.serialize(&mut rmp_serde::Serializer::new(&mut rest)).is_ok() && rest.0.is_empty()
}

/// A writer that accepts only the bytes it expects.
struct Expect<'a>(&'a [u8]);

impl Write for Expect<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0 = self.0.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    struct Pair(u64, String);

    fn refused(bytes: &[u8]) -> DecodeError {
        from_bytes::<Pair>(bytes).expect_err("the bytes are not canonical")
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        let pair = Pair(300, "plant".into());
        assert_eq!(from_bytes::<Pair>(&to_bytes(&pair)), Ok(pair));
    }

    #[test]
    fn every_violation_of_form_has_its_own_error() {
        let cases: &[(&[u8], DecodeError)] = &[
            (b"\x92\x01\xa1", DecodeError::Truncated),
            (b"\x92\x01\xa1a\x00", DecodeError::TrailingBytes),
            (b"\x92\xcc\x01\xa1a", DecodeError::NotMinimal),
            (b"\x92\x01\xd9\x01a", DecodeError::NotMinimal),
            (b"\x82\x00\x01\x01\xa1a", DecodeError::Map),
            (b"\x92\xca\0\0\0\0\xa1a", DecodeError::Float),
            (b"\x92\xc0\xa1a", DecodeError::Nil),
            (b"\x92\xc3\xa1a", DecodeError::Boolean),
            (b"\x92\xd4\0\0\xa1a", DecodeError::Extension),
            (b"\x92\xff\xa1a", DecodeError::Negative),
            (b"\x92\xd0\x01\xa1a", DecodeError::Negative),
            (b"\x92\x01\xa1\xff", DecodeError::NotUtf8),
            (b"\x91\x01", DecodeError::WrongArity),
            (b"\x93\x01\xa1a\x01", DecodeError::WrongArity),
            (b"\x92\xa1a\xa1a", DecodeError::WrongType),
            (b"\x92\x01\xc4\x01a", DecodeError::WrongType),
        ];
        for (bytes, expected) in cases {
            assert_eq!(refused(bytes), *expected, "{bytes:02x?}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_without_recursion() {
        let mut deep = vec![0x91; 100_000];
        deep.push(0x01);
        assert_eq!(refused(&deep), DecodeError::TooDeep);
    }
}
