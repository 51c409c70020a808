//! What holds where no option says otherwise.

use schemas::numbers::Seconds;
use schemas::terms::{
    After, FingerprintRule, LicenseType, OnFork, Policy, Rules, SameDevice, Start, TransferLimit,
};
use schemas::text::Text;

/// A policy without features.
pub(super) fn policy(name: Text, product: Text) -> Policy {
    Policy {
        name,
        product,
        kind: LicenseType::Subscription,
        start: Start::Issue,
        valid_for: valid_for(LicenseType::Subscription),
        maintenance_for: None,
        features: Vec::new(),
        rules: rules(),
        air_gapped: None,
    }
}

/// How long a licence of a type is valid.
pub(super) fn valid_for(kind: LicenseType) -> Option<Seconds> {
    match kind {
        LicenseType::Subscription => Some(Seconds::days(365)),
        LicenseType::Trial => Some(Seconds::days(30)),
        LicenseType::Perpetual | LicenseType::Consumption => None,
    }
}

/// How long a licence is valid after its type was changed and nothing else was said: as before, where the type allows.
pub(super) fn valid_for_instead(kind: LicenseType, before: Option<Seconds>) -> Option<Seconds> {
    match kind {
        LicenseType::Perpetual => None,
        _ => before.or_else(|| valid_for(kind)),
    }
}

/// How often a policy that heals does so.
pub(super) fn heals() -> TransferLimit {
    TransferLimit { count: 3, window: Seconds::days(365) }
}

fn rules() -> Rules {
    Rules {
        max_activations: 1,
        transfers: None,
        same_device: SameDevice::Supersede,
        on_fork: OnFork::Flag,
        quotas: Vec::new(),
        sync_every: None,
        grace: Seconds::days(7),
        after: After::Limit,
        import_for: None,
        clock_tolerance: Seconds::days(1),
        fingerprint: FingerprintRule::default(),
        finalisation_days: 30,
        heals: None,
        compact: false,
        floating: None,
    }
}
