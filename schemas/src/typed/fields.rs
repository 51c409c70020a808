//! What the messages of codes have in common: days, places of grants, and why a message is not read or not written.

use std::fmt;

use serde::{Serialize, Serializer};
use thiserror::Error;

use super::group::WrongKind;
use super::{BitReader, BitWriter, BitsError, GROUP_BITS, Kind, TypedCode};
use crate::codes::Code;
use crate::limits;
use crate::numbers::{Epoch, Micros, Seconds, Seq};
use crate::period;

const EPOCH_BITS: usize = 3;
const SEQ_BITS: usize = 20;
const DAY_BITS: usize = 15;

/// A day in UTC, counted from 2020-01-01, which is day 0, to 2109-09-18.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Day(u16);

impl Day {
    /// The last day that a code can name.
    pub const MAX: Self = Self((1 << DAY_BITS) - 1);
    /// Days from 1970-01-01 to day 0.
    const FIRST: u32 = 18_262;

    /// The day that holds `instant`; none before day 0 and after [`Self::MAX`].
    pub fn of(instant: Micros) -> Option<Self> {
        period::day(instant).checked_sub(Self::FIRST).and_then(|days| Self::from_number(days.into()))
    }

    /// The day of a number in a code.
    pub fn from_number(number: u64) -> Option<Self> {
        u16::try_from(number).ok().map(Self).filter(|day| *day <= Self::MAX)
    }

    /// Days since 2020-01-01.
    pub fn number(self) -> u16 {
        self.0
    }

    /// The first instant of the day.
    pub fn start(self) -> Micros {
        Micros::new(Seconds::days(u64::from(Self::FIRST) + u64::from(self.0)).micros())
    }

    /// The first instant after the day.
    pub fn end(self) -> Micros {
        self.start() + Seconds::days(1)
    }

    pub(super) fn write(self, writer: &mut BitWriter) {
        writer.uint(self.0.into(), DAY_BITS);
    }

    pub(super) fn read(reader: &mut BitReader<'_>) -> Result<Self, MessageError> {
        Self::from_number(reader.uint(DAY_BITS)?).ok_or(MessageError::Field("day"))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&period::day_text(Self::FIRST + u32::from(self.0)))
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The place of a grant among all of its licence; the higher one is newer.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct GrantPlace {
    /// The epoch of the authority chain: at most 7.
    pub epoch: Epoch,
    /// The place on that chain: 1 to 2²⁰−1.
    pub seq: Seq,
}

impl GrantPlace {
    /// Writes the place; none is written as zeros.
    pub(super) fn write(place: Option<Self>, writer: &mut BitWriter) -> Result<(), Unfit> {
        let (epoch, seq) = match place {
            Some(Self { seq: Seq(0), .. }) => return Err(Unfit("place of the grant")),
            Some(Self { epoch, seq }) => (epoch.0.into(), seq.0),
            None => (0, 0),
        };
        writer.fitting("epoch", epoch, EPOCH_BITS)?;
        writer.fitting("place of the grant", seq, SEQ_BITS)
    }

    pub(super) fn read(reader: &mut BitReader<'_>) -> Result<Option<Self>, MessageError> {
        let epoch = u32::try_from(reader.uint(EPOCH_BITS)?).expect("3 bits fit");
        match (epoch, reader.uint(SEQ_BITS)?) {
            (0, 0) => Ok(None),
            (_, 0) => Err(MessageError::Field("place of the grant")),
            (epoch, seq) => Ok(Some(Self { epoch: Epoch(epoch), seq: Seq(seq) })),
        }
    }
}

/// Why a code whose groups are right is not the message that it should be.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum MessageError {
    /// It is a code of another kind.
    #[error(transparent)]
    Kind(#[from] WrongKind),
    /// Its bits are too few or too many, or its checksum does not match.
    #[error(transparent)]
    Bits(#[from] BitsError),
    /// A field holds a value that no writer writes.
    #[error("no code has this {0}")]
    Field(&'static str),
}

impl MessageError {
    /// The refusal code that stands for this error.
    pub fn code(self) -> Code {
        match self {
            Self::Kind(error) => error.code(),
            Self::Bits(error) => error.code(),
            Self::Field(_) => Code::CodeMismatch,
        }
    }
}

/// Why a message is not written: a value is out of the range that its field has, or there are too many.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the {0} does not fit into a code")]
pub struct Unfit(pub &'static str);

impl Unfit {
    /// The refusal code that stands for this error.
    pub fn code(self) -> Code {
        Code::CodeUnfit
    }
}

impl BitWriter {
    /// Writes a number as `width` bits, unless it does not fit.
    pub(super) fn fitting(&mut self, field: &'static str, value: u64, width: usize) -> Result<(), Unfit> {
        if value >> width != 0 {
            return Err(Unfit(field));
        }
        self.uint(value, width);
        Ok(())
    }

    /// Refuses more than a code holds when `further` bits will follow.
    pub(super) fn within_limit(&self, field: &'static str, further: usize) -> Result<(), Unfit> {
        let groups = (self.len() + further).div_ceil(GROUP_BITS);
        if groups <= limits::CODE_GROUPS { Ok(()) } else { Err(Unfit(field)) }
    }
}

impl TypedCode {
    /// The fields of a code that must be of the kind `asked`.
    pub(super) fn fields_of(&self, asked: Kind) -> Result<BitReader<'_>, MessageError> {
        match self.kind() {
            found if found == asked => Ok(self.fields()),
            found => Err(WrongKind::Other { asked, found }.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Option<Day> {
        Day::of(Micros::parse(text).expect("RFC 3339"))
    }

    #[test]
    fn days_are_counted_from_2020_in_15_bits() {
        assert_eq!(day("2020-01-01").map(Day::number), Some(0));
        assert_eq!(day("2019-12-31T23:59:59.999999Z"), None);
        assert_eq!(day("2026-11-24T23:59:59.999999Z").map(Day::number), Some(2519));
        assert_eq!(day("2109-09-18"), Some(Day::MAX));
        assert_eq!(day("2109-09-19"), None);
        assert_eq!(Day::from_number(1 << 15), None);
        assert_eq!(Day::from_number(u64::MAX), None);
    }

    #[test]
    fn a_day_holds_its_first_instant_and_not_the_first_one_after_it() {
        for number in [0, 58, 59, 60, 2519, Day::MAX.number() - 1] {
            let day = Day::from_number(number.into()).expect("in range");
            assert_eq!(Day::of(day.start()), Some(day));
            assert_eq!(Day::of(day.end()).map(Day::number), Some(number + 1));
            assert_eq!(Micros::parse(&day.to_string()), Some(day.start()));
        }
    }
}
