//! The grant: the vendor's event that tells a device all it may do and how far the vendor has its chain.

use serde::{Deserialize, Serialize};

use crate::ids::{CertificateId, ChainId, Digest, KeyReference, LicenseId, Link, Signature};
use crate::numbers::{Epoch, FeatureNumber, Micros, Seconds, Seq, Total};
use crate::period::Period;
use crate::terms::{After, Entitlement, FingerprintRule, Floating, OnFork};
use crate::text::Text;
use crate::typed::TypedCode;
use crate::wire::{blob, choices, flag, list, optional};

/// The body of `grant.issued`: the full state of one activation. Its time of issue is the event's `at`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct GrantBody {
    /// The device chain that the grant is for.
    pub device: ChainId,
    /// The licence.
    pub license: LicenseId,
    /// The product.
    pub product: Text,
    /// The environment, such as `production`.
    pub environment: Text,
    /// The epoch of the authority chain that the grant stands on.
    pub epoch: Epoch,
    /// Whether the activation stands.
    pub status: GrantStatus,
    /// The code that says why, where the status needs it.
    #[serde(with = "optional")]
    pub reason: Option<Text>,
    /// What the licence grants; absent when the activation was never granted.
    #[serde(with = "optional")]
    pub entitlement: Option<Entitlement>,
    /// When the device must be heard of again.
    pub check_in: CheckIn,
    /// The first instant at which the grant can no longer be applied.
    #[serde(with = "optional")]
    pub import_until: Option<Micros>,
    /// How far the device's clock may stand back before it is noted.
    pub clock_tolerance: Seconds,
    /// When the device still counts as the same.
    pub fingerprint: FingerprintRule,
    /// What follows from a fork of this chain that the vendor holds; absent: none is known.
    #[serde(with = "optional")]
    pub forked: Option<OnFork>,
    /// Reserved quota, in the order of feature and period.
    #[serde(deserialize_with = "list")]
    pub quotas: Vec<QuotaLine>,
    /// Quota that the vendor asks back.
    #[serde(deserialize_with = "list")]
    pub return_requests: Vec<ReturnRequest>,
    /// What a floating server may lend.
    #[serde(with = "optional")]
    pub floating: Option<Floating>,
    /// The branch heads that became known with this grant.
    #[serde(deserialize_with = "list")]
    pub took_in: Vec<TookIn>,
    /// How far the vendor has the chain.
    pub ack: Ack,
    /// Events beyond a gap that the vendor waits for.
    #[serde(deserialize_with = "list")]
    pub missing: Vec<SeqRange>,
    /// From where the device is asked to send again, after the vendor restored a backup.
    #[serde(with = "optional")]
    pub resend_from: Option<Seq>,
    /// The issuer certificates that are revoked.
    pub revocations: Revocations,
    /// Whether the device may drop acknowledged events that the protocol no longer needs.
    #[serde(with = "flag")]
    pub compact: bool,
    /// Where the grant goes to its device as a typed code: what that code rests on.
    #[serde(with = "optional")]
    pub typed: Option<Typed>,
}

/// What a grant that is typed as a code rests on; the pack holds the rest.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Typed {
    /// The place of the signing key among the pack's code keys.
    pub key: u16,
    /// The number of the pack's policy that the code names.
    pub policy: u16,
    /// The digest of the code that it answers.
    pub answers: Digest,
}

impl GrantBody {
    /// Whether it has its device end the chain and go on with a successor. The vendor keeps to it: that successor has the
    /// seat.
    pub fn promises_heal(&self) -> bool {
        self.forked == Some(OnFork::Heal) && self.status == GrantStatus::Active
    }

    /// G − X: units of a feature that the device may have used or given back in `period`; nothing where no quota is
    /// granted for it.
    pub fn units_for(&self, feature: FeatureNumber, period: Period) -> Option<u64> {
        let line = self.quotas.iter().find(|line| line.feature == feature && line.holds(period))?;
        Some(line.granted.get().saturating_sub(line.written_off.get()))
    }
}

