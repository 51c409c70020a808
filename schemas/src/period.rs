//! Reset periods: the spans of the UTC calendar after which a metered feature starts again at zero.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::canonical::Violation;
use crate::numbers::Micros;
use crate::wire::choices;

choices! {
    /// How often a metered feature's quota starts again.
    Reset {
        /// Never: one period for the licence's whole life.
        Never = 0 "never",
        /// On 1 January, UTC.
        Year = 1 "year",
        /// On the first of the month, UTC.
        Month = 2 "month",
        /// At midnight, UTC.
        Day = 3 "day",
    }
}

/// One period: its index since 1970 and its length, as `index × 4 + reset`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Period(u32);

/// Days in the span that [`Micros`] covers: to the end of the year 9998.
const DAYS: u64 = 2_932_532;
const DAY_MICROS: u64 = 86_400_000_000;

impl Period {
    /// The period of kind `reset` that holds `instant`.
    pub fn of(reset: Reset, instant: Micros) -> Self {
        let date = Date::of_day(instant.get() / DAY_MICROS);
        let index = match reset {
            Reset::Never => 0,
            Reset::Year => date.year - 1970,
            Reset::Month => (date.year - 1970) * 12 + date.month - 1,
            Reset::Day => narrow(instant.get() / DAY_MICROS),
        };
        Self(index * 4 + u32::from(reset.number()))
    }

    /// The period of a number on the wire.
    pub fn from_number(number: u32) -> Option<Self> {
        let period = Self(number);
        let most = match period.reset() {
            Reset::Never => 0,
            Reset::Year => 9998 - 1970,
            Reset::Month => (9998 - 1970) * 12 + 11,
            Reset::Day => narrow(DAYS - 1),
        };
        (period.index() <= most).then_some(period)
    }

    /// Reads a period as it is written: `2026`, `2026-11`, `2026-11-24` or `life`.
    pub fn parse(text: &str) -> Option<Self> {
        let (reset, first_day) = match text.len() {
            4 if text == "life" => (Reset::Never, "1970-01-01".to_owned()),
            4 => (Reset::Year, format!("{text}-01-01")),
            7 => (Reset::Month, format!("{text}-01")),
            _ => (Reset::Day, text.to_owned()),
        };
        let period = Self::of(reset, Micros::parse(&first_day)?);
        (period.to_string() == text).then_some(period)
    }

    /// The number on the wire.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The kind of period.
    pub fn reset(self) -> Reset {
        Reset::from_number(u64::from(self.0 % 4)).expect("a remainder by 4 is one of the four kinds")
    }

    /// The first instant that belongs to the period.
    pub fn start(self) -> Micros {
        let index = self.index();
        let days = match self.reset() {
            Reset::Never => 0,
            Reset::Year => Date { year: 1970 + index, month: 1, day: 1 }.days(),
            Reset::Month => Date { year: 1970 + index / 12, month: index % 12 + 1, day: 1 }.days(),
            Reset::Day => u64::from(index),
        };
        Micros::new(days * DAY_MICROS)
    }

    /// The first instant after the period; for a whole life, the last instant there is.
    pub fn end(self) -> Micros {
        match self.reset() {
            Reset::Never => Micros::MAX,
            _ => self.next().start(),
        }
    }

    /// The period that follows; a whole life has none and follows itself.
    #[must_use]
    pub fn next(self) -> Self {
        match self.reset() {
            Reset::Never => self,
            _ => Self(self.0 + 4),
        }
    }

    fn index(self) -> u32 {
        self.0 / 4
    }
}

/// The UTC day that holds `instant`, counted from 1970-01-01.
pub fn day(instant: Micros) -> u32 {
    narrow(instant.get() / DAY_MICROS)
}

/// A day in the form `2026-11-24`.
pub fn day_text(day: u32) -> String {
    let Date { year, month, day } = Date::of_day(u64::from(day));
    format!("{year:04}-{month:02}-{day:02}")
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Date { year, month, day } = Date::of_day(self.start().get() / DAY_MICROS);
        match self.reset() {
            Reset::Never => f.write_str("life"),
            Reset::Year => write!(f, "{year:04}"),
            Reset::Month => write!(f, "{year:04}-{month:02}"),
            Reset::Day => write!(f, "{year:04}-{month:02}-{day:02}"),
        }
    }
}

impl Serialize for Period {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u32(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_number(u32::deserialize(deserializer)?).ok_or_else(|| Violation::OutOfRange.raise())
    }
}

/// A date of the proleptic Gregorian calendar from 1970 on.
struct Date {
    year: u32,
    month: u32,
    day: u32,
}

impl Date {
    /// The date `days` after 1970-01-01, by Howard Hinnant's `civil_from_days`.
    fn of_day(days: u64) -> Self {
        let shifted = narrow(days) + 719_468;
        let era = shifted / 146_097;
        let day_of_era = shifted % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Self {
            year: year_of_era + era * 400 + u32::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
        }
    }

    /// Days since 1970-01-01, by Howard Hinnant's `days_from_civil`.
    fn days(&self) -> u64 {
        let year = self.year - u32::from(self.month <= 2);
        let era = year / 400;
        let year_of_era = year % 400;
        let shifted_month = if self.month > 2 { self.month - 3 } else { self.month + 9 };
        let day_of_year = (153 * shifted_month + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        u64::from(era * 146_097 + day_of_era - 719_468)
    }
}

fn narrow(days: u64) -> u32 {
    u32::try_from(days.min(DAYS)).expect("the days to the year 9998 fit")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Micros {
        Micros::parse(text).expect("RFC 3339")
    }

    #[test]
    fn periods_follow_the_utc_calendar() {
        let instant = at("2024-02-29T23:59:59.999999Z");
        let cases = [
            (Reset::Never, "life", "1970-01-01T00:00:00Z", "9998-12-31T23:59:59.999999Z"),
            (Reset::Year, "2024", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
            (Reset::Month, "2024-02", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
            (Reset::Day, "2024-02-29", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
        ];
        for (reset, name, start, end) in cases {
            let period = Period::of(reset, instant);
            assert_eq!(
                (period.to_string().as_str(), period.start(), period.end()),
                (name, at(start), at(end))
            );
            assert_eq!(Period::from_number(period.number()), Some(period));
            assert_eq!(Period::parse(name), Some(period));
        }
    }

    #[test]
    fn what_is_no_period_is_not_read_as_one() {
        for text in
            ["", "lives", "20244", "2024-13", "2024-02-30", "2024-2", "24-02-01", "2024-02-29T00:00:00Z"]
        {
            assert_eq!(Period::parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_the_calendar_agrees_with_another_implementation() {
        let mut date = jiff::civil::date(1970, 1, 1);
        for number in 0..400_000_u32 {
            assert_eq!(day_text(number), date.to_string());
            assert_eq!(day(at(&date.to_string())), number);
            date = date.tomorrow().expect("long before the year 9998");
        }
    }

    #[test]
    fn numbers_beyond_the_calendar_are_refused() {
        assert_eq!(Period::from_number(4), None);
        assert_eq!(Period::from_number(u32::MAX), None);
        assert!(Period::from_number(Period::of(Reset::Day, Micros::MAX).number()).is_some());
    }
}
