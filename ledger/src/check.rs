//! What `check` answers: a pure function of what is granted, the local state and the effective time.
//!
//! A [`Snapshot`] is prepared whenever something changes, so that a check compares numbers: it allocates nothing
//! and does no calendar arithmetic.

mod granted;

use std::sync::Arc;

use schemas::codes::Code;
use schemas::event::Body;
use schemas::event::device::{ChainClosed, CloseReason};
use schemas::grant::GrantStatus;
use schemas::numbers::{FeatureNumber, Micros};
use schemas::terms::{After, Mode, OnFork};

pub use self::granted::{Feature, Granted, Window};
use crate::clock::{Mark, Reading};

/// What a check answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Answer {
    /// Whether the licence covers it now.
    pub allowed: bool,
    /// Why not, or what to warn of.
    pub code: Code,
    /// The feature that was asked for, where the licence has it.
    pub feature: Option<FeatureNumber>,
    /// The time of issue of the grant that the answer rests on.
    pub known_since: Option<Micros>,
    /// The next instant at which the licence, its check-in or a grace ends.
    pub next_deadline: Option<Micros>,
    /// Units of reserved quota left in the present period.
    pub remaining: Option<u64>,
}

/// How far a device's chain is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Life {
    /// The store is damaged.
    Damaged,
    /// There is no chain.
    Unregistered,
    /// The chain is open.
    Open,
    /// The chain is closed.
    Closed,
    /// The chain is closed and a successor, which is not in its place yet, goes on.
    Succeeded,
}

impl Life {
    /// How far a chain is whose last event is `last`.
    pub fn after(last: &Body) -> Self {
        match last {
            Body::ChainClosed(ChainClosed { reason: CloseReason::Succeeded, .. }) => Self::Succeeded,
            Body::ChainClosed(_) => Self::Closed,
            _ => Self::Open,
        }
    }

    /// Whether nothing can be recorded any more.
    pub fn is_closed(self) -> bool {
        matches!(self, Self::Closed | Self::Succeeded)
    }
}

/// What the licence as a whole rests on.
#[derive(Clone, Debug)]
pub struct Basis {
    /// How far the chain is.
    pub life: Life,
    /// What the last applied grant allows.
    pub granted: Option<Arc<Granted>>,
    /// Since when the device does not count as the one that was activated.
    pub mismatch_since: Option<Micros>,
    /// Whether reserved quota is not spent: the device learned that it was set back to an older state, or goes on from
    /// such a one and was not answered yet.
    pub set_back: bool,
    /// Why nothing is allowed any more, where a grant took the licence away that could not be applied.
    pub ended: Option<Code>,
}

/// All that a check depends on, prepared.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What the licence as a whole rests on.
    pub basis: Basis,
    /// The clock's mark.
    pub mark: Mark,
    /// Units left in each of the granted windows.
    pub left: Box<[u64]>,
}

impl Snapshot {
    /// The snapshot of a device without a grant.
    pub fn bare(life: Life) -> Self {
        Self {
            basis: Basis { life, granted: None, mismatch_since: None, set_back: false, ended: None },
            mark: Mark::kept(Micros::default(), false),
            left: Box::default(),
        }
    }

    /// Whether the licence covers `feature` in a release made at `release`, both optional, at the time of `reading`.
    #[inline]
    pub fn check(&self, feature: Option<&str>, release: Option<Micros>, reading: Reading) -> Answer {
        self.check_at(feature, release, self.mark.time(reading))
    }

    /// The same at the effective time `now`.
    pub fn check_at(&self, feature: Option<&str>, release: Option<Micros>, now: Micros) -> Answer {
        let granted = self.basis.granted.as_deref();
        let found = feature.and_then(|name| granted?.feature(name));
        let mut answer = Answer {
            allowed: false,
            code: Code::Allowed,
            feature: found.map(|feature| feature.number),
            known_since: granted.map(|granted| granted.issued_at),
            next_deadline: granted.and_then(|granted| self.basis.next_deadline(granted, now)),
            remaining: None,
        };
        let verdict = self.basis.judge(found, now).and_then(|code| {
            if feature.is_some() && found.is_none() {
                return Err(Code::FeatureAbsent);
            }
            let Some(granted) = granted else { return Ok(code) };
            if release.is_some_and(|release| !granted.covers_release(release)) {
                return Err(Code::VersionNotCovered);
            }
            if let Some(found) = found.filter(|feature| feature.mode == Mode::Hard) {
                let left = self.left_in(granted, found, now).ok_or(Code::NoQuotaForPeriod)?;
                answer.remaining = Some(left);
                if left == 0 {
                    return Err(Code::QuotaExhausted);
                }
            }
            Ok(code)
        });
        answer.allowed = verdict.is_ok();
        answer.code = verdict.unwrap_or_else(|code| code);
        answer
    }

