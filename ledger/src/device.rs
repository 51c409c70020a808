//! A device's own chain as a fold over its events, and what it decides: functions of the state, the command and the
//! time. The store keeps what is decided; nothing here does.

mod apply;
mod compaction;
mod consume;
mod decide;
pub(crate) mod meter;
mod open;
mod refund;
mod refused;
mod reporting;
mod returns;
mod seen;

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::event::device::{ChainOpened, FingerprintComponent};
use schemas::event::{Body, Event};
use schemas::grant::{Ack, Grant, Revocations};
use schemas::ids::{ChainId, KeyReference, LicenseId, Link};
use schemas::numbers::{Epoch, FeatureNumber, Micros, Seconds, Seq};
use schemas::period::Period;
use schemas::run::DeviceOrigin;
use schemas::terms::OnFork;

pub use self::compaction::{KEPT_EVENTS, KEPT_FOR};
pub use self::consume::{Consume, Consumed};
pub use self::decide::{Acknowledged, Command, Decision, DeviceError, Done, Known, Now};
pub use self::meter::Meter;
pub use self::open::Opening;
pub use self::refund::Refund;
pub use self::refused::Refused;
pub use self::reporting::{ENOUGH_EVENTS, Unreported, UsefulBecause, Usefulness};
pub use self::returns::{Return, Returned};
pub use self::seen::Seen;
use crate::chain::{self, Head};
use crate::check::{Basis, Granted, Life, Snapshot, Window};
use crate::clock::Mark;
use crate::fingerprint;
use crate::trust::VerifiedGrant;

/// The tolerance until a grant says another.
const CLOCK_TOLERANCE: Seconds = Seconds::days(1);

/// The state of a device's chain.
#[derive(Clone, Debug)]
pub struct Device {
    origin: DeviceOrigin,
    chain: ChainId,
    opened: ChainOpened,
    saved: Saved,
    fingerprint: Vec<FingerprintComponent>,
    meters: BTreeMap<(FeatureNumber, Period), Meter>,
    grant: Option<Arc<AppliedGrant>>,
    /// The last grant of the chain that this one follows.
    inherited: Option<Arc<AppliedGrant>>,
    revocations: Revocations,
    refused: Option<Refused>,
    /// Whether a grant that was not applied told that the vendor went back to an older ledger.
    sends_again: bool,
    basis: Basis,
    left: Vec<u64>,
    mark: Mark,
    started: bool,
    /// The head that this process found, as long as it recorded no more than what was due.
    found: Option<Seq>,
}

/// The part of the state that is kept in one row beside the events, so that opening a chain folds only the last of
/// them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Saved {
    /// The head.
    pub head: Head,
    /// The link before the last event.
    pub prev: Link,
    /// The clock's mark.
    pub mark: Micros,
    /// Whether the clock stands behind and that was noted.
    pub behind: bool,
    /// The last note of the clock that no grant has cured.
    pub noted: Option<Seq>,
    /// The last grant that was applied.
    pub applied: Option<Seq>,
    /// The last change of the fingerprint.
    pub fingerprint: Option<Seq>,
    /// Since when the fingerprint does not match.
    pub mismatch_since: Option<Micros>,
    /// Whether the device learned that it was set back to an older state.
    pub set_back: bool,
}

impl Saved {
    /// Before the first event of a chain, at `mark`.
    pub fn start(mark: Micros) -> Self {
        Self {
            head: Head::START,
            prev: Link::START,
            mark,
            behind: false,
            noted: None,
            applied: None,
            fingerprint: None,
            mismatch_since: None,
            set_back: false,
        }
    }
}

/// A grant that was applied.
#[derive(Clone, Debug)]
pub struct AppliedGrant {
    /// As it came.
    pub grant: Grant,
    /// What it says.
    pub verified: VerifiedGrant,
}

impl AppliedGrant {
    /// Whether it was typed as a code.
    pub fn is_typed(&self) -> bool {
        self.verified.body.typed.is_some()
    }

    /// The licence, which a code does not tell.
    pub fn license(&self) -> Option<LicenseId> {
        Some(self.verified.body.license).filter(|_| !self.is_typed())
    }
}

/// What a chain's state is put together from when it is opened.
#[derive(Debug)]
pub struct Parts {
    /// What the chain's header says.
    pub origin: DeviceOrigin,
    /// What the first event says.
    pub opened: ChainOpened,
    /// What is kept beside the events.
    pub saved: Saved,
    /// The fingerprint as it was recorded last.
    pub fingerprint: Vec<FingerprintComponent>,
    /// How far the event that the state stands at left the chain.
    pub life: Life,
    /// The sums of the metered features.
    pub meters: BTreeMap<(FeatureNumber, Period), Meter>,
    /// The last applied grant.
    pub grant: Option<AppliedGrant>,
    /// The newest list of revoked issuers.
    pub revocations: Revocations,
}

