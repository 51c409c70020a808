//! Refunds: units of a consumption that were not used after all.

use schemas::event::Body;
use schemas::event::device::FeatureRefunded;
use schemas::numbers::Amount;

use super::{Consumed, Decision, Device, DeviceError, Done, Now};

/// Units to be taken off a consumption again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refund {
    /// The consumption, as it was answered. Whoever holds it refunds it once.
    pub of: Consumed,
    /// Units.
    pub n: Amount,
}

impl Device {
    /// To refund is no licensed act, and it grants nothing that was not there: it goes on in every state but after the
    /// chain's end.
    pub(super) fn decide_refund(&self, refund: Refund, now: &Now<'_>) -> Result<Decision, DeviceError> {
        if self.is_closed() {
            return Err(DeviceError::Closed);
        }
        let Refund { of: Consumed { feature, period, seq, n: most, .. }, n } = refund;
        let meter = self.meter(feature, period);
        if n > most || n.get() > meter.used() || seq > self.head().seq {
            return Err(DeviceError::RefundTooLarge { feature, period, n });
        }
        let body = FeatureRefunded { feature, period, n, consumption: seq };
        Ok(self.record(Body::FeatureRefunded(body), now, Done::Refunded))
    }
}
