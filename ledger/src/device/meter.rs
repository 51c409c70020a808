//! The sums of metered features, as the device's events move them.

use std::collections::BTreeMap;

use schemas::event::Body;
use schemas::numbers::{FeatureNumber, Total};
use schemas::period::Period;

/// The sums of one feature in one period.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Meter {
    /// Units used, refunds not taken off.
    pub gross: Total,
    /// Units refunded.
    pub refunded: Total,
    /// R: units given back to the vendor.
    pub returned: Total,
}

impl Meter {
    /// U: units used, net of refunds.
    pub fn used(&self) -> u64 {
        self.gross.get().saturating_sub(self.refunded.get())
    }

    /// Units left of `units` that were granted.
    pub fn left_of(&self, units: u64) -> u64 {
        units.saturating_sub(self.used()).saturating_sub(self.returned.get())
    }
}

/// The sum that an event moves, if it moves one.
pub(crate) fn moved_by(body: &Body) -> Option<(FeatureNumber, Period)> {
    match body {
        Body::FeatureConsumed(body) => Some((body.feature, body.period)),
        Body::FeatureRefunded(body) => Some((body.feature, body.period)),
        Body::QuotaReturned(body) => Some((body.feature, body.period)),
        _ => None,
    }
}

/// Takes an event into the sums; which sum it moved, if it moves one.
pub(crate) fn count(
    meters: &mut BTreeMap<(FeatureNumber, Period), Meter>,
    body: &Body,
) -> Option<(FeatureNumber, Period)> {
    let moved = moved_by(body)?;
    let meter = meters.entry(moved).or_default();
    match body {
        Body::FeatureConsumed(body) => meter.gross = meter.gross.saturating_plus(body.n.get()),
        Body::FeatureRefunded(body) => meter.refunded = meter.refunded.saturating_plus(body.n.get()),
        Body::QuotaReturned(body) => meter.returned = meter.returned.max(body.total),
        _ => {}
    }
    Some(moved)
}
