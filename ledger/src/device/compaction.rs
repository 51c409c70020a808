//! Which acknowledged events a device may drop, where its grant lets it.

use schemas::event::{Body, Event};
use schemas::grant::GrantStatus;
use schemas::numbers::{Micros, Seconds, Seq};

use super::Device;

/// How long an event is kept after it was recorded, acknowledged or not: a vendor that restores a backup which is no older
/// than that is sent all that the backup lacks.
pub const KEPT_FOR: Seconds = Seconds::days(90);
/// How many of the newest events are kept however old they are; opening a store folds as many.
pub const KEPT_EVENTS: u64 = 8_192;

impl Device {
    /// The last place that may be dropped, as far as places tell: before the acknowledged event, which a later grant may
    /// name again. Nothing while the vendor waits for events, holds another history, or the licence does not stand.
    pub fn droppable_to(&self) -> Option<Seq> {
        let grant = &self.grant()?.verified.body;
        let stands = grant.status == GrantStatus::Active && !self.is_closed() && !self.basis.set_back;
        let has_all = grant.missing.is_empty() && grant.resend_from.is_none() && !self.sends_again;
        if !grant.compact || !stands || !has_all || grant.forked.is_some() {
            return None;
        }
        let newest = self.head().seq.0.checked_sub(KEPT_EVENTS)?;
        Some(Seq(grant.ack.seq.0.checked_sub(1)?.min(newest))).filter(|seq| seq.0 > 0)
    }

    /// Whether `event` is old enough at `now` to be dropped.
    pub fn is_old(event: &Event, now: Micros) -> bool {
        event.at + KEPT_FOR <= now
    }

    /// Whether the event at `seq` is needed whatever was acknowledged: the activation request, the fingerprint that is held
    /// against the present one, and a use that is known again by its `ref`.
    pub fn needs(&self, seq: Seq, event: &Event) -> bool {
        let names_itself =
            matches!(&event.body, Body::FeatureConsumed(consumed) if consumed.reference.is_some());
        seq <= Seq(2) || self.saved.fingerprint == Some(seq) || names_itself
    }
}