impl Device {
    /// Puts the state of a chain together.
    pub fn from_parts(parts: Parts) -> Self {
        let Parts { origin, opened, saved, fingerprint, life, meters, grant, revocations } = parts;
        let mut device = Self {
            chain: chain::device_chain(&origin.signer, &origin.reference),
            origin,
            opened,
            mark: Mark::kept(saved.mark, saved.behind),
            basis: Basis {
                life,
                granted: None,
                mismatch_since: saved.mismatch_since,
                set_back: saved.set_back,
                ended: None,
            },
            saved,
            fingerprint,
            meters,
            grant: grant.map(Arc::new),
            inherited: None,
            revocations,
            refused: None,
            sends_again: false,
            left: Vec::new(),
            started: false,
            found: None,
        };
        device.prepare_grant();
        device
    }

    /// The chain.
    pub fn chain(&self) -> ChainId {
        self.chain
    }

    /// What the chain's header says.
    pub fn origin(&self) -> &DeviceOrigin {
        &self.origin
    }

    /// The public part of the licence key.
    pub fn reference(&self) -> KeyReference {
        self.origin.reference
    }

    /// What the first event says.
    pub fn opened(&self) -> &ChainOpened {
        &self.opened
    }

    /// What is kept beside the events.
    pub fn saved(&self) -> Saved {
        Saved { mark: self.mark.at(), behind: self.mark.is_behind(), ..self.saved }
    }

    /// The head.
    pub fn head(&self) -> Head {
        self.saved.head
    }

    /// Whether the chain is closed.
    pub fn is_closed(&self) -> bool {
        self.basis.life.is_closed()
    }

    /// The last applied grant.
    pub fn grant(&self) -> Option<&AppliedGrant> {
        self.grant.as_deref()
    }

    /// The grant that answers rest on: the last applied one, or before the first, that of the chain that this one
    /// follows.
    pub fn rests_on(&self) -> Option<&AppliedGrant> {
        self.grant.as_deref().or(self.inherited.as_deref())
    }

    /// Whether a successor may go on in this chain's place: only where the vendor has it go on so, or the old chain would
    /// be ended for nothing. The grant that was applied last says so, or, where `told`, a believed one that a device
    /// which was set back cannot apply.
    ///
    /// # Errors
    /// Why it may not.
    pub fn may_be_succeeded(&self, told: bool) -> Result<(), DeviceError> {
        if self.is_closed() {
            return Err(DeviceError::Closed);
        }
        if let Some(code) = self.basis.ended {
            return Err(DeviceError::NotAllowed(code));
        }
        let on_fork = self.grant().and_then(|grant| grant.verified.body.forked);
        let restored = self.saved.set_back;
        if on_fork == Some(OnFork::Heal) || told && restored {
            return Ok(());
        }
        Err(if restored || on_fork.is_some() { DeviceError::NotHealed } else { DeviceError::NotRestored })
    }

    /// The newest list of revoked issuers.
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// How far the vendor has the chain, as far as the device knows. By a code it gets no events.
    pub fn ack(&self) -> Ack {
        let travelled = self.grant().filter(|grant| !grant.is_typed());
        travelled.map_or(Ack::NONE, |grant| grant.verified.body.ack)
    }

    /// The last place that the vendor knew of when it wrote the last applied grant: that of what it acknowledges, or of the
    /// code that it answers.
    pub fn answered(&self) -> Seq {
        self.grant().map_or(Seq(0), |grant| grant.verified.body.ack.seq)
    }

    /// The first place that the vendor may not have, as far as the device knows; beyond the head where it has all.
    pub fn unreported_from(&self) -> Seq {
        let after_ack = self.ack().seq.next();
        let resend = self.grant().and_then(|grant| grant.verified.body.resend_from);
        if self.sends_again { Seq(1) } else { resend.map_or(after_ack, |resend| resend.min(after_ack)) }
    }

    /// What the licence as a whole rests on.
    pub fn basis(&self) -> &Basis {
        &self.basis
    }

    /// The fingerprint as it was recorded last.
    pub fn fingerprint(&self) -> &[FingerprintComponent] {
        &self.fingerprint
    }

    /// The rule by which the device counts as the one that was activated.
    pub fn fingerprint_rule(&self) -> schemas::terms::FingerprintRule {
        self.grant().map(|grant| grant.verified.body.fingerprint).unwrap_or_default()
    }

    /// The sums of the metered features.
    pub fn meters(&self) -> &BTreeMap<(FeatureNumber, Period), Meter> {
        &self.meters
    }

    /// The sums of one feature in one period.
    pub fn meter(&self, feature: FeatureNumber, period: Period) -> Meter {
        self.meters.get(&(feature, period)).copied().unwrap_or_default()
    }

    /// Units left in each of the granted windows, in their order.
    pub fn left(&self) -> &[u64] {
        &self.left
    }

    /// The number of a feature that the licence has.
    pub fn feature_number(&self, name: &str) -> Option<FeatureNumber> {
        self.basis.granted.as_deref()?.feature(name).map(|feature| feature.number)
    }

