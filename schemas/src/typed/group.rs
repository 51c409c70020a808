//! One group: five symbols and a check symbol that is right for one kind of code and one place in it.
//!
//! The weights α¹ … α⁵ and 1 differ and none is 0, so that every wrong symbol and every exchange of two symbols is
//! seen. In the first group the first symbol is the header as well, which the seed contains: together its weight is
//! α + 1, and that differs from all others too.

use std::fmt::{self, Write as _};

use thiserror::Error;

use super::{GROUP_DATA, GROUP_SYMBOLS, Kind, VERSION_BITS, alphabet};
use crate::codes::Code;

/// The values of a group's symbols, the check symbol last.
pub(super) type Symbols = [u8; GROUP_SYMBOLS];

/// A group that is right in its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Group([u8; GROUP_DATA]);

impl Group {
    /// Judges one group by itself, as it is being typed; blanks and dashes in `text` are passed over.
    ///
    /// `number` counts from 1. The first group says its kind; any other one is judged by `kind`, and without one it is
    /// taken when it is right for some kind.
    ///
    /// # Errors
    /// What is wrong with it.
    ///
    /// # Panics
    /// When `number` is 0.
    pub fn check(kind: Option<Kind>, number: usize, text: &str) -> Result<Self, WrongGroup> {
        assert!(number > 0, "groups are counted from 1");
        let wrong = |cause| WrongGroup { number, cause };
        let typed: Vec<char> =
            text.chars().filter(|typed| !alphabet::is_blank(*typed) && !alphabet::is_dash(*typed)).collect();
        let symbols = symbols(&typed).map_err(wrong)?;
        let header = header(number, symbols);
        match (number, WrongKind::judge(kind, header)) {
            (1, _) if header != symbols[0] => Err(wrong(Cause::Check)),
            (1, Err(error)) => Err(wrong(Cause::Kind(error))),
            (_, Err(_)) => Err(wrong(Cause::Check)),
            (_, Ok(_)) => Ok(Self::of(symbols)),
        }
    }

    /// The values of the five symbols before the check symbol, each below 32.
    pub fn values(self) -> [u8; GROUP_DATA] {
        self.0
    }

    /// What `symbols` carry; whether they are right was found before.
    pub(super) fn of([values @ .., _check]: Symbols) -> Self {
        Self(values)
    }
}

/// A group that is wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WrongGroup {
    /// Its number, counted from 1.
    pub number: usize,
    /// What is wrong with it.
    pub cause: Cause,
}

impl fmt::Display for WrongGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group {} {}", self.number, self.cause)
    }
}

/// What is wrong with a group.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Cause {
    /// It holds a character that no code has.
    #[error("has {found:?} at place {place}, which is no symbol of a code")]
    Symbol {
        /// Where in the group, counted from 1 without blanks.
        place: usize,
        /// The character.
        found: char,
    },
    /// It is too short or too long.
    #[error("has {found} of {GROUP_SYMBOLS} symbols")]
    Length {
        /// The symbols that were typed.
        found: usize,
    },
    /// Its check symbol does not match: a symbol is mistyped, or the group belongs to another place or another code.
    #[error("is mistyped, or belongs elsewhere")]
    Check,
    /// It is the first group of another code.
    #[error("is of another code: {0}")]
    Kind(WrongKind),
    /// It was not typed, and those after it follow at once.
    #[error("was left out")]
    LeftOut,
    /// It was typed between two that follow each other.
    #[error("is one too many")]
    Extra,
}

impl Cause {
    /// The refusal code that stands for this cause.
    pub fn code(self) -> Code {
        match self {
            Self::Symbol { .. } => Code::CodeSymbol,
            Self::Length { .. } | Self::Check | Self::LeftOut | Self::Extra => Code::CodeGroupWrong,
            Self::Kind(error) => error.code(),
        }
    }
}

