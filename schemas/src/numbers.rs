//! Numbers with one meaning each: positions, instants, spans, counts.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

use crate::canonical::Violation;
use crate::limits;

/// Defines newtypes over unsigned integers.
macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

numbers! {
    /// The place of an event in its chain; the first event has 1, and 0 means "none yet".
    Seq(u64);
    /// A feature's number within its product; never reused.
    FeatureNumber(u16);
    /// Counts the authority chains of one licence: raised when a vendor restores a backup.
    Epoch(u32);
    /// Counts the entitlements of one licence, from 1.
    Revision(u32);
    /// A span of time in seconds.
    Seconds(u64);
}

impl Seq {
    /// The place after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Seconds {
    /// A span of whole days.
    pub const fn days(days: u64) -> Self {
        Self(days * 86_400)
    }

    /// The span in microseconds.
    pub fn micros(self) -> u64 {
        self.0.saturating_mul(1_000_000)
    }
}

/// An instant: microseconds since 1970-01-01T00:00:00Z, leap seconds not counted. At most the end of the year 9998.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Micros(u64);

impl Micros {
    /// The last instant that can be written.
    pub const MAX: Self = Self(253_370_764_799_999_999);

    /// The instant `micros` after 1970; later than [`Self::MAX`] becomes that.
    pub fn new(micros: u64) -> Self {
        Self(micros).min(Self::MAX)
    }

    /// The instant of a number on the wire.
    pub fn from_number(micros: u64) -> Option<Self> {
        (micros <= Self::MAX.0).then_some(Self(micros))
    }

    /// Microseconds since 1970.
    pub fn get(self) -> u64 {
        self.0
    }

    /// Reads RFC 3339, such as `2026-11-24T07:00:00Z`, or a date, which means its first instant in UTC.
    pub fn parse(text: &str) -> Option<Self> {
        let timestamp = match text.parse::<jiff::Timestamp>() {
            Ok(timestamp) => timestamp,
            Err(_) => {
                text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()
            }
        };
        u64::try_from(timestamp.as_microsecond()).ok().map(Self::new)
    }

    /// How long before this instant `earlier` is; zero when it is not earlier.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Seconds> for Micros {
    type Output = Self;

    fn add(self, span: Seconds) -> Self {
        Self::new(self.0.saturating_add(span.micros()))
    }
}

impl Sub<Seconds> for Micros {
    type Output = Self;

    fn sub(self, span: Seconds) -> Self {
        Self(self.0.saturating_sub(span.micros()))
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = i64::try_from(self.0).expect("no instant is later than the year 9998");
        let timestamp =
            jiff::Timestamp::from_microsecond(micros).expect("no instant is later than the year 9998");
        timestamp.fmt(f)
    }
}

impl fmt::Debug for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Micros({self})")
    }
}

impl Serialize for Micros {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_number(u64::deserialize(deserializer)?).ok_or_else(|| Violation::OutOfRange.raise())
    }
}

/// A number of a feature's units in one consumption: 1 to 2³²−1.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Amount(u32);

impl Amount {
    /// The amount, unless it is zero or too large.
    pub fn new(n: u64) -> Option<Self> {
        u32::try_from(n).ok().filter(|n| *n > 0).map(Self)
    }

    /// The number.
    pub fn get(self) -> u64 {
        u64::from(self.0)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u64::deserialize(deserializer)?).ok_or_else(|| Violation::OutOfRange.raise())
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A cumulative number of a feature's units: at most 2⁵³−1.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Total(u64);

impl Total {
    /// No units.
    pub const ZERO: Self = Self(0);

    /// The total, unless it is too large.
    pub fn new(n: u64) -> Option<Self> {
        (n <= limits::TOTAL_MAX).then_some(Self(n))
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// The sum, unless it is too large.
    pub fn plus(self, n: u64) -> Option<Self> {
        self.0.checked_add(n).and_then(Self::new)
    }

    /// The sum, held at the largest total: for folds that must accept whatever was signed.
    #[must_use]
    pub fn saturating_plus(self, n: u64) -> Self {
        Self(self.0.saturating_add(n).min(limits::TOTAL_MAX))
    }
}

impl<'de> Deserialize<'de> for Total {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u64::deserialize(deserializer)?).ok_or_else(|| Violation::OutOfRange.raise())
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{DecodeError, from_bytes, to_bytes};

    #[test]
    fn an_instant_reads_and_prints_as_rfc_3339() {
        let instant = Micros::parse("2013-01-01T10:00:00.25Z").expect("RFC 3339");
        assert_eq!(instant.get(), 1_357_034_400_250_000);
        assert_eq!(instant.to_string(), "2013-01-01T10:00:00.25Z");
        assert_eq!(Micros::parse("2013-01-01"), Micros::parse("2013-01-01T00:00:00Z"));
        assert_eq!(Micros::parse("yesterday"), None);
        assert_eq!(Micros::MAX.to_string(), "9998-12-31T23:59:59.999999Z");
    }

    #[test]
    fn numbers_outside_their_range_are_refused() {
        assert_eq!(from_bytes::<Amount>(b"\x00"), Err(DecodeError::OutOfRange));
        assert_eq!(from_bytes::<Amount>(&to_bytes(&(1_u64 << 32))), Err(DecodeError::OutOfRange));
        assert_eq!(from_bytes::<Total>(&to_bytes(&(1_u64 << 53))), Err(DecodeError::OutOfRange));
        assert_eq!(from_bytes::<Micros>(&to_bytes(&u64::MAX)), Err(DecodeError::OutOfRange));
        assert_eq!(from_bytes::<FeatureNumber>(&to_bytes(&65_536_u64)), Err(DecodeError::OutOfRange));
    }
}