choices! {
    /// Whether an activation stands.
    GrantStatus {
        /// It stands.
        Active = 0 "active",
        /// It was asked for and not given.
        Denied = 1 "denied",
        /// The licence is suspended.
        Suspended = 2 "suspended",
        /// The licence is revoked.
        Revoked = 3 "revoked",
        /// The seat was given back.
        Released = 4 "released",
    }
}

/// When a device must be heard of again, and what it does otherwise.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CheckIn {
    /// The deadline; absent: none.
    #[serde(with = "optional")]
    pub sync_by: Option<Micros>,
    /// How long after the deadline the device goes on as before.
    pub grace: Seconds,
    /// What it does then.
    pub after: After,
}

impl CheckIn {
    /// The first instant at which the check-in is overdue.
    pub fn overdue_at(&self) -> Option<Micros> {
        self.sync_by.map(|sync_by| sync_by + self.grace)
    }
}

/// Reserved quota of one feature, the same for every period from `first` to `last`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct QuotaLine {
    /// The metered feature.
    pub feature: FeatureNumber,
    /// The first period.
    pub first: Period,
    /// The last period, of the same kind as the first.
    pub last: Period,
    /// G: units granted to this chain for each of the periods, cumulative.
    pub granted: Total,
    /// X: units written off, cumulative.
    pub written_off: Total,
}

impl QuotaLine {
    /// Whether `period` is one of the line's.
    pub fn holds(&self, period: Period) -> bool {
        let reset = period.reset();
        self.first.reset() == reset
            && self.last.reset() == reset
            && (self.first..=self.last).contains(&period)
    }
}

/// Quota that the vendor asks back.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReturnRequest {
    /// The metered feature.
    pub feature: FeatureNumber,
    /// The period.
    pub period: Period,
    /// The R that the device is asked to reach: units given back, cumulative as every counter.
    pub n: Total,
}

/// A branch head that became known with a grant.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TookIn {
    /// The device chain.
    pub chain: ChainId,
    /// The first place of the branch; 1 for the trunk.
    pub first_seq: Seq,
    /// The head's place.
    pub seq: Seq,
    /// The head's link.
    pub link: Link,
}

/// How far the vendor has a chain.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Ack {
    /// The last place that the vendor holds; 0: none.
    pub seq: Seq,
    /// Its link.
    pub link: Link,
}

impl Ack {
    /// Nothing is acknowledged.
    pub const NONE: Self = Self { seq: Seq(0), link: Link::START };
}

/// Places from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SeqRange {
    /// The first place.
    pub first: Seq,
    /// The last place.
    pub last: Seq,
}

/// The issuer certificates that are revoked. A higher version replaces a lower one.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Revocations {
    /// Counts the changes of the list.
    pub version: u32,
    /// The revoked certificates.
    #[serde(deserialize_with = "list")]
    pub certificates: Vec<CertificateId>,
}

/// A grant in detached form: the event and what it takes to check it without the rest of its chain.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Grant {
    /// The version of the event format.
    pub version: u8,
    /// The authority chain.
    pub chain: ChainId,
    /// The event's place.
    pub seq: Seq,
    /// The link before it.
    pub prev: Link,
    /// The event's core.
    #[serde(with = "blob")]
    pub core: Vec<u8>,
    /// The issuer's signature.
    pub signature: Signature,
    /// The issuer's certificate, as in [`crate::certificate::Certificate`]; where the grant was typed, its [`CodeProof`].
    #[serde(with = "blob")]
    pub certificate: Vec<u8>,
}

/// What proves a grant that was typed as a code, in the place of a certificate. Such a grant is made by the device that it is
/// for and never travels.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CodeProof {
    /// The unlock code.
    pub code: TypedCode,
    /// The canonical bytes of the device's [`crate::pack::Pack`].
    #[serde(with = "blob")]
    pub pack: Vec<u8>,
    /// The public part of the licence key.
    pub reference: KeyReference,
}
