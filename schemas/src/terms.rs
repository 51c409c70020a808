//! What a licence grants and on what conditions: templates (policies) and their resolved form (terms).

use serde::{Deserialize, Serialize};

use crate::numbers::{FeatureNumber, Micros, Revision, Seconds, Total};
use crate::period::Reset;
use crate::text::Text;
use crate::wire::{choices, flag, list, optional};

/// A template from which licences are issued.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Policy {
    /// The policy's name, unique in the home.
    pub name: Text,
    /// The product it is for.
    pub product: Text,
    /// The type of the licences issued from it.
    pub kind: LicenseType,
    /// When a licence's validity begins.
    pub start: Start,
    /// How long a licence is valid from its start; absent: without end.
    #[serde(with = "optional")]
    pub valid_for: Option<Seconds>,
    /// How long new releases are covered from its start; absent: without end.
    #[serde(with = "optional")]
    pub maintenance_for: Option<Seconds>,
    /// What is granted.
    #[serde(deserialize_with = "list")]
    pub features: Vec<FeatureGrant>,
    /// The conditions.
    pub rules: Rules,
    /// The number by which a typed code names the policy; absent: none does.
    #[serde(with = "optional")]
    pub air_gapped: Option<u16>,
}

/// What a licence grants, resolved, and its conditions.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Terms {
    /// What is granted.
    pub entitlement: Entitlement,
    /// How long validity lasts from the first activation, until that has fixed `valid_until`.
    #[serde(with = "optional")]
    pub valid_from_activation: Option<Seconds>,
    /// The conditions.
    pub rules: Rules,
}

/// What a licence grants, resolved: type, features, dates.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Entitlement {
    /// Counts the changes of this licence's entitlement, from 1.
    pub revision: Revision,
    /// The licence's type.
    pub kind: LicenseType,
    /// The first instant of validity.
    pub starts_at: Micros,
    /// The first instant after validity; absent: without end.
    #[serde(with = "optional")]
    pub valid_until: Option<Micros>,
    /// Releases made before this instant are covered; absent: all are.
    #[serde(with = "optional")]
    pub maintenance_until: Option<Micros>,
    /// The features granted, in the order of their numbers.
    #[serde(deserialize_with = "list")]
    pub features: Vec<FeatureGrant>,
    /// Custom fields for the application, in the order of their names.
    #[serde(deserialize_with = "list")]
    pub custom: Vec<CustomField>,
}

/// One feature of an entitlement.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FeatureGrant {
    /// The feature's number within its product.
    pub number: FeatureNumber,
    /// The name that the application asks by.
    pub name: Text,
    /// How its use is held to a quota.
    pub mode: Mode,
    /// How often its meter, and with it its quota, starts again.
    pub reset: Reset,
    /// How long it is granted from the licence's start; absent: as long as the licence.
    #[serde(with = "optional")]
    pub valid_for: Option<Seconds>,
}

/// A name and a value that the vendor puts into a licence for the application to read.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CustomField {
    /// The field's name.
    pub name: Text,
    /// The field's value.
    pub value: Text,
}

/// The conditions under which an entitlement is given out.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Rules {
    /// Most activations at one time, seats lent to floating servers included.
    pub max_activations: u32,
    /// How often a seat may move to another device; absent: without limit.
    #[serde(with = "optional")]
    pub transfers: Option<TransferLimit>,
    /// What a second activation on the same device does to the first.
    pub same_device: SameDevice,
    /// What follows when a chain has forked.
    pub on_fork: OnFork,
    /// The quotas of metered features, in the order of their numbers.
    #[serde(deserialize_with = "list")]
    pub quotas: Vec<QuotaRule>,
    /// How often a device must check in; absent: never.
    #[serde(with = "optional")]
    pub sync_every: Option<Seconds>,
    /// How long after the check-in deadline the licence still works as before.
    pub grace: Seconds,
    /// What a device does after deadline and grace.
    pub after: After,
    /// How long a grant may be applied after it was issued; absent: without end.
    #[serde(with = "optional")]
    pub import_for: Option<Seconds>,
    /// How far a device's clock may stand back before it is noted.
    pub clock_tolerance: Seconds,
    /// When a device still counts as the same.
    pub fingerprint: FingerprintRule,
    /// How many days a period waits for late reports before it is sealed.
    pub finalisation_days: u16,
    /// How often a restored device may go on with a successor chain; absent: never.
    #[serde(with = "optional")]
    pub heals: Option<TransferLimit>,
    /// Whether a device may drop acknowledged events that the protocol no longer needs.
    #[serde(with = "flag")]
    pub compact: bool,
    /// Seats for client machines on a private network; absent: none.
    #[serde(with = "optional")]
    pub floating: Option<Floating>,
}

