//! Values as they are typed: spans, and what belongs to a feature.

use std::str::FromStr;

use schemas::numbers::{Seconds, Total};
use schemas::period::Reset;
use schemas::terms::{Mode, TransferLimit};
use schemas::text::Text;

/// The longest span: beyond it no instant can be written.
const LONGEST: Seconds = Seconds::days(365 * 8_000);

/// A span of time: a number and a unit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span(pub Seconds);

/// A span of time, or `never`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SpanOrNever(pub Option<Seconds>);

/// `FEATURE=N[/day|month|year]`
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FeatureQuota {
    /// The feature's name.
    pub feature: Text,
    /// Units a period.
    pub limit: Total,
    /// The kind of period.
    pub reset: Reset,
}

/// `FEATURE=N`
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FeatureAmount {
    /// The feature's name.
    pub feature: Text,
    /// Units.
    pub amount: Total,
}

/// `FEATURE=MODE`
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FeatureMode {
    /// The feature's name.
    pub feature: Text,
    /// How its use is held.
    pub mode: Mode,
}

/// `FEATURE=SPAN`
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FeatureSpan {
    /// The feature's name.
    pub feature: Text,
    /// How long it is granted from the licence's start; absent: as long as the licence.
    pub span: Option<Seconds>,
}

/// How often a seat may move: `N/SPAN`, or `unlimited`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TransfersOption(pub Option<TransferLimit>);

/// How often a restored device may go on: `N/SPAN`, or `never`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HealsOption(pub Option<TransferLimit>);

impl FromStr for TransfersOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "unlimited" => Ok(Self(None)),
            _ => times(text).map(|limit| Self(Some(limit))),
        }
    }
}

impl FromStr for HealsOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(Self(None)),
            _ => times(text).map(|limit| Self(Some(limit))),
        }
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected a number and a unit out of s, m, h, d, w, y, such as 30d".to_owned();
        let unit = text.chars().last().ok_or_else(wrong)?;
        let number: u64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 7 * 86_400,
            'y' => 365 * 86_400,
            _ => return Err(wrong()),
        };
        match number.checked_mul(seconds).map(Seconds) {
            Some(span) if span <= LONGEST => Ok(Self(span)),
            _ => Err("a span is at most 8000y".to_owned()),
        }
    }
}

impl FromStr for SpanOrNever {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(Self(None)),
            _ => text.parse().map(|span: Span| Self(Some(span.0))),
        }
    }
}

impl FromStr for FeatureQuota {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (feature, quota) = of_feature(text)?;
        let (limit, reset) = match quota.split_once('/') {
            Some((limit, "day")) => (limit, Reset::Day),
            Some((limit, "month")) => (limit, Reset::Month),
            Some((limit, "year")) => (limit, Reset::Year),
            Some(_) => {
                return Err("a quota is for a day, a month or a year, or without these for good".to_owned());
            }
            None => (quota, Reset::Never),
        };
        Ok(Self { feature, limit: units(limit)?, reset })
    }
}

impl FromStr for FeatureAmount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (feature, amount) = of_feature(text)?;
        Ok(Self { feature, amount: units(amount)? })
    }
}

impl FromStr for FeatureMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (feature, mode) = of_feature(text)?;
        match mode.parse()? {
            Mode::OnOff => Err("expected one of hard, counted, unlimited".to_owned()),
            mode => Ok(Self { feature, mode }),
        }
    }
}

impl FromStr for FeatureSpan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (feature, span) = of_feature(text)?;
        Ok(Self { feature, span: span.parse::<SpanOrNever>()?.0 })
    }
}

/// Reads `N/SPAN`: a number of times in a window.
fn times(text: &str) -> Result<TransferLimit, String> {
    let wrong = || "expected a number of times in a span, such as 2/90d".to_owned();
    let (count, window) = text.split_once('/').ok_or_else(wrong)?;
    let (count, Span(window)) = (count.parse().map_err(|_| wrong())?, window.parse()?);
    if window == Seconds(0) {
        return Err(wrong());
    }
    Ok(TransferLimit { count, window })
}

/// Parts a feature's name from what is said of it; a name may hold `=` itself.
fn of_feature(text: &str) -> Result<(Text, &str), String> {
    match text.rsplit_once('=') {
        Some((feature, value)) if !feature.is_empty() => Ok((feature.parse()?, value)),
        _ => Err("expected FEATURE=…".to_owned()),
    }
}

fn units(text: &str) -> Result<Total, String> {
    let number: Option<u64> = text.parse().ok();
    number.and_then(Total::new).ok_or_else(|| "expected a number of units up to 9007199254740991".to_owned())
}
