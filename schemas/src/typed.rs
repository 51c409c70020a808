//! Codes that a person reads off one screen and types on another: symbols, groups with a check symbol, and bits.
//!
//! ```text
//! code  = group - group - …        at most 160
//! group = five symbols of 5 bits and a check symbol
//! check = header + place(number) + α¹·v₁ + … + α⁵·v₅   over GF(32), x⁵ + x² + 1
//! bits  = header (kind: 3, version − 1: 2), fields, zeros up to the end of the last group
//! ```
//!
//! What is typed is never corrected: a group is right or it is named. The fields of each kind are in modules of their own;
//! whose signature or MAC proves a code is not said here. `docs/formats/codes.md` specifies the same.

mod alphabet;
mod bits;
mod fields;
mod group;
mod lines;
mod reading;
mod request;
mod returned;
mod unlock;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use self::bits::Bits;
pub use self::bits::{BitReader, BitWriter, BitsError};
pub use self::fields::{Day, GrantPlace, MessageError, Unfit};
pub use self::group::{Cause, Group, WrongGroup, WrongKind};
pub use self::lines::{GROUPS_A_LINE, Lines, Numbers, unnumbered};
pub use self::request::{DeviceTag, KeyCheck, RequestFields};
pub use self::returned::{ChainReference, CodeMac, LinkStart, ReturnCode, ReturnFields, ReturnStart};
pub use self::unlock::{CodeQuota, CodeUnits, UnlockCode, UnlockFields, UnlockState};
use crate::canonical::Violation;
use crate::codes::Code;
use crate::limits;
use crate::wire::{blob, choices};

/// The version of the codes that this program writes.
pub const VERSION: u8 = 1;
/// Symbols of a group that carry bits.
pub const GROUP_DATA: usize = 5;
/// Symbols of a group, the check symbol included.
pub const GROUP_SYMBOLS: usize = 6;
/// Bits that a symbol carries.
const SYMBOL_BITS: usize = 5;
/// Bits that a group carries.
pub const GROUP_BITS: usize = GROUP_DATA * SYMBOL_BITS;

choices! {
    /// What a code is. The number 1 is that of licence keys, whose groups are of another form.
    Kind {
        /// Device to vendor: asks for an activation.
        Request = 2 "request",
        /// Vendor to device: answers a request.
        Unlock = 3 "unlock",
        /// Device to vendor: tells what was used, or that the activation ended.
        Return = 4 "return",
    }
}

impl Kind {
    /// The value of the first symbol: the kind's number, then the version.
    fn header(self) -> u8 {
        self.number() << VERSION_BITS | (VERSION - 1)
    }

    /// The kind that a first symbol says, if it is one of this version.
    fn of_header(header: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.header() == header)
    }
}

const VERSION_BITS: u32 = 2;

/// Cuts what was typed into groups as [`TypedCode::read`] does and writes their symbols as a code does: capital letters, `0`
/// for `O`, `1` for `I` and `L`. What is no symbol stands as it was typed. No group is empty, and none is judged.
pub fn cut(text: &str) -> Vec<String> {
    reading::cut(text)
}

/// A code whose groups are all right. It is made by [`BitWriter::finish`] or read from what was typed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TypedCode {
    kind: Kind,
    bits: Bits,
}

impl TypedCode {
    /// Reads what was typed; with `asked`, a code of another kind is refused.
    ///
    /// Case does not matter, `O` is `0`, `I` and `L` are `1`, blanks are passed over. Hyphens and other dashes end a
    /// group; where there are none, groups are cut by six symbols.
    ///
    /// # Errors
    /// All groups that are wrong, by their numbers from 1; or that it is a code of another kind. How many groups a code
    /// must have is found by whoever reads its fields.
    pub fn read(asked: Option<Kind>, text: &str) -> Result<Self, ReadError> {
        reading::read(asked, text)
    }

    /// What the code is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The number of its groups.
    pub fn groups(&self) -> usize {
        self.bits.len() / GROUP_BITS
    }

    /// Reads the fields, which begin after the header.
    pub fn fields(&self) -> BitReader<'_> {
        BitReader::new(&self.bits)
    }

    /// All that the code carries, in the form of [`BitWriter::so_far`].
    pub fn content(&self) -> Vec<u8> {
        self.bits.first(self.bits.len())
    }

    /// The code that carries `content`; nothing where no code does.
    pub fn from_content(content: &[u8]) -> Option<Self> {
        let bits = Bits::from_first(content)?;
        let groups = bits.len() / GROUP_BITS;
        if bits.len() % GROUP_BITS != 0 || !(1..=limits::CODE_GROUPS).contains(&groups) {
            return None;
        }
        let kind = Kind::of_header(bits.symbols()[0])?;
        Some(Self { kind, bits })
    }
}

/// In signed bytes the content, for people the symbols.
impl Serialize for TypedCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            blob::serialize(&self.content(), serializer)
        }
    }
}

impl<'de> Deserialize<'de> for TypedCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let content = blob::deserialize(deserializer)?;
        Self::from_content(&content).ok_or_else(|| Violation::OutOfRange.raise())
    }
}

impl fmt::Display for TypedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = self.kind.header();
        let groups: Vec<String> = self
            .bits
            .symbols()
            .chunks(GROUP_DATA)
            .zip(1..)
            .map(|(values, number)| group::written(header, number, values))
            .collect();
        f.pad(&groups.join("-"))
    }
}

/// Why what was typed is not taken.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum ReadError {
    /// Nothing was typed.
    #[error("nothing was typed")]
    Empty,
    /// More groups than any code has.
    #[error("{groups} groups were typed, more than any code has")]
    TooLong {
        /// The groups that were typed.
        groups: usize,
    },
    /// It is not a code of the kind that was asked for.
    #[error(transparent)]
    Kind(#[from] WrongKind),
    /// Groups that are wrong, in the order in which they were typed; there is at least one. All others are right.
    #[error("{}", group::told(.0))]
    Groups(Vec<WrongGroup>),
}

impl ReadError {
    /// The refusal code that stands for this error; of several groups the first one gives it.
    pub fn code(&self) -> Code {
        match self {
            Self::Empty | Self::TooLong { .. } => Code::CodeLength,
            Self::Kind(error) => error.code(),
            Self::Groups(wrong) => wrong.first().map_or(Code::CodeGroupWrong, |group| group.cause.code()),
        }
    }
}

#[cfg(test)]
mod tests;
