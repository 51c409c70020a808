//! Metering: what may be counted, and in which period.

use schemas::codes::Code;
use schemas::event::Body;
use schemas::event::device::FeatureConsumed;
use schemas::numbers::{Amount, FeatureNumber, Micros, Seq, Total};
use schemas::period::Period;
use schemas::terms::Mode;
use schemas::text::UsageRef;

use super::{Decision, Device, DeviceError, Done, Known, Now};
use crate::check::Feature;

/// Units to be counted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Consume {
    /// The feature's name.
    pub feature: Box<str>,
    /// Units.
    pub n: Amount,
    /// When the use was, where that is not now.
    pub used_at: Option<Micros>,
    /// Makes the consumption idempotent.
    pub reference: Option<UsageRef>,
}

/// Units that were counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Consumed {
    /// The feature.
    pub feature: FeatureNumber,
    /// The event's place.
    pub seq: Seq,
    /// The period that they count in.
    pub period: Period,
    /// Units.
    pub n: Amount,
    /// Units of the feature in the period so far, these included.
    pub total: Total,
    /// Whether they had been counted before under the same `ref`.
    pub repeated: bool,
}

impl Device {
    pub(super) fn decide_consume(
        &self,
        command: &Consume,
        now: &Now<'_>,
        known: Known,
    ) -> Result<Decision, DeviceError> {
        // An empty variable in a script must not make every use the first one again.
        if command.reference.as_ref().is_some_and(|reference| reference.as_str().is_empty()) {
            return Err(DeviceError::Empty("ref"));
        }
        if let Some((seq, first)) = known.first {
            return Ok(self.nothing(Done::Consumed(Consumed {
                feature: first.feature,
                seq,
                period: first.period,
                n: first.n,
                total: first.total,
                repeated: true,
            })));
        }
        let at = self.mark.time(now.reading);
        let feature = self.allowed_feature(&command.feature, at)?;
        if let Some(used_at) = command.used_at.filter(|used_at| *used_at > at) {
            return Err(DeviceError::UsedAtInFuture { used_at, now: at });
        }
        let period = Period::of(feature.reset, at);
        if feature.mode == Mode::Hard {
            self.spend(feature, period, command.n)?;
        }
        let total = self.meter(feature.number, period).gross.plus(command.n.get());
        let total = total.ok_or_else(|| DeviceError::TotalExceeded(feature.name.clone()))?;
        let body = FeatureConsumed {
            feature: feature.number,
            period,
            n: command.n,
            total,
            used_at: command.used_at,
            reference: command.reference.clone(),
        };
        let (feature, n) = (feature.number, command.n);
        Ok(self.record(Body::FeatureConsumed(body), now, |seq| {
            Done::Consumed(Consumed { feature, seq, period, n, total, repeated: false })
        }))
    }

    /// The feature of a name, if the licence allows its use at `at`.
    fn allowed_feature(&self, name: &str, at: Micros) -> Result<&Feature, DeviceError> {
        let feature = self.basis.granted.as_deref().and_then(|granted| granted.feature(name));
        self.basis.judge(feature, at).map_err(DeviceError::NotAllowed)?;
        let feature = feature.ok_or(DeviceError::NotAllowed(Code::FeatureAbsent))?;
        match feature.mode {
            Mode::OnOff => Err(DeviceError::NotMetered(feature.name.clone())),
            Mode::Hard | Mode::Counted | Mode::Unlimited => Ok(feature),
        }
    }

    /// G − X − R − U ≥ n.
    fn spend(&self, feature: &Feature, period: Period, n: Amount) -> Result<(), DeviceError> {
        let name = || feature.name.clone();
        let left = self.units_left(feature.number, period);
        let left = left.ok_or_else(|| DeviceError::NoQuotaForPeriod { feature: name(), period })?;
        if left < n.get() {
            return Err(DeviceError::QuotaExhausted { feature: name(), period, left, asked: n.get() });
        }
        Ok(())
    }
}
