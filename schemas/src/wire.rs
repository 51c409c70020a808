//! How this crate's types meet serde: integers and bytes on the wire, hex and words for people.
//!
//! `rmp-serde` is not human readable and `serde_json` is, so one `Serialize` serves both; only the wire form is
//! ever read back.

/// Defines newtypes over `[u8; N]`: binary on the wire, lower-case hex for people.
macro_rules! byte_ids {
    ($($(#[$doc:meta])* $name:ident[$len:literal];)*) => {$(
        $crate::wire::fixed_bytes! { $(#[$doc])* $name[$len]; }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::canonical::DecodeError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                data_encoding::HEXLOWER_PERMISSIVE
                    .decode(text.as_bytes())
                    .ok()
                    .and_then(|bytes| Self::from_slice(&bytes))
                    .ok_or($crate::canonical::DecodeError::WrongType)
            }
        }
    )*};
}

/// Defines newtypes over the 16 bytes of a UUID: binary on the wire, the hyphenated form for people.
macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $crate::wire::fixed_bytes! { $(#[$doc])* $name[16]; }

        impl $name {
            /// The identifier in the form that people read and type.
            pub fn uuid(self) -> uuid::Uuid {
                uuid::Uuid::from_bytes(self.0)
            }

            /// Reads the form that people type.
            pub fn parse(text: &str) -> Option<Self> {
                uuid::Uuid::try_parse(text).ok().map(|id| Self(id.into_bytes()))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.uuid().fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::canonical::DecodeError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text).ok_or($crate::canonical::DecodeError::WrongType)
            }
        }
    )*};
}

/// Defines one newtype over `[u8; N]` without its form for people, which is its `Display`.
macro_rules! fixed_bytes {
    ($(#[$doc:meta])* $name:ident[$len:literal];) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// The number of bytes.
            pub const LEN: usize = $len;

            /// The bytes as a slice.
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }

            /// Reads the value from a slice of exactly the right length.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_bytes($crate::wire::FixedBytes::<$len>).map(Self)
            }
        }
    };
}

/// Defines enums of plain choices: a small integer on the wire, a word for people.
macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum $name {
            $($(#[$variant_doc])* $variant = $number,)*
        }

        impl $name {
            /// Every choice, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word that people read and type.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// The number on the wire.
            pub fn number(self) -> u8 {
                self as u8
            }

            /// The choice of a number on the wire.
            pub fn from_number(number: u64) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.word())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|choice| choice.word() == text).ok_or_else(|| {
                    let words: Vec<_> = Self::ALL.iter().map(|choice| choice.word()).collect();
                    format!("expected one of {}", words.join(", "))
                })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.serialize_str(self.word())
                } else {
                    serializer.serialize_u8(self.number())
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let number = <u64 as serde::Deserialize>::deserialize(deserializer)?;
                Self::from_number(number).ok_or_else(|| $crate::canonical::Violation::OutOfRange.raise())
            }
        }
    )*};
}

/// Defines an enum whose variants carry a body: `[number, body]` on the wire, `{"type": word, …}` for people.
macro_rules! tagged {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident($body:ty) = $number:literal $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant($body),)*
        }

        impl $name {
            /// The word that names the variant.
            pub fn word(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $word,)*
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    #[derive(serde::Serialize)]
                    struct Named<'a, T> {
                        r#type: &'static str,
                        #[serde(flatten)]
                        body: &'a T,
                    }
                    match self {
                        $(Self::$variant(body) => Named { r#type: $word, body }.serialize(serializer),)*
                    }
                } else {
                    match self {
                        $(Self::$variant(body) => ($number as u8, body).serialize(serializer),)*
                    }
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Tagged;
                impl<'de> serde::de::Visitor<'de> for Tagged {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an array of a number and a body")
                    }

                    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<$name, A::Error> {
                        use serde::de::Error as _;
                        let number = seq.next_element::<u64>()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
                        match number {
                            $($number => seq
                                .next_element::<$body>()?
                                .map($name::$variant)
                                .ok_or_else(|| A::Error::invalid_length(1, &self)),)*
                            _ => Err($crate::canonical::Violation::OutOfRange.raise()),
                        }
                    }
                }
                deserializer.deserialize_tuple(2, Tagged)
            }
        }
    };
}

pub(crate) use {byte_ids, choices, fixed_bytes, tagged, uuid_ids};

use std::fmt;

use serde::de::{SeqAccess, Visitor};

/// Visits binary of exactly `N` bytes, and nothing that only looks like it.
pub(crate) struct FixedBytes<const N: usize>;

impl<const N: usize> Visitor<'_> for FixedBytes<N> {
    type Value = [u8; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} bytes")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<[u8; N], E> {
        bytes.try_into().map_err(|_| E::custom("cf: wrong width"))
    }
}

/// An optional value: an array of 0 or 1 elements on the wire. For `#[serde(with = "optional")]`.
pub(crate) mod optional {
    use std::marker::PhantomData;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{SeqAccess, Visitor, fmt};

    #[expect(clippy::ref_option, reason = "serde passes the field by reference")]
    pub(crate) fn serialize<S: Serializer, T: Serialize>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            value.serialize(serializer)
        } else {
            serializer.collect_seq(value)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        struct ZeroOrOne<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ZeroOrOne<T> {
            type Value = Option<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of 0 or 1 elements")
            }

            // A second element is left unread, which the decoder reports as a wrong arity.
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<T>, A::Error> {
                seq.next_element()
            }
        }
        deserializer.deserialize_seq(ZeroOrOne(PhantomData))
    }
}

/// A boolean: 0 or 1 on the wire. For `#[serde(with = "flag")]`.
pub(crate) mod flag {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::canonical::Violation;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
    pub(crate) fn serialize<S: Serializer>(value: &bool, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_bool(*value)
        } else {
            serializer.serialize_u8(u8::from(*value))
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
        match u64::deserialize(deserializer)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Violation::OutOfRange.raise()),
        }
    }
}

/// A list of at most [`crate::limits::LIST_ENTRIES`] elements. For `#[serde(deserialize_with = "list")]`.
pub(crate) fn list<'de, D: serde::Deserializer<'de>, T: serde::Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct Bounded<T>(std::marker::PhantomData<T>);
    impl<'de, T: serde::Deserialize<'de>> Visitor<'de> for Bounded<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut values = Vec::new();
            while let Some(value) = seq.next_element()? {
                if values.len() == crate::limits::LIST_ENTRIES {
                    return Err(crate::canonical::Violation::TooLong.raise());
                }
                values.push(value);
            }
            Ok(values)
        }
    }
    deserializer.deserialize_seq(Bounded(std::marker::PhantomData))
}

/// Binary of at most [`crate::limits::PACK_BYTES`] bytes, the longest there is. For `#[serde(with = "blob")]`.
pub(crate) mod blob {
    use serde::{Deserializer, Serializer};

    use super::{Visitor, fmt};
    use crate::canonical::Violation;
    use crate::limits;

    pub(crate) fn serialize<S: Serializer>(value: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&data_encoding::HEXLOWER.encode(value))
        } else {
            serializer.serialize_bytes(value)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Blob;
        impl Visitor<'_> for Blob {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                if bytes.len() > limits::PACK_BYTES {
                    return Err(Violation::TooLong.raise());
                }
                Ok(bytes.to_vec())
            }
        }
        deserializer.deserialize_bytes(Blob)
    }
}