    /// Whether units of a metered feature that are counted already may be used at `now`: what the licence says, or
    /// `feature_absent` where the name is no longer that of feature `number`. It does as little as a check.
    ///
    /// # Errors
    /// The first reason that applies.
    #[inline]
    pub fn covers_counted(&self, name: &str, number: FeatureNumber, now: Micros) -> Result<Code, Code> {
        let found = self.basis.granted.as_deref().and_then(|granted| granted.feature(name));
        let code = self.basis.judge(found, now)?;
        let is_same = found.is_some_and(|found| found.number == number && found.mode != Mode::OnOff);
        if is_same { Ok(code) } else { Err(Code::FeatureAbsent) }
    }

    fn left_in(&self, granted: &Granted, feature: &Feature, now: Micros) -> Option<u64> {
        granted.window(feature, now).and_then(|window| self.left.get(window)).copied()
    }
}

impl Basis {
    /// What the licence as a whole says at `now`: `Ok` with `allowed` or a warning, `Err` with the first reason that
    /// applies. The feature matters where a rule is about metered features only, and for its own validity.
    pub fn judge(&self, feature: Option<&Feature>, now: Micros) -> Result<Code, Code> {
        let granted = self.active_grant()?;
        let is_hard = feature.is_some_and(|feature| feature.mode == Mode::Hard);
        if is_hard && !self.keeps_reserve() {
            return Err(Code::Forked);
        }
        if now < granted.starts_at {
            return Err(Code::NotStarted);
        }
        if granted.valid_until.is_some_and(|until| now >= until) {
            return Err(Code::LicenseExpired);
        }
        let mismatch = self.mismatch_until(granted);
        if mismatch.is_some_and(|until| now >= until) {
            return Err(Code::FingerprintMismatch);
        }
        let is_metered = feature.is_some_and(|feature| feature.mode != Mode::OnOff);
        let stops = match granted.after {
            After::Block => true,
            After::Limit => is_metered,
            // Reserved quota is never spent past the deadline, so that the vendor can count on having it back.
            After::Warn => is_hard,
        };
        if stops && granted.overdue_at.is_some_and(|at| now >= at) {
            return Err(Code::Overdue);
        }
        if feature.and_then(|feature| feature.valid_until).is_some_and(|until| now >= until) {
            return Err(Code::FeatureExpired);
        }
        if mismatch.is_some() {
            return Ok(Code::FingerprintMismatch);
        }
        if granted.warn_from.is_some_and(|from| now >= from) {
            return Ok(Code::CheckInDue);
        }
        Ok(Code::Allowed)
    }

    /// Whether reserved quota is there to be spent, now or once the licence stands again: the chain goes on, and neither
    /// was it set back nor does the vendor stop it for a fork.
    pub fn keeps_reserve(&self) -> bool {
        let Some(granted) = self.granted.as_deref() else { return false };
        let stopped = matches!(granted.forked, Some(OnFork::Stop | OnFork::Heal));
        let stands = matches!(granted.status, GrantStatus::Active | GrantStatus::Suspended);
        self.life == Life::Open && stands && !stopped && !self.set_back
    }

    fn active_grant(&self) -> Result<&Granted, Code> {
        match self.life {
            Life::Damaged => return Err(Code::NeedsRepair),
            Life::Unregistered => return Err(Code::NotActivated),
            Life::Closed => return Err(Code::Deactivated),
            Life::Open | Life::Succeeded => {}
        }
        let granted = self.granted.as_deref().ok_or(Code::NotActivated)?;
        if let Some(code) = self.ended {
            return Err(code);
        }
        match granted.status {
            GrantStatus::Active => Ok(granted),
            GrantStatus::Denied => Err(Code::NotActivated),
            GrantStatus::Released => Err(Code::Deactivated),
            GrantStatus::Revoked => Err(Code::LicenseRevoked),
            GrantStatus::Suspended => Err(Code::LicenseSuspended),
        }
    }

    /// When the grace of a changed fingerprint ends, while it is changed.
    fn mismatch_until(&self, granted: &Granted) -> Option<Micros> {
        self.mismatch_since.map(|since| since + granted.fingerprint.grace)
    }

    fn next_deadline(&self, granted: &Granted, now: Micros) -> Option<Micros> {
        [granted.valid_until, granted.sync_by, granted.overdue_at, self.mismatch_until(granted)]
            .into_iter()
            .flatten()
            .filter(|deadline| *deadline > now)
            .min()
    }
}

#[cfg(test)]
mod tests;
