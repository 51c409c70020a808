//! What a device knows about its licence, in one picture.

use ledger::check::{Granted, Life};
use ledger::device::{AppliedGrant, Device, Usefulness};
use schemas::codes::{Code, Entry};
use schemas::grant::GrantStatus;
use schemas::ids::ChainId;
use schemas::numbers::{Micros, Seq, Total};
use schemas::period::Period;
use schemas::terms::{Entitlement, Mode, OnFork};
use schemas::text::Text;
use serde::Serialize;

/// How far an activation is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing was asked for.
    Unregistered,
    /// An activation was asked for and not answered.
    Pending,
    /// The activation stands.
    Active,
    /// The request was denied.
    Denied,
    /// The licence is suspended.
    Suspended,
    /// The licence is revoked.
    Revoked,
    /// The vendor released the activation.
    Released,
    /// The licence was given back on this device.
    Deactivated,
    /// The store is damaged.
    Damaged,
}

impl State {
    /// The state of a device's chain.
    pub fn of(device: &Device) -> Self {
        match device.basis().life {
            Life::Damaged => return Self::Damaged,
            Life::Unregistered => return Self::Unregistered,
            Life::Closed => return Self::Deactivated,
            Life::Succeeded => return Self::Pending,
            Life::Open => {}
        }
        match device.basis().ended {
            Some(Code::LicenseSuspended) => return Self::Suspended,
            Some(Code::LicenseRevoked) => return Self::Revoked,
            Some(_) => return Self::Released,
            None => {}
        }
        let granted = device.basis().granted.as_deref().filter(|_| device.grant().is_some());
        match granted.map(|granted| granted.status) {
            None => Self::Pending,
            Some(GrantStatus::Active) => Self::Active,
            Some(GrantStatus::Denied) => Self::Denied,
            Some(GrantStatus::Suspended) => Self::Suspended,
            Some(GrantStatus::Revoked) => Self::Revoked,
            Some(GrantStatus::Released) => Self::Released,
        }
    }

    /// The word that people read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unregistered => "unregistered",
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Denied => "denied",
            Self::Suspended => "suspended",
            Self::Revoked => "revoked",
            Self::Released => "released",
            Self::Deactivated => "deactivated",
            Self::Damaged => "damaged",
        }
    }
}

/// Why a device's licence does not stand as it should, as people are told.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Why {
    /// The code.
    pub code: Code,
    /// One sentence.
    pub title: &'static str,
    /// What to do.
    pub hint: &'static str,
}

impl Why {
    /// Why `device`'s licence does not stand, or what is held back; nothing when all is as it should be.
    pub fn of(device: &Device) -> Option<Self> {
        let grant = device.grant().map(|applied| &applied.verified.body);
        let reason = grant.filter(|_| device.basis().ended.is_none());
        let reason = reason.and_then(|body| body.reason.as_ref()?.as_str().parse::<Code>().ok());
        let code = match State::of(device) {
            State::Denied => reason.unwrap_or(Code::NotActivated),
            State::Suspended => reason.unwrap_or(Code::LicenseSuspended),
            State::Revoked => reason.unwrap_or(Code::LicenseRevoked),
            State::Released => reason.unwrap_or(Code::Released),
            State::Active | State::Pending if device.saved().set_back => Code::AckUnknown,
            State::Pending if device.rests_on().is_some() => Code::SuccessorPending,
            State::Active if grant.is_some_and(|body| body.forked.is_some()) => Code::Forked,
            _ => return None,
        };
        let Entry { title, hint, .. } = code.entry();
        Some(Self { code, title, hint })
    }
}

/// What a device knows about its licence.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The device's chain.
    pub chain: Option<ChainId>,
    /// How far the activation is.
    pub state: State,
    /// The code that says why, where the vendor gave one.
    pub reason: Option<Text>,
    /// Why the licence does not stand as it should, or what is held back.
    pub why: Option<Why>,
    /// The licence.
    pub license_id: Option<String>,
    /// The product.
    pub product: Option<Text>,
    /// The environment.
    pub environment: Option<Text>,
    /// What `check` answers.
    pub code: Code,
    /// When the last applied grant was issued.
    pub known_since: Option<Micros>,
    /// What the licence grants.
    pub entitlement: Option<Entitlement>,
    /// What is held and used of each metered feature.
    pub quotas: Vec<QuotaStatus>,
    /// When the device must be heard of.
    pub sync_by: Option<Micros>,
    /// When the grace after that ends.
    pub overdue_at: Option<Micros>,
    /// The last place of the device's chain.
    pub events: Seq,
    /// Events that the vendor is not known to have.
    pub unacknowledged: u64,
    /// Whether a report is of use to the vendor now, and when it is at the latest; nothing without a chain.
    pub report: Option<Usefulness>,
    /// Up to where events were dropped that the vendor acknowledged long ago, where its policy lets the device.
    pub dropped_to: Option<Seq>,
    /// The chains before this one that the vendor is not known to have to their ends.
    pub unreported_records: Vec<ChainId>,
    /// The effective time.
    pub time: Micros,
    /// Whether the device learned that it was set back to an older state.
    pub restored: bool,
    /// What follows from the fork that the vendor holds of the device's chain.
    pub forked: Option<OnFork>,
    /// Whether the clock stands back by more than the tolerance.
    pub clock_behind: bool,
    /// The last note of a clock that was set, as long as no refresh file has answered it.
    pub clock_noted: Option<Seq>,
    /// Since when too few components of the fingerprint match.
    pub fingerprint_mismatch_since: Option<Micros>,
}

