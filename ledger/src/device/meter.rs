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

/// Takes an event into the sums; which sum it moved, if it moves one.
pub(crate) fn count(
    meters: &mut BTreeMap<(FeatureNumber, Period), Meter>,
    body: &Body,
) -> Option<(FeatureNumber, Period)> {
    match body {
        Body::FeatureConsumed(body) => {
            let meter = meters.entry((body.feature, body.period)).or_default();
            meter.gross = meter.gross.saturating_plus(body.n.get());
            Some((body.feature, body.period))
        }
        Body::FeatureRefunded(body) => {
            let meter = meters.entry((body.feature, body.period)).or_default();
            meter.refunded = meter.refunded.saturating_plus(body.n.get());
            Some((body.feature, body.period))
        }
        Body::QuotaReturned(body) => {
            let meter = meters.entry((body.feature, body.period)).or_default();
            meter.returned = meter.returned.max(body.total);
            Some((body.feature, body.period))
        }
        _ => None,
    }
}
