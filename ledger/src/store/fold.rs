//! What a stretch of events says about what is kept beside them.
//!
//! Opening a store folds the newest events, with the application of the last grant and what was refused since; folding
//! all is left to verification. What happened before is not judged.

use std::collections::BTreeMap;

use schemas::event::device::GrantApplied;
use schemas::event::{Body, Event};
use schemas::numbers::{FeatureNumber, Micros, Seq, Total};
use schemas::period::Period;

use super::StoreError;
use crate::device::{AppliedGrant, Device, Meter, Refused};
use crate::fingerprint;

/// Events folded in their order.
pub(super) struct Fold {
    first: Seq,
    sums: BTreeMap<(FeatureNumber, Period), Stated>,
    applied: Option<(Seq, GrantApplied)>,
    /// The last of the events that the application of a grant recorded: itself and the returns that it asked for.
    applying: Option<Seq>,
    noted: Option<Seq>,
    fingerprint: Option<Seq>,
    refused: Option<Refused>,
    refusals: Vec<Seq>,
    sends_again: bool,
    /// When the device was last held against its fingerprint, each time.
    judged_at: Vec<Micros>,
    last_at: Micros,
}

/// What events say about the sums of one feature in one period.
#[derive(Clone, Copy, Default)]
struct Stated {
    gross: Option<Total>,
    refunded: u64,
    returned: Option<Total>,
}

impl Fold {
    /// A stretch of all events from `first` on. Before it, what is known of earlier ones may be pushed.
    pub(super) fn from(first: Seq) -> Self {
        Self {
            first,
            sums: BTreeMap::new(),
            applied: None,
            applying: None,
            noted: None,
            fingerprint: None,
            refused: None,
            refusals: Vec::new(),
            sends_again: false,
            judged_at: Vec::new(),
            last_at: Micros::default(),
        }
    }

    /// Takes in the next event.
    pub(super) fn push(&mut self, seq: Seq, event: &Event) {
        self.last_at = event.at;
        match &event.body {
            Body::FeatureConsumed(body) => self.sum(body.feature, body.period).gross = Some(body.total),
            Body::FeatureRefunded(body) => self.sum(body.feature, body.period).refunded += body.n.get(),
            Body::QuotaReturned(body) => {
                self.sum(body.feature, body.period).returned = Some(body.total);
                if self.applying.is_some_and(|applying| applying.next() == seq) {
                    self.applying = Some(seq);
                }
            }
            Body::ClockNoted(_) => self.noted = Some(seq),
            Body::FingerprintChanged(_) => {
                self.fingerprint = Some(seq);
                self.judged_at.push(event.at);
            }
            Body::GrantApplied(body) => {
                self.applied = Some((seq, body.clone()));
                self.applying = Some(seq);
                (self.refused, self.sends_again) = (None, false);
                self.refusals.clear();
                self.judged_at.push(event.at);
            }
            Body::GrantRefused(body) => {
                let applied = self.applied.as_ref().map(|(_, applied)| applied.epoch);
                self.sends_again |= Refused::asks_again(body, applied);
                self.refused = Refused::read(body).or(self.refused);
                self.refusals.push(seq);
            }
            _ => {}
        }
    }

    /// Holds the state that is kept against the events.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with the first thing that does not fit.
    pub(super) fn check(&self, device: &Device) -> Result<(), StoreError> {
        let saved = device.saved();
        let set_back = self.refused.is_some() && self.receipt(device).is_none();
        let checks = [
            (self.fits_grant(device), "the kept grant is not the one that was applied last"),
            (self.sums.iter().all(|sum| fits_sum(sum, device)), "the sums do not fit the last events"),
            (self.fits_mark(device), "the clock's mark was set back"),
            (self.fits_note(device), "the kept note of the clock is not the last one"),
            (self.is_last(saved.fingerprint, self.fingerprint), "the kept fingerprint is not the last one"),
            (self.fits_mismatch(device), "the kept mismatch does not fit the fingerprint"),
            (saved.set_back == set_back, "whether the device was set back is not what its events say"),
        ];
        match checks.into_iter().find(|(fits, _)| !fits) {
            Some((_, what)) => Err(StoreError::Damaged(what)),
            None => Ok(()),
        }
    }

