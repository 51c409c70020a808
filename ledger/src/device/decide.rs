//! What a device decides: a command and the time go in, events or a refusal come out.

use schemas::bundle::Attachment;
use schemas::codes::Code;
use schemas::event::device::{
    AgentStarted, ChainClosed, CloseReason, CodeIssued, FeatureConsumed, FingerprintChanged,
    FingerprintComponent, VariableSet,
};
use schemas::event::{Body, Event};
use schemas::ids::{ChainId, InstanceId, Link};
use schemas::numbers::{Amount, FeatureNumber, Micros, Seq};
use schemas::period::Period;
use schemas::text::Text;
use thiserror::Error;

use super::{AppliedGrant, Consume, Consumed, Device, Refund, Return, Returned};
use crate::clock::{Mark, Observed, Reading};
use crate::fingerprint;

/// What a device is told to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// Count units of a metered feature.
    Consume(Consume),
    /// Take units off a consumption again.
    Refund(Refund),
    /// Give reserved units back.
    Return(Return),
    /// Set a device variable.
    Set {
        /// The variable's name.
        name: Text,
        /// Its value and the commitment to it.
        value: Attachment,
    },
    /// Apply a grant that was believed.
    Apply(Box<AppliedGrant>),
    /// Record that a code is shown.
    Show(CodeIssued),
    /// Close the chain.
    Close,
    /// Close the chain in favour of another one.
    Succeed {
        /// The chain that follows it.
        successor: ChainId,
        /// Whether a believed grant that cannot be applied has it go on so; see [`Device::may_be_succeeded`].
        told: bool,
    },
    /// Note what is due about clock and fingerprint, and nothing else.
    Note,
}

/// The moment of a decision, as the process sees it.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// What the clocks show.
    pub reading: Reading,
    /// Names this opening of the store.
    pub instance: InstanceId,
    /// Names this start of the machine.
    pub boot: InstanceId,
    /// The device's fingerprint.
    pub fingerprint: &'a [FingerprintComponent],
}

/// What a decision needs to know of the chain beyond its state.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The consumption that the command's `ref` was first seen with, and its place.
    pub first: Option<(Seq, FeatureConsumed)>,
    /// The event that the command's grant acknowledges.
    pub acknowledged: Option<Acknowledged>,
}

/// The event of the chain that a grant acknowledges.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Acknowledged {
    /// The link after it.
    pub link: Link,
    /// Its time.
    pub at: Micros,
}

/// What was decided: events to be signed in order, and the state beside them.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The events; none when there is nothing to record.
    pub events: Vec<Event>,
    /// The clock's mark after them.
    pub mark: Mark,
    /// The value that belongs to the last event.
    pub attachment: Option<Attachment>,
    /// The grant that is applied.
    pub grant: Option<Box<AppliedGrant>>,
    /// What is answered.
    pub done: Done,
}

/// What a command came to.
#[derive(Clone, Debug)]
pub enum Done {
    /// Units were counted, or had been before.
    Consumed(Consumed),
    /// Units were taken off a consumption by the event at this place.
    Refunded(Seq),
    /// Reserved units were given back.
    Returned(Returned),
    /// A variable was set by the event at this place.
    Set(Seq),
    /// The grant was applied.
    Applied,
    /// The same grant had been applied before.
    AppliedBefore,
    /// The grant is genuine and was not applied; that is recorded.
    NotApplied(DeviceError),
    /// The event at this place records the code that is shown.
    Shown(Seq),
    /// The chain is closed.
    Closed,
    /// What was due is noted.
    Noted,
}

