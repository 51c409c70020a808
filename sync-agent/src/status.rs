//! What a device knows about its licence, in one picture.

use ledger::check::{Granted, Life};
use ledger::device::Device;
use schemas::codes::Code;
use schemas::grant::GrantStatus;
use schemas::ids::ChainId;
use schemas::numbers::{Micros, Seq, Total};
use schemas::period::Period;
use schemas::terms::{Entitlement, Mode};
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
        match device.standing().life {
            Life::Damaged => return Self::Damaged,
            Life::Unregistered => return Self::Unregistered,
            Life::Closed => return Self::Deactivated,
            Life::Open => {}
        }
        match device.standing().granted.as_deref().map(|granted| granted.status) {
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

/// What a device knows about its licence.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The device's chain.
    pub chain: Option<ChainId>,
    /// How far the activation is.
    pub state: State,
    /// The code that says why, where the vendor gave one.
    pub reason: Option<Text>,
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
    /// The effective time.
    pub time: Micros,
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
    /// Units left, where the quota is reserved.
    pub left: Option<u64>,
}

impl Status {
    /// The status of a directory without a chain, or with one that cannot be read.
    pub(crate) fn without_chain(state: State, code: Code, time: Micros) -> Self {
        Self {
            chain: None,
            state,
            reason: None,
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
            time,
            clock_behind: false,
            clock_noted: None,
            fingerprint_mismatch_since: None,
        }
    }

    pub(crate) fn of(device: &Device, code: Code, time: Micros) -> Self {
        let grant = device.grant().map(|applied| &applied.verified);
        let body = grant.map(|grant| &grant.body);
        let saved = device.saved();
        Self {
            chain: Some(device.chain()),
            state: State::of(device),
            reason: body.and_then(|body| body.reason.clone()),
            license_id: body.map(|body| body.license.uuid().to_string()),
            product: Some(device.opened().product.clone()),
            environment: Some(device.opened().environment.clone()),
            code,
            known_since: grant.map(|grant| grant.issued_at),
            entitlement: body.and_then(|body| body.entitlement.clone()),
            quotas: device
                .standing()
                .granted
                .as_deref()
                .map_or_else(Vec::new, |granted| quotas(device, granted, time)),
            sync_by: body.and_then(|body| body.check_in.sync_by),
            overdue_at: body.and_then(|body| body.check_in.overdue_at()),
            events: saved.head.seq,
            unacknowledged: saved.head.seq.0.saturating_sub(device.ack().seq.0),
            time,
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
        let line = |period, left| QuotaStatus {
            feature: feature.name.clone(),
            mode: feature.mode,
            period,
            used: Total::new(device.meter(feature.number, period).used()).unwrap_or_default(),
            left,
        };
        if feature.mode != Mode::Hard {
            quotas.push(line(Period::of(feature.reset, now), None));
            continue;
        }
        for window in granted.windows_of(feature).iter().filter(|window| now < window.end) {
            let left = device.meter(feature.number, window.period).left_of(window.units);
            quotas.push(line(window.period, Some(left)));
        }
    }
    quotas
}