/// The quota of one metered feature.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct QuotaRule {
    /// The metered feature.
    pub feature: FeatureNumber,
    /// Units a period for all devices of the licence together.
    pub limit: Total,
    /// Units beyond the limit that may be used and are charged.
    pub overage: Total,
    /// Units that one device holds ahead of its use; absent: ⌈limit ÷ max activations⌉.
    #[serde(with = "optional")]
    pub share: Option<Total>,
}

/// A limit on what may happen again and again, such as moving a seat to another device.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TransferLimit {
    /// Most times in one window.
    pub count: u32,
    /// The window's length.
    pub window: Seconds,
}

/// When a device still counts as the same: `required` of `of` fingerprint components match.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FingerprintRule {
    /// Components that must match.
    pub required: u8,
    /// Out of this many.
    pub of: u8,
    /// How long a mismatch only warns.
    pub grace: Seconds,
}

impl Default for FingerprintRule {
    fn default() -> Self {
        Self { required: 3, of: 5, grace: Seconds::days(7) }
    }
}

/// What a floating server may lend.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Floating {
    /// The pools, in the order of their features.
    #[serde(deserialize_with = "list")]
    pub pools: Vec<Pool>,
    /// The longest lease.
    pub longest_lease: Seconds,
    /// The longest borrow.
    pub longest_borrow: Seconds,
}

/// The seats of one feature that a floating server lends.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Pool {
    /// The feature.
    pub feature: FeatureNumber,
    /// Seats at one time.
    pub seats: u32,
}

choices! {
    /// The type of a licence.
    LicenseType {
        /// Valid without end.
        Perpetual = 0 "perpetual",
        /// Valid until a date, and renewed.
        Subscription = 1 "subscription",
        /// Valid for a time, once a device and product.
        Trial = 2 "trial",
        /// Paid by use.
        Consumption = 3 "consumption",
    }

    /// When a licence's validity begins.
    Start {
        /// When it is issued.
        Issue = 0 "issue",
        /// When its first device is activated.
        FirstActivation = 1 "first-activation",
    }

    /// How the use of a feature is held.
    Mode {
        /// The feature is there or it is not; nothing is metered.
        OnOff = 0 "on-off",
        /// Metered and held by escrow: never more than was granted.
        Hard = 1 "hard",
        /// Metered, used freely, the overage flagged and charged.
        Counted = 2 "counted",
        /// Metered without any limit.
        Unlimited = 3 "unlimited",
    }

    /// What a device does when its check-in is overdue and the grace has passed.
    After {
        /// Goes on and warns.
        Warn = 0 "warn",
        /// Goes on without its metered features.
        Limit = 1 "limit",
        /// Stops.
        Block = 2 "block",
    }

    /// What a second activation on the same device does to the first.
    SameDevice {
        /// Releases the first.
        Supersede = 0 "supersede",
        /// Takes another seat.
        Count = 1 "count",
        /// Is denied.
        Refuse = 2 "refuse",
    }

    /// What follows when a chain has forked.
    OnFork {
        /// The fork is flagged; the device goes on.
        Flag = 0 "flag",
        /// The device stops spending reserved quota.
        Stop = 1 "stop",
        /// A restored device goes on with a successor chain.
        Heal = 2 "heal",
    }
}