/// Why a device does not do what it was told.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum DeviceError {
    /// The licence does not allow it.
    #[error("the licence does not allow it: {}", .0.entry().title)]
    NotAllowed(Code),
    /// The chain is closed.
    #[error("the chain is closed")]
    Closed,
    /// The feature is on or off.
    #[error("the feature {0} is not metered")]
    NotMetered(Text),
    /// The feature's use is not held by reserved quota.
    #[error("the feature {0} has no reserved quota")]
    NotReserved(Text),
    /// More units are to be taken off a consumption than it counted.
    #[error("{n} units of feature {feature} for {period} were not counted by that consumption")]
    RefundTooLarge {
        /// The feature.
        feature: FeatureNumber,
        /// The period.
        period: Period,
        /// Units that were to be taken off.
        n: Amount,
    },
    /// Fewer units are left than are to be given back.
    #[error("of {feature}, {left} units are left for {period}; {asked} were to be given back")]
    ReturnTooLarge {
        /// The feature.
        feature: Text,
        /// The period.
        period: Period,
        /// Units left.
        left: u64,
        /// Units that were to be given back.
        asked: u64,
    },
    /// A text that names something is empty.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// The time of use is later than now.
    #[error("the time of use {used_at} is later than {now}")]
    UsedAtInFuture {
        /// The time of use.
        used_at: Micros,
        /// The effective time.
        now: Micros,
    },
    /// The total would be too large.
    #[error("the total of {0} would be too large")]
    TotalExceeded(Text),
    /// Fewer units are left than asked for.
    #[error("{left} units of {feature} are left for {period}, {asked} are asked for")]
    QuotaExhausted {
        /// The feature.
        feature: Text,
        /// The period.
        period: Period,
        /// Units left.
        left: u64,
        /// Units asked for.
        asked: u64,
    },
    /// No units were granted for the period.
    #[error("no units of {feature} are granted for {period}")]
    NoQuotaForPeriod {
        /// The feature.
        feature: Text,
        /// The period.
        period: Period,
    },
    /// The grant is for another chain.
    #[error("the licence file is for the device {0}")]
    GrantForeign(ChainId),
    /// The grant is for another product or environment.
    #[error("the licence file is for {product}, {environment}")]
    GrantMismatch {
        /// The product.
        product: Text,
        /// The environment.
        environment: Text,
    },
    /// The grant's issuer is revoked.
    #[error("the issuer of the licence file is revoked")]
    IssuerRevoked,
    /// A newer grant was applied.
    #[error("a newer licence file, number {0}, was applied")]
    Superseded(Seq),
    /// The grant's import date has passed.
    #[error("the licence file could be applied until {0}")]
    GrantLate(Micros),
    /// Nothing is known that a successor would mend.
    #[error("nothing is known of this device that asks for a successor")]
    NotRestored,
    /// The device was set back or copied, and nothing that it holds says that a successor may go on for it.
    #[error("no licence file that this device holds has it go on with a new record")]
    NotHealed,
    /// The vendor holds events of this chain that the device does not have.
    #[error(
        "the vendor holds this chain up to event {acknowledged}, the device up to {held}, or another event there"
    )]
    AckUnknown {
        /// The place that the vendor holds.
        acknowledged: Seq,
        /// The device's last place, before what it recorded only because it was started.
        held: Seq,
    },
}

impl DeviceError {
    /// The refusal code that stands for this error.
    pub fn code(&self) -> Code {
        match self {
            Self::NotAllowed(code) => *code,
            Self::Closed => Code::Deactivated,
            Self::NotMetered(_) => Code::FeatureNotMetered,
            Self::NotReserved(_) => Code::QuotaNotReserved,
            Self::RefundTooLarge { .. } => Code::RefundMismatch,
            Self::ReturnTooLarge { .. } => Code::ReturnTooLarge,
            Self::Empty(_) => Code::TextInvalid,
            Self::UsedAtInFuture { .. } => Code::UsedAtInFuture,
            Self::TotalExceeded(_) => Code::TotalExceeded,
            Self::QuotaExhausted { .. } => Code::QuotaExhausted,
            Self::NoQuotaForPeriod { .. } => Code::NoQuotaForPeriod,
            Self::GrantForeign(_) => Code::GrantForeign,
            Self::GrantMismatch { .. } => Code::GrantMismatch,
            Self::IssuerRevoked => Code::IssuerRevoked,
            Self::Superseded(_) => Code::GrantSuperseded,
            Self::GrantLate(_) => Code::GrantLate,
            Self::AckUnknown { .. } => Code::AckUnknown,
            Self::NotRestored => Code::NotRestored,
            Self::NotHealed => Code::HealRefused,
        }
    }
}