/// What is held and used of a metered feature in one period.
#[derive(Clone, Debug, Serialize)]
pub struct QuotaStatus {
    /// The feature's name.
    pub feature: Text,
    /// How its use is held.
    pub mode: Mode,
    /// The period.
    pub period: Period,
    /// Units used.
    pub used: Total,
    /// Units left, where the quota is reserved and there is something to be spent: nothing is told by a chain that is
    /// closed or released, was set back, or forked under a policy that stops it.
    pub left: Option<u64>,
    /// Units given back.
    pub returned: Total,
    /// Units that the vendor asks back and the device does not have left.
    pub asked_back: Option<u64>,
}

impl Status {
    /// The status of a directory without a chain, or with one that cannot be read.
    pub(crate) fn without_chain(state: State, code: Code, time: Micros) -> Self {
        Self {
            chain: None,
            state,
            reason: None,
            why: None,
            license_id: None,
            product: None,
            environment: None,
            code,
            known_since: None,
            entitlement: None,
            quotas: Vec::new(),
            sync_by: None,
            overdue_at: None,
            events: Seq(0),
            unacknowledged: 0,
            report: None,
            dropped_to: None,
            unreported_records: Vec::new(),
            time,
            restored: false,
            forked: None,
            clock_behind: false,
            clock_noted: None,
            fingerprint_mismatch_since: None,
        }
    }

    pub(crate) fn of(device: &Device, code: Code, time: Micros) -> Self {
        let grant = device.rests_on().map(|applied| &applied.verified);
        let body = grant.map(|grant| &grant.body);
        let saved = device.saved();
        Self {
            chain: Some(device.chain()),
            state: State::of(device),
            reason: device.grant().and_then(|applied| applied.verified.body.reason.clone()),
            why: Why::of(device),
            license_id: device.rests_on().and_then(AppliedGrant::license).map(|license| license.to_string()),
            product: Some(device.opened().product.clone()),
            environment: Some(device.opened().environment.clone()),
            code,
            known_since: grant.map(|grant| grant.issued_at),
            entitlement: body.and_then(|body| body.entitlement.clone()),
            quotas: device
                .basis()
                .granted
                .as_deref()
                .map_or_else(Vec::new, |granted| quotas(device, granted, time)),
            sync_by: body.and_then(|body| body.check_in.sync_by),
            overdue_at: body.and_then(|body| body.check_in.overdue_at()),
            events: saved.head.seq,
            unacknowledged: saved.head.seq.next().0.saturating_sub(device.unreported_from().0),
            report: None,
            dropped_to: None,
            unreported_records: Vec::new(),
            time,
            restored: saved.set_back,
            forked: device.grant().and_then(|applied| applied.verified.body.forked),
            clock_behind: saved.behind,
            clock_noted: saved.noted,
            fingerprint_mismatch_since: saved.mismatch_since,
        }
    }
}

/// The present period of every metered feature, and every later one that units are held for.
fn quotas(device: &Device, granted: &Granted, now: Micros) -> Vec<QuotaStatus> {
    let mut quotas = Vec::new();
    for feature in granted.features().iter().filter(|feature| feature.mode != Mode::OnOff) {
        let line = |period, left| {
            let meter = device.meter(feature.number, period);
            QuotaStatus {
                feature: feature.name.clone(),
                mode: feature.mode,
                period,
                used: Total::new(meter.used()).unwrap_or_default(),
                left,
                returned: meter.returned,
                asked_back: device.still_asked_back(feature.number, period),
            }
        };
        if feature.mode != Mode::Hard {
            quotas.push(line(Period::of(feature.reset, now), None));
            continue;
        }
        let windows = granted.windows().iter().zip(device.left());
        let held = windows.filter(|(window, _)| window.feature == feature.number && now < window.end);
        let kept = device.basis().keeps_reserve();
        quotas.extend(held.map(|(window, left)| line(window.period, kept.then_some(*left))));
    }
    quotas
}