    /// What was refused since the last applied grant.
    pub(super) fn refused(&self) -> Option<Refused> {
        self.refused
    }

    /// Whether something that was refused since then has all sent again; not after the receipt of a closing.
    pub(super) fn sends_again(&self, device: &Device) -> bool {
        self.sends_again && self.receipt(device).is_none()
    }

    /// Where something was refused since then; nowhere after the receipt of a closing.
    pub(super) fn refusals(&self, device: &Device) -> &[Seq] {
        if self.receipt(device).is_none() { &self.refusals } else { &[] }
    }

    fn sum(&mut self, feature: FeatureNumber, period: Period) -> &mut Stated {
        self.sums.entry((feature, period)).or_default()
    }

    fn applied_at(&self) -> Option<Seq> {
        self.applied.as_ref().map(|(seq, _)| *seq)
    }

    /// Whether the kept grant is the one that the events name last, or the receipt of a closing.
    fn fits_grant(&self, device: &Device) -> bool {
        let is_named = match (&self.applied, device.grant()) {
            (None, None) => true,
            (Some((_, named)), Some(kept)) => named.grant == kept.verified.id,
            _ => false,
        };
        device.saved().applied == self.applied_at() && (is_named || self.receipt(device).is_some())
    }

    /// The grant that a closed chain keeps as the receipt of its closing, which no event can name any more.
    fn receipt<'a>(&self, device: &'a Device) -> Option<&'a AppliedGrant> {
        let named = self.applied.as_ref().map(|(_, named)| (named.epoch, named.seq));
        device
            .grant()
            .filter(|kept| device.is_closed() && named.is_none_or(|named| named < kept.verified.order()))
    }

    /// The mark never stands before the last event. Only a grant can have cured it since, and sets it no earlier than
    /// its own time of issue.
    fn fits_mark(&self, device: &Device) -> bool {
        let is_last = self.applying == Some(device.head().seq);
        let curing = device.grant().filter(|_| is_last || self.receipt(device).is_some());
        device.saved().mark >= curing.map_or(self.last_at, |grant| grant.verified.issued_at)
    }

    /// A note is kept until a grant cures it.
    fn fits_note(&self, device: &Device) -> bool {
        let noted = device.saved().noted;
        if noted.is_some() {
            return self.is_last(noted, self.noted) && noted > Some(device.answered());
        }
        // Of several receipts of a closing only the last is kept, and an earlier one may have cured the clock.
        self.noted.is_none() || self.noted < self.applied_at() || self.receipt(device).is_some()
    }

    /// Whether the kept place of the last event of a kind is the one that was found, or lies before the stretch.
    fn is_last(&self, kept: Option<Seq>, found: Option<Seq>) -> bool {
        kept == found || found.is_none() && kept.is_some_and(|kept| kept < self.first)
    }

    /// A mismatch stands while the last fingerprint is not the first one's, and since an event that could show it.
    fn fits_mismatch(&self, device: &Device) -> bool {
        let since = device.saved().mismatch_since;
        let is_same = fingerprint::is_same(
            device.fingerprint_rule(),
            &device.opened().fingerprint,
            device.fingerprint(),
        );
        let is_whole = self.first == Seq(1) && self.receipt(device).is_none();
        let is_shown = |since| !is_whole || self.judged_at.contains(&since);
        since.is_none() == is_same && since.is_none_or(is_shown)
    }
}

fn fits_sum((key, stated): (&(FeatureNumber, Period), &Stated), device: &Device) -> bool {
    let kept: Option<&Meter> = device.meters().get(key);
    kept.is_some_and(|kept| {
        stated.gross.is_none_or(|total| kept.gross == total)
            && stated.returned.is_none_or(|total| kept.returned == total)
            && kept.refunded.get() >= stated.refunded
    })
}