    /// What checks depend on, as it is now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { basis: self.basis.clone(), mark: self.mark, left: self.left.as_slice().into() }
    }

    /// Takes in the event that now stands at `head`.
    pub fn apply(&mut self, event: &Event, head: Head) {
        self.found = match &event.body {
            Body::AgentStarted(_) => Some(self.saved.head.seq),
            Body::ClockNoted(_) | Body::FingerprintChanged(_) => self.found,
            _ => None,
        };
        self.saved.prev = self.saved.head.link;
        self.saved.head = head;
        if let Some((feature, period)) = meter::count(&mut self.meters, &event.body) {
            self.spend_down(feature, period);
        }
        match &event.body {
            Body::AgentStarted(_) => self.started = true,
            Body::ClockNoted(_) => self.saved.noted = Some(head.seq),
            Body::GrantApplied(_) => self.saved.applied = Some(head.seq),
            Body::FingerprintChanged(body) => {
                self.saved.fingerprint = Some(head.seq);
                self.fingerprint.clone_from(&body.fingerprint);
                self.judge_fingerprint(event.at);
            }
            Body::GrantRefused(body) => {
                self.sends_again |= Refused::asks_again(body, self.applied_epoch());
                if let Some(refused) = Refused::read(body) {
                    self.note_set_back(true);
                    self.recall(Some(refused), self.sends_again);
                }
            }
            Body::ChainClosed(_) => self.basis.life = Life::after(&event.body),
            _ => {}
        }
    }

    /// Takes in an event that was recorded before and changed nothing that its own fields do not tell: no grant was
    /// applied with it, and the fingerprint stayed the same.
    pub fn follow(&mut self, event: &Event, head: Head) {
        self.mark = Mark::kept(self.mark.at().max(event.at), self.mark.is_behind());
        self.apply(event, head);
        (self.started, self.found) = (false, None);
    }

    /// Sets the clock's mark.
    pub fn set_mark(&mut self, mark: Mark) {
        self.mark = mark;
    }

    /// Takes a grant that was decided to be applied at `at`.
    pub fn take_grant(&mut self, applied: AppliedGrant, at: Micros) {
        let body = &applied.verified.body;
        if self.saved.noted.is_some_and(|noted| body.ack.seq >= noted) {
            self.saved.noted = None;
        }
        if body.revocations.version > self.revocations.version {
            self.revocations.clone_from(&body.revocations);
        }
        self.grant = Some(Arc::new(applied));
        self.note_set_back(false);
        self.recall(None, false);
        self.prepare_grant();
        self.judge_fingerprint(at);
    }

    /// Goes on under the last grant of the chain that this one follows until the vendor answers: its terms hold, its
    /// reserved quota does not.
    pub fn inherit(&mut self, grant: AppliedGrant) {
        self.inherited = Some(Arc::new(grant));
        self.prepare_grant();
    }

    /// Takes in what the events since the last applied grant say was refused: no row beside them keeps it.
    pub fn recall(&mut self, refused: Option<Refused>, sends_again: bool) {
        (self.refused, self.sends_again) = (refused, sends_again);
        self.basis.ended = refused.and_then(Refused::ended);
    }

    fn note_set_back(&mut self, set_back: bool) {
        self.saved.set_back = set_back;
        self.basis.set_back = set_back || self.only_inherits();
    }

    fn applied_epoch(&self) -> Option<Epoch> {
        self.grant().map(|grant| grant.verified.body.epoch)
    }

    fn only_inherits(&self) -> bool {
        self.grant.is_none() && self.inherited.is_some()
    }

    fn prepare_grant(&mut self) {
        let prepare = |grant: &AppliedGrant| Arc::new(Granted::new(&grant.verified, self.mark.at()));
        self.basis.granted = self.rests_on().map(prepare);
        self.basis.set_back = self.saved.set_back || self.only_inherits();
        let windows = self.basis.granted.as_deref().map_or(&[][..], Granted::windows);
        self.left = windows.iter().map(|window| self.left_of(window)).collect();
    }

    fn left_of(&self, window: &Window) -> u64 {
        let units = if self.only_inherits() { 0 } else { window.units };
        self.meter(window.feature, window.period).left_of(units)
    }

    fn judge_fingerprint(&mut self, at: Micros) {
        let is_same =
            fingerprint::is_same(self.fingerprint_rule(), &self.opened.fingerprint, &self.fingerprint);
        // A clock that was cured may stand before the beginning of a grace that it had put off.
        let since = (!is_same).then(|| self.saved.mismatch_since.map_or(at, |since| since.min(at)));
        self.saved.mismatch_since = since;
        self.basis.mismatch_since = since;
    }

    fn clock_tolerance(&self) -> Seconds {
        self.grant().map_or(CLOCK_TOLERANCE, |grant| grant.verified.body.clock_tolerance)
    }

    /// Brings what is left of the granted windows up to a meter that moved.
    fn spend_down(&mut self, feature: FeatureNumber, period: Period) {
        let Some(granted) = self.basis.granted.clone() else { return };
        for (at, window) in granted.windows().iter().enumerate() {
            if window.feature == feature && window.period == period {
                self.left[at] = self.left_of(window);
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
