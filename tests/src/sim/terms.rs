//! The terms of a world's licences, drawn by chance.

use schemas::numbers::{FeatureNumber, Micros, Revision, Seconds, Total};
use schemas::period::Reset;
use schemas::terms::{
    After, Entitlement, FeatureGrant, FingerprintRule, LicenseType, Mode, OnFork, QuotaRule, Rules,
    SameDevice, Terms, TransferLimit,
};

use super::agenda::DAY;
use super::office::text;
use crate::Chance;

/// Held by escrow, by the month.
pub(super) const RENDER: &str = "render";
/// Held by escrow, for the licence's life, a year or a day.
pub(super) const TOKENS: &str = "tokens";
/// Counted.
pub(super) const MILES: &str = "miles";

/// Draws the terms of a licence that begins at `now`.
pub(super) fn draw(chance: &mut Chance, now: u64) -> Terms {
    let seats = u32::try_from(chance.between(2, 6)).expect("few");
    let tokens = [Reset::Never, Reset::Year, Reset::Year, Reset::Day][chance.below(4)];
    let on_fork = [OnFork::Flag, OnFork::Stop, OnFork::Heal, OnFork::Heal][chance.below(4)];
    let heals = (on_fork == OnFork::Heal).then(|| TransferLimit {
        count: u32::try_from(chance.between(1, 4)).expect("few"),
        window: Seconds::days(365),
    });
    let after = [After::Warn, After::Limit, After::Block][chance.below(3)];
    let valid_for = chance.between(60, 500) * DAY;
    Terms {
        entitlement: Entitlement {
            revision: Revision(1),
            kind: LicenseType::Subscription,
            starts_at: Micros::new(now),
            valid_until: (!chance.one_in(3)).then(|| Micros::new(now + valid_for)),
            maintenance_until: None,
            features: vec![
                feature(1, RENDER, Mode::Hard, Reset::Month),
                feature(2, TOKENS, Mode::Hard, tokens),
                feature(3, MILES, Mode::Counted, Reset::Month),
            ],
            custom: Vec::new(),
        },
        valid_from_activation: None,
        rules: Rules {
            max_activations: seats,
            transfers: chance.one_in(3).then(|| TransferLimit {
                count: u32::try_from(chance.between(1, 4)).expect("few"),
                window: Seconds::days(90),
            }),
            same_device: [SameDevice::Supersede, SameDevice::Count, SameDevice::Refuse][chance.below(3)],
            on_fork,
            quotas: vec![
                quota(chance, 1, u64::from(seats) * 60),
                quota(chance, 2, u64::from(seats) * if tokens == Reset::Day { 20 } else { 120 }),
            ],
            sync_every: Some(Seconds::days(30)),
            grace: Seconds::days(7),
            after,
            import_for: chance.one_in(3).then(|| Seconds::days(10)),
            clock_tolerance: Seconds::days(1),
            fingerprint: FingerprintRule::default(),
            finalisation_days: 10,
            heals,
            compact: false,
            floating: None,
        },
    }
}

/// Draws the terms of the product's trial: each device has its own time, and its own share.
pub(super) fn draw_trial(chance: &mut Chance, now: u64) -> Terms {
    let mut terms = draw(chance, now);
    terms.entitlement.kind = LicenseType::Trial;
    terms.entitlement.valid_until = None;
    terms.valid_from_activation = Some(Seconds::days(chance.between(60, 300)));
    terms.rules.max_activations = 1_000;
    for rule in &mut terms.rules.quotas {
        rule.share.get_or_insert(units(chance.between(5, 60)));
    }
    terms
}

fn feature(number: u16, name: &str, mode: Mode, reset: Reset) -> FeatureGrant {
    FeatureGrant { number: FeatureNumber(number), name: text(name), mode, reset, valid_for: None }
}

fn quota(chance: &mut Chance, feature: u16, about: u64) -> QuotaRule {
    QuotaRule {
        feature: FeatureNumber(feature),
        limit: units(chance.between(about / 3, about)),
        overage: if chance.one_in(3) { units(about / 10) } else { Total::ZERO },
        share: chance.one_in(2).then(|| units(chance.between(5, 60))),
    }
}

/// A number of units.
pub(super) fn units(n: u64) -> Total {
    Total::new(n).expect("few")
}
