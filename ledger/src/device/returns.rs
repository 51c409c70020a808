//! Giving reserved quota back: by the device's own wish, and because a grant asks for it.

use std::collections::BTreeMap;

use schemas::codes::Code;
use schemas::event::Body;
use schemas::event::device::QuotaReturned;
use schemas::grant::GrantBody;
use schemas::numbers::{Amount, FeatureNumber, Seq, Total};
use schemas::period::Period;
use schemas::terms::Mode;

use super::{Decision, Device, DeviceError, Done, Meter, Now};

/// Reserved units to be given back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Return {
    /// The feature's name.
    pub feature: Box<str>,
    /// Units.
    pub n: Amount,
    /// The period that they are held for, where that is not the present one.
    pub period: Option<Period>,
}

/// Units that were given back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Returned {
    /// The feature.
    pub feature: FeatureNumber,
    /// The event's place.
    pub seq: Seq,
    /// The period that they were held for.
    pub period: Period,
    /// Units.
    pub n: Amount,
    /// R: units of the feature and period given back so far, these included.
    pub total: Total,
    /// Units that are left to be used.
    pub left: u64,
}

impl Device {
    /// To give units back is no licensed act: it goes on when the licence has ended. Only a device that was set back
    /// does not know how many it has left, and what one of several copies gives back frees nothing.
    pub(super) fn decide_return(&self, command: &Return, now: &Now<'_>) -> Result<Decision, DeviceError> {
        if self.is_closed() {
            return Err(DeviceError::Closed);
        }
        let granted = self.basis.granted.as_deref().ok_or(DeviceError::NotAllowed(Code::NotActivated))?;
        let feature = granted.feature(&command.feature);
        let feature = feature.ok_or(DeviceError::NotAllowed(Code::FeatureAbsent))?;
        if feature.mode != Mode::Hard {
            return Err(DeviceError::NotReserved(feature.name.clone()));
        }
        if self.basis.set_back || granted.forked.is_some() {
            return Err(DeviceError::NotAllowed(Code::Forked));
        }
        let at = self.mark.time(now.reading);
        let period = command.period.unwrap_or_else(|| Period::of(feature.reset, at));
        let left = self.units_left(feature.number, period).filter(|_| at < period.end());
        let left =
            left.ok_or_else(|| DeviceError::NoQuotaForPeriod { feature: feature.name.clone(), period })?;
        let n = command.n.get();
        let rest = left.checked_sub(n).ok_or_else(|| DeviceError::ReturnTooLarge {
            feature: feature.name.clone(),
            period,
            left,
            asked: n,
        })?;
        let total = self.meter(feature.number, period).returned.plus(n);
        let total = total.ok_or_else(|| DeviceError::TotalExceeded(feature.name.clone()))?;
        let (feature, n) = (feature.number, command.n);
        let body = QuotaReturned { feature, period, n, total };
        Ok(self.record(Body::QuotaReturned(body), now, |seq| {
            Done::Returned(Returned { feature, seq, period, n, total, left: rest })
        }))
    }

    /// What the return requests of a grant come to once it is applied: of each as much as is left, and nothing that
    /// was given back before.
    pub(super) fn asked_back(&self, body: &GrantBody) -> Vec<QuotaReturned> {
        let mut meters: BTreeMap<(FeatureNumber, Period), Meter> = BTreeMap::new();
        let mut returns = Vec::new();
        for request in &body.return_requests {
            let (feature, period) = (request.feature, request.period);
            let meter = meters.entry((feature, period)).or_insert_with(|| self.meter(feature, period));
            let left = body.units_for(feature, period).map_or(0, |units| meter.left_of(units));
            let wanted = request.n.get().saturating_sub(meter.returned.get());
            // What one event cannot say is asked for again by the next grant.
            let n = Amount::new(left.min(wanted).min(u64::from(u32::MAX)));
            let Some((n, total)) = n.and_then(|n| Some((n, meter.returned.plus(n.get())?))) else { continue };
            meter.returned = total;
            returns.push(QuotaReturned { feature, period, n, total });
        }
        returns
    }

    /// Units that the last grant asks back and the device could not give; nothing where it asks for none or has them.
    pub fn still_asked_back(&self, feature: FeatureNumber, period: Period) -> Option<u64> {
        let requests = &self.grant()?.verified.body.return_requests;
        let asked = requests.iter().filter(|request| (request.feature, request.period) == (feature, period));
        let asked = asked.map(|request| request.n.get()).max()?;
        Some(asked.saturating_sub(self.meter(feature, period).returned.get())).filter(|n| *n > 0)
    }

    /// G − X − R − U of a feature in a period; nothing where no quota is granted for it.
    pub(super) fn units_left(&self, feature: FeatureNumber, period: Period) -> Option<u64> {
        let units = self.grant()?.verified.body.units_for(feature, period)?;
        Some(self.meter(feature, period).left_of(units))
    }
}
