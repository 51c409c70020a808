//! When a report is of use to the vendor: a function of what the device has that the vendor is not known to have, of the
//! last grant, and of the time. Each report costs the vendor a merge and an answer, and its events a run of their own, so a
//! device that reports by itself waits until there are enough of them, unless somebody waits for what it would say.

use schemas::event::{Body, Event};
use schemas::grant::GrantStatus;
use schemas::numbers::{Micros, Seconds};
use serde::Serialize;

use super::{AppliedGrant, Device};

/// So many events are worth a report of their own: about a quarter of a full run.
pub const ENOUGH_EVENTS: u64 = 1_000;
/// The last part of the time between a grant and its check-in deadline in which a report is useful whatever it holds.
const LAST_PART: u64 = 4;
/// How long a few events wait where no deadline makes the device check in.
const LONGEST_WAIT: Seconds = Seconds::days(30);

/// Why a report is useful; of several reasons the first one is told.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UsefulBecause {
    /// The licence was given back on this device.
    Closed,
    /// An activation was asked for, and the vendor has not answered.
    Request,
    /// The vendor asks for events that it does not have.
    AskedFor,
    /// The device was set back to an older state, and the vendor decides what follows.
    SetBack,
    /// A record before this one is not reported to its end.
    EarlierRecord,
    /// Reserved quota was given back and becomes free with the report.
    QuotaReturned,
    /// The clock was set; the answer to a report sets the device's time right.
    ClockNoted,
    /// There are enough events.
    EnoughEvents,
    /// The check-in deadline is near, or was passed.
    CheckIn,
    /// Events have waited for 30 days, and no deadline makes the device check in.
    WaitedLong,
}

impl UsefulBecause {
    /// The same in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Request => "the vendor has not answered the request",
            Self::Closed => "the licence was given back",
            Self::AskedFor => "the vendor asks for events",
            Self::SetBack => "this device was set back",
            Self::EarlierRecord => "an earlier record is not reported to its end",
            Self::QuotaReturned => "quota was given back",
            Self::ClockNoted => "the clock was set",
            Self::EnoughEvents => "enough events wait",
            Self::CheckIn => "the check-in deadline is near",
            Self::WaitedLong => "events have waited for 30 days",
        }
    }
}

/// Whether a report is useful now, and when it is at the latest.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Usefulness {
    /// Whether it is useful now.
    pub useful: bool,
    /// Why it is; nothing while it is not.
    pub because: Option<UsefulBecause>,
    /// Events that the vendor is not known to have.
    pub events: u64,
    /// From so many on it is useful.
    pub enough: u64,
    /// When it is useful even if nothing more happens. Nothing where it is useful now, or where only something that
    /// happens makes it so.
    pub at_latest: Option<Micros>,
}

/// What a device has that the vendor is not known to have.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Unreported {
    events: u64,
    since: Option<Micros>,
    because: Option<UsefulBecause>,
}

impl Unreported {
    /// So many events, none of which was looked at.
    pub fn new(events: u64) -> Self {
        Self { events, ..Self::default() }
    }

    /// Looks at one of the events, in their order. Where there are [`ENOUGH_EVENTS`] none need be looked at.
    pub fn hear(&mut self, event: &Event) {
        self.since.get_or_insert(event.at);
        let because = match &event.body {
            Body::ChainClosed(_) => UsefulBecause::Closed,
            Body::ActivationRequested(_) => UsefulBecause::Request,
            Body::QuotaReturned(_) => UsefulBecause::QuotaReturned,
            _ => return,
        };
        self.note(because);
    }

    /// The same beside a record before this one that is not reported to its end, if there is one.
    #[must_use]
    pub fn beside_earlier(mut self, earlier_record: bool) -> Self {
        if earlier_record {
            self.note(UsefulBecause::EarlierRecord);
        }
        self
    }

    fn note(&mut self, because: UsefulBecause) {
        self.because = Some(self.because.map_or(because, |noted| noted.min(because)));
    }
}

impl Device {
    /// Whether a report is useful at the time `now`, and when it is at the latest.
    pub fn usefulness(&self, unreported: &Unreported, now: Micros) -> Usefulness {
        let deadline = self.useful_from(unreported);
        let because = self.waited_for(unreported).or_else(|| {
            let (because, at) = deadline?;
            (at <= now).then_some(because)
        });
        let at_latest = deadline.map(|(_, at)| at).filter(|_| because.is_none());
        let Unreported { events, .. } = *unreported;
        Usefulness { useful: because.is_some(), because, events, enough: ENOUGH_EVENTS, at_latest }
    }

    /// What makes a report useful at any time.
    fn waited_for(&self, unreported: &Unreported) -> Option<UsefulBecause> {
        let body = self.grant().map(|applied| &applied.verified.body);
        let asks = body.is_some_and(|body| body.resend_from.is_some() || !body.missing.is_empty());
        let noted = self.saved.noted.is_some_and(|noted| noted >= self.unreported_from());
        let enough = unreported.events >= ENOUGH_EVENTS;
        // Events stay on a device that goes on by codes: what a code tells is no fewer for them.
        if self.grant().is_some_and(AppliedGrant::is_typed) {
            let reasons = [
                (self.is_closed() && !self.is_ended(), UsefulBecause::Closed),
                (self.saved.noted.is_some(), UsefulBecause::ClockNoted),
            ];
            return reasons.into_iter().find(|(holds, _)| *holds).map(|(_, because)| because);
        }
        let reasons = [
            (self.is_closed() && unreported.events > 0, UsefulBecause::Closed),
            (body.is_none(), UsefulBecause::Request),
            (asks || self.sends_again, UsefulBecause::AskedFor),
            (self.saved.set_back, UsefulBecause::SetBack),
            (noted, UsefulBecause::ClockNoted),
            (enough, UsefulBecause::EnoughEvents),
        ];
        let reasons = reasons.into_iter().filter(|(holds, _)| *holds).map(|(_, because)| because);
        reasons.chain(unreported.because).min()
    }

    /// Whether the last grant says that the activation ended.
    fn is_ended(&self) -> bool {
        self.grant().is_some_and(|applied| applied.verified.body.status == GrantStatus::Released)
    }

    /// From when on a report is useful even if nothing more happens: in the last quarter of the time that the last grant
    /// left until the check-in, or where there is no check-in, 30 days after the first event that waits. An activation that
    /// does not stand has nothing to check in for.
    fn useful_from(&self, unreported: &Unreported) -> Option<(UsefulBecause, Micros)> {
        let AppliedGrant { verified, .. } = self.grant()?;
        let stands = matches!(verified.body.status, GrantStatus::Active | GrantStatus::Suspended);
        if !stands || self.is_closed() || self.basis.ended.is_some() {
            return None;
        }
        match verified.body.check_in.sync_by {
            Some(by) => {
                let last_part = by.since(verified.issued_at) / LAST_PART;
                Some((UsefulBecause::CheckIn, Micros::new(by.get() - last_part)))
            }
            None if self.grant().is_some_and(AppliedGrant::is_typed) => None,
            None => unreported.since.map(|since| (UsefulBecause::WaitedLong, since + LONGEST_WAIT)),
        }
    }
}

#[cfg(test)]
mod tests;