impl Device {
    /// Decides what a command comes to at this moment. The state is not changed.
    ///
    /// # Errors
    /// Why the device does not do it.
    pub fn decide(&self, command: &Command, now: &Now<'_>, known: Known) -> Result<Decision, DeviceError> {
        match command {
            Command::Consume(command) => self.decide_consume(command, now, known),
            Command::Refund(command) => self.decide_refund(*command, now),
            Command::Return(command) => self.decide_return(command, now),
            Command::Set { name, value } => self.decide_set(name, value, now),
            Command::Apply(offered) => self.decide_apply(offered, now, &known),
            Command::Show(_) if self.is_closed() => Err(DeviceError::Closed),
            Command::Show(code) => Ok(self.record(Body::CodeIssued(code.clone()), now, Done::Shown)),
            Command::Close => Ok(self.decide_close(now)),
            Command::Succeed { successor, told } => self.decide_succeed(*successor, *told, now),
            Command::Note => Ok(self.decide_note(now)),
        }
    }

    /// A decision that records nothing.
    pub(super) fn nothing(&self, done: Done) -> Decision {
        Decision { events: Vec::new(), mark: self.mark, attachment: None, grant: None, done }
    }

    /// A decision that records `body`, and what is due before it.
    pub(super) fn record(&self, body: Body, now: &Now<'_>, done: impl FnOnce(Seq) -> Done) -> Decision {
        let Observed { mark, note } = self.mark.observe(now.reading, self.clock_tolerance());
        let mut events = self.due(now, note.map(Body::ClockNoted), mark.at());
        events.push(Event { at: mark.at(), body });
        let seq = Seq(self.head().seq.0 + events.len() as u64);
        Decision { events, mark, attachment: None, grant: None, done: done(seq) }
    }

    /// What stands before the first other event of a process, and before any event that finds clock or fingerprint
    /// changed.
    pub(super) fn due(&self, now: &Now<'_>, clock: Option<Body>, at: Micros) -> Vec<Event> {
        let started = (!self.started)
            .then_some(Body::AgentStarted(AgentStarted { instance: now.instance, boot: now.boot }));
        let fingerprint = self.fingerprint_change(now.fingerprint).map(Body::FingerprintChanged);
        [started, clock, fingerprint].into_iter().flatten().map(|body| Event { at, body }).collect()
    }

    fn decide_set(&self, name: &Text, value: &Attachment, now: &Now<'_>) -> Result<Decision, DeviceError> {
        if self.is_closed() {
            return Err(DeviceError::Closed);
        }
        if name.as_str().is_empty() {
            return Err(DeviceError::Empty("name of the variable"));
        }
        let body = Body::VariableSet(VariableSet { name: name.clone(), value: value.commitment });
        Ok(Decision { attachment: Some(value.clone()), ..self.record(body, now, Done::Set) })
    }

    fn decide_close(&self, now: &Now<'_>) -> Decision {
        if self.is_closed() {
            return self.nothing(Done::Closed);
        }
        let body = ChainClosed { reason: CloseReason::Deactivated, successor: None };
        self.record(Body::ChainClosed(body), now, |_| Done::Closed)
    }

    fn decide_succeed(&self, successor: ChainId, told: bool, now: &Now<'_>) -> Result<Decision, DeviceError> {
        self.may_be_succeeded(told)?;
        let body = ChainClosed { reason: CloseReason::Succeeded, successor: Some(successor) };
        Ok(self.record(Body::ChainClosed(body), now, |_| Done::Closed))
    }

    fn decide_note(&self, now: &Now<'_>) -> Decision {
        let Observed { mark, note } = self.mark.observe(now.reading, self.clock_tolerance());
        let is_due = note.is_some() || self.fingerprint_change(now.fingerprint).is_some();
        let events = if is_due && !self.is_closed() {
            self.due(now, note.map(Body::ClockNoted), mark.at())
        } else {
            Vec::new()
        };
        // A clock that stands behind is kept as noted only where the note is kept too.
        let mark = if is_due && events.is_empty() { self.mark } else { mark };
        Decision { events, mark, attachment: None, grant: None, done: Done::Noted }
    }

    fn fingerprint_change(&self, current: &[FingerprintComponent]) -> Option<FingerprintChanged> {
        let rule = self.fingerprint_rule();
        let opening = &self.opened.fingerprint;
        let no_longer_same = fingerprint::is_same(rule, opening, &self.fingerprint)
            && !fingerprint::is_same(rule, opening, current);
        if !no_longer_same && !fingerprint::differs(&self.fingerprint, current) {
            return None;
        }
        let matched = u8::try_from(fingerprint::matched(opening, current)).unwrap_or(u8::MAX);
        Some(FingerprintChanged { fingerprint: current.to_vec(), matched })
    }
}
