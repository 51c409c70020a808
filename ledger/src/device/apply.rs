//! Whether a genuine grant is applied: it must be for this chain, newer than the last one, in time, and know no more
//! of the chain than the device does.

use schemas::event::device::GrantApplied;
use schemas::event::{Body, Event};
use schemas::ids::Link;
use schemas::numbers::{Micros, Seq};

use super::{Acknowledged, AppliedGrant, Decision, Device, DeviceError, Done, Known, Now, Refused};
use crate::clock::Observed;

impl Device {
    /// The place whose link must be known before `offered` can be decided on.
    pub fn acknowledged_by(&self, offered: &AppliedGrant) -> Option<Seq> {
        let seq = offered.verified.body.ack.seq;
        (seq > Seq(0) && seq <= self.head().seq).then_some(seq)
    }

    pub(super) fn decide_apply(
        &self,
        offered: &AppliedGrant,
        now: &Now<'_>,
        known: &Known,
    ) -> Result<Decision, DeviceError> {
        self.is_for_this_device(offered)?;
        if self.is_applied_before(offered)? {
            return Ok(self.nothing(Done::AppliedBefore));
        }
        let cures = self.saved.noted.is_some_and(|noted| offered.verified.body.ack.seq >= noted);
        let time = if cures { now.reading.wall } else { self.mark.time(now.reading) };
        if let Some(until) = offered.verified.body.import_until.filter(|until| time >= *until) {
            return self.refuse_late(offered, now, DeviceError::GrantLate(until));
        }
        if let Err(error) = self.knows_acknowledged(offered, known.acknowledged) {
            return self.record_refusal(offered, now, error);
        }
        Ok(self.take(offered, now, known.acknowledged.filter(|_| cures)))
    }

    fn is_for_this_device(&self, offered: &AppliedGrant) -> Result<(), DeviceError> {
        let body = &offered.verified.body;
        if body.device != self.chain {
            return Err(DeviceError::GrantForeign(body.device));
        }
        if body.product != self.opened.product || body.environment != self.opened.environment {
            let (product, environment) = (body.product.clone(), body.environment.clone());
            return Err(DeviceError::GrantMismatch { product, environment });
        }
        let issuer = &offered.verified.issuer;
        if self.revocations.certificates.contains(issuer) || body.revocations.certificates.contains(issuer) {
            return Err(DeviceError::IssuerRevoked);
        }
        Ok(())
    }

    fn is_applied_before(&self, offered: &AppliedGrant) -> Result<bool, DeviceError> {
        if let Some(refused) = self.refused.filter(|refused| offered.verified.order() < refused.order) {
            return Err(DeviceError::Superseded(refused.order.1));
        }
        let Some(last) = self.grant() else { return Ok(false) };
        if offered.verified.id == last.verified.id {
            return Ok(true);
        }
        if offered.verified.order() <= last.verified.order() {
            return Err(DeviceError::Superseded(last.verified.seq));
        }
        Ok(false)
    }

    /// A vendor that holds more of the chain, or another history, saw a newer state of this device.
    fn knows_acknowledged(
        &self,
        offered: &AppliedGrant,
        own: Option<Acknowledged>,
    ) -> Result<(), DeviceError> {
        let ack = offered.verified.body.ack;
        if (ack.seq == Seq(0) && ack.link == Link::START) || own.is_some_and(|own| own.link == ack.link) {
            return Ok(());
        }
        // What was due when this process began says nothing of how far the device had come.
        Err(DeviceError::AckUnknown { acknowledged: ack.seq, held: self.found.unwrap_or(self.head().seq) })
    }

    /// Keeps on the chain, once, that the device learned that it was set back, and what the grant takes away.
    fn record_refusal(
        &self,
        offered: &AppliedGrant,
        now: &Now<'_>,
        error: DeviceError,
    ) -> Result<Decision, DeviceError> {
        let refused = Refused::of(offered);
        if self.is_closed() || self.refused.is_some_and(|last| last.code == refused.code) {
            return Err(error);
        }
        Ok(self.record(Body::GrantRefused(refused.body()), now, |_| Done::NotApplied(error)))
    }

    /// Keeps on the chain, once, that the vendor went back to an older ledger and asks for what it lost, though the grant
    /// that says so came too late: nothing else may ever tell, where the clock that judges it waits for a cure.
    fn refuse_late(
        &self,
        offered: &AppliedGrant,
        now: &Now<'_>,
        error: DeviceError,
    ) -> Result<Decision, DeviceError> {
        let body = &offered.verified.body;
        let lost_some = self.grant().is_some_and(|last| {
            last.verified.body.epoch < body.epoch && body.ack.seq < last.verified.body.ack.seq
        });
        if self.is_closed() || self.sends_again || !lost_some {
            return Err(error);
        }
        let refused = Refused::late(offered);
        Ok(self.record(Body::GrantRefused(refused), now, |_| Done::NotApplied(error)))
    }

    /// Nothing follows the end of a chain: there the grant is kept without an event. One that cures the clock does so from
    /// the event that it acknowledges on.
    fn take(&self, offered: &AppliedGrant, now: &Now<'_>, cures_from: Option<Acknowledged>) -> Decision {
        let issued_at = offered.verified.issued_at;
        let (mark, note) = if let Some(acknowledged) = cures_from {
            (self.mark.cured(issued_at, acknowledged.at, now.reading), None)
        } else {
            let Observed { mark, note } = self.mark.observe(now.reading, self.clock_tolerance());
            (mark.raised(issued_at), note)
        };
        let at = mark.time(now.reading);
        let events = if self.is_closed() {
            Vec::new()
        } else {
            let mut events = self.due(now, note.map(Body::ClockNoted), at);
            events.push(applied(offered, at));
            let returns = self.asked_back(&offered.verified.body).into_iter();
            events.extend(returns.map(|body| Event { at, body: Body::QuotaReturned(body) }));
            events
        };
        Decision {
            events,
            mark,
            attachment: None,
            grant: Some(Box::new(offered.clone())),
            done: Done::Applied,
        }
    }
}

fn applied(offered: &AppliedGrant, at: Micros) -> Event {
    let body = GrantApplied {
        epoch: offered.verified.body.epoch,
        seq: offered.verified.seq,
        grant: offered.verified.id,
    };
    Event { at, body: Body::GrantApplied(body) }
}
