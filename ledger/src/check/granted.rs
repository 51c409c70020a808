//! What a grant allows, prepared for checks: features by name, quota windows as instants.

use std::ops::Range;

use schemas::grant::{GrantStatus, QuotaLine};
use schemas::numbers::{FeatureNumber, Micros, Seconds};
use schemas::period::{Period, Reset};
use schemas::terms::{After, FeatureGrant, FingerprintRule, Mode, OnFork};
use schemas::text::Text;

use crate::trust::VerifiedGrant;

/// Most windows that are prepared for one quota line: more than a year of days.
const WINDOWS: usize = 400;

/// What a grant allows.
#[derive(Clone, Debug)]
pub struct Granted {
    /// Whether the activation stands.
    pub status: GrantStatus,
    /// When the grant was issued.
    pub issued_at: Micros,
    /// The first instant of validity.
    pub starts_at: Micros,
    /// The first instant after validity.
    pub valid_until: Option<Micros>,
    /// Releases made before this instant are covered.
    pub maintenance_until: Option<Micros>,
    /// When the device must be heard of again.
    pub sync_by: Option<Micros>,
    /// From when the check-in is warned of.
    pub warn_from: Option<Micros>,
    /// When check-in and grace have passed.
    pub overdue_at: Option<Micros>,
    /// What the device does then.
    pub after: After,
    /// What follows from a fork that the vendor holds.
    pub forked: Option<OnFork>,
    /// When the device still counts as the same.
    pub fingerprint: FingerprintRule,
    features: Box<[Feature]>,
    windows: Box<[Window]>,
}

/// A feature that is granted.
#[derive(Clone, Debug)]
pub struct Feature {
    /// Its number.
    pub number: FeatureNumber,
    /// The name that the application asks by.
    pub name: Text,
    /// How its use is held.
    pub mode: Mode,
    /// The first instant after its own validity.
    pub valid_until: Option<Micros>,
    /// How often its meter starts again.
    pub reset: Reset,
    windows: Range<usize>,
}

/// Reserved quota for one period.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window {
    /// The metered feature.
    pub feature: FeatureNumber,
    /// The period.
    pub period: Period,
    /// The first instant.
    pub start: Micros,
    /// The first instant after it.
    pub end: Micros,
    /// G − X: units that the device may have used or given back.
    pub units: u64,
}

impl Granted {
    /// Prepares a grant for checks from `from` on.
    pub fn new(grant: &VerifiedGrant, from: Micros) -> Self {
        let body = &grant.body;
        let entitlement = body.entitlement.as_ref();
        let starts_at = entitlement.map_or(Micros::MAX, |entitlement| entitlement.starts_at);
        let mut windows = Vec::new();
        let mut features: Vec<Feature> = entitlement
            .map_or(&[][..], |entitlement| &entitlement.features)
            .iter()
            .map(|feature| prepare(feature, starts_at, &body.quotas, from, &mut windows))
            .collect();
        features.sort_by(|left, right| left.name.cmp(&right.name));
        Self {
            status: if entitlement.is_none() && body.status == GrantStatus::Active {
                GrantStatus::Denied
            } else {
                body.status
            },
            issued_at: grant.issued_at,
            starts_at,
            valid_until: entitlement.and_then(|entitlement| entitlement.valid_until),
            maintenance_until: entitlement.and_then(|entitlement| entitlement.maintenance_until),
            sync_by: body.check_in.sync_by,
            warn_from: body.check_in.sync_by.map(|sync_by| warn_from(grant.issued_at, sync_by)),
            overdue_at: body.check_in.overdue_at(),
            after: body.check_in.after,
            forked: body.forked,
            fingerprint: body.fingerprint,
            features: features.into(),
            windows: windows.into(),
        }
    }

    /// The feature of a name.
    #[inline]
    pub fn feature(&self, name: &str) -> Option<&Feature> {
        let at = self.features.binary_search_by(|feature| feature.name.as_str().cmp(name)).ok()?;
        self.features.get(at)
    }

    /// The features, in the order of their names.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// Whether a release made at `release` is covered.
    pub fn covers_release(&self, release: Micros) -> bool {
        self.maintenance_until.is_none_or(|until| release < until)
    }

    /// The quota windows of all features.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// The quota windows of a feature.
    pub fn windows_of(&self, feature: &Feature) -> &[Window] {
        self.windows.get(feature.windows.clone()).unwrap_or_default()
    }

    /// The place among all windows of the feature's window that holds `now`.
    #[inline]
    pub fn window(&self, feature: &Feature, now: Micros) -> Option<usize> {
        let at =
            self.windows_of(feature).iter().position(|window| window.start <= now && now < window.end)?;
        Some(feature.windows.start + at)
    }
}

/// Warns a tenth of the span before the deadline, and at least a day.
fn warn_from(issued_at: Micros, sync_by: Micros) -> Micros {
    let tenth = Seconds(sync_by.since(issued_at) / 10 / 1_000_000);
    sync_by - tenth.max(Seconds::days(1))
}

fn prepare(
    feature: &FeatureGrant,
    starts_at: Micros,
    quotas: &[QuotaLine],
    from: Micros,
    windows: &mut Vec<Window>,
) -> Feature {
    let start = windows.len();
    let lines = quotas.iter().filter(|line| line.feature == feature.number);
    windows.extend(lines.flat_map(|line| windows_of(line, from)));
    Feature {
        number: feature.number,
        name: feature.name.clone(),
        mode: feature.mode,
        valid_until: feature.valid_for.map(|span| starts_at + span),
        reset: feature.reset,
        windows: start..windows.len(),
    }
}

fn windows_of(line: &QuotaLine, from: Micros) -> impl Iterator<Item = Window> {
    let reset = line.first.reset();
    let first = line.first.max(Period::of(reset, from));
    let is_one_kind = line.last.reset() == reset;
    let periods = std::iter::successors(Some(first), |period| {
        let next = period.next();
        (next != *period).then_some(next)
    });
    let line = *line;
    periods.take_while(move |period| is_one_kind && *period <= line.last).take(WINDOWS).map(move |period| {
        Window {
            feature: line.feature,
            period,
            start: period.start(),
            end: period.end(),
            units: line.granted.get().saturating_sub(line.written_off.get()),
        }
    })
}