/// A code is not of the kind that was asked for.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum WrongKind {
    /// It is of another kind.
    #[error("this is {} code, not {} code", with_article(*.found), with_article(*.asked))]
    Other {
        /// What was asked for.
        asked: Kind,
        /// What it is.
        found: Kind,
    },
    /// A newer program wrote it.
    #[error("codes of kind {kind} in version {version} are not known")]
    Unknown {
        /// The number of its kind.
        kind: u8,
        /// Its version.
        version: u8,
    },
}

impl WrongKind {
    /// The kind that a header says, if it is the one that is asked for.
    pub(super) fn judge(asked: Option<Kind>, header: u8) -> Result<Kind, Self> {
        let found = Kind::of_header(header).ok_or(Self::Unknown {
            kind: header >> VERSION_BITS,
            version: (header & ((1 << VERSION_BITS) - 1)) + 1,
        })?;
        match asked {
            Some(asked) if asked != found => Err(Self::Other { asked, found }),
            _ => Ok(found),
        }
    }

    /// The refusal code that stands for this error.
    pub fn code(self) -> Code {
        match self {
            Self::Other { .. } => Code::CodeKind,
            Self::Unknown { .. } => Code::UnsupportedVersion,
        }
    }
}

fn with_article(kind: Kind) -> String {
    let article = if kind == Kind::Unlock { "an" } else { "a" };
    format!("{article} {kind}")
}

/// Tells of groups that are wrong; those that follow each other with one cause are told together.
pub(super) fn told(wrong: &[WrongGroup]) -> String {
    let mut told = String::new();
    for together in wrong.chunk_by(|one, next| {
        one.number + 1 == next.number && (one.cause, next.cause) == (Cause::Check, Cause::Check)
    }) {
        let separator = if told.is_empty() { "" } else { "; " };
        match together {
            [first, .., last] => {
                let (first, last) = (first.number, last.number);
                write!(told, "{separator}groups {first} to {last} are mistyped, or belong elsewhere")
            }
            alone => alone.iter().try_for_each(|group| write!(told, "{separator}{group}")),
        }
        .expect("a string takes every write");
    }
    told
}

/// The values of a typed group without blanks.
pub(super) fn symbols(typed: &[char]) -> Result<Symbols, Cause> {
    let values = typed
        .iter()
        .zip(1..)
        .map(|(typed, place)| alphabet::value(*typed).ok_or(Cause::Symbol { place, found: *typed }))
        .collect::<Result<Vec<u8>, _>>()?;
    values.try_into().map_err(|values: Vec<u8>| Cause::Length { found: values.len() })
}

/// A group as it is shown.
pub(super) fn written(header: u8, number: usize, values: &[u8]) -> String {
    let check = header ^ place(number) ^ weighted(values);
    values.iter().chain([&check]).map(|value| alphabet::symbol(*value)).collect()
}

/// The one header for which the group is right in this place. The first group is right only if it also says it.
pub(super) fn header(number: usize, symbols: Symbols) -> u8 {
    let [values @ .., check] = symbols;
    check ^ place(number) ^ weighted(&values)
}

/// Tells apart any two places less than 32 from each other: 0, α¹, …, α³¹, by the number's remainder.
fn place(number: usize) -> u8 {
    PLACES[number % PLACES.len()]
}

const PLACES: [u8; 32] = {
    let mut places = [0; 32];
    let (mut at, mut power) = (1, times_alpha(1));
    while at < places.len() {
        places[at] = power;
        power = times_alpha(power);
        at += 1;
    }
    places
};

/// α¹·v₁ + α²·v₂ + …, summed from the last.
fn weighted(values: &[u8]) -> u8 {
    values.iter().rev().fold(0, |sum, value| times_alpha(sum ^ value))
}

/// The product with α = x in GF(32), modulo x⁵ + x² + 1.
const fn times_alpha(element: u8) -> u8 {
    let product = element << 1;
    if product & 0b10_0000 == 0 { product } else { product ^ 0b10_0101 }
}

#[cfg(test)]
mod tests;
