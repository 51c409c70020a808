//! What a device says on its chain.

use serde::{Deserialize, Serialize};

use crate::canonical::Cursor;
use crate::ids::{ChainId, Commitment, Digest, EventId, FingerprintTag, InstanceId, KeyProof, Signature};
use crate::numbers::{Amount, Epoch, FeatureNumber, Micros, Seq, Total};
use crate::period::Period;
use crate::text::{Text, UsageRef};
use crate::wire::{blob, choices, list, optional, tagged};

/// `chain.opened`: the first event of every chain.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ChainOpened {
    /// The product that the application's pack names.
    pub product: Text,
    /// The environment that the pack names.
    pub environment: Text,
    /// The agent's name and version.
    pub agent: Text,
    /// The SHA-256 of the pack's body.
    pub pack: Digest,
    /// The device's fingerprint, in the order of the components.
    #[serde(deserialize_with = "list")]
    pub fingerprint: Vec<FingerprintComponent>,
    /// The device's host name; the name itself is an attachment.
    #[serde(with = "optional")]
    pub host: Option<Commitment>,
}

/// One component of a fingerprint.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct FingerprintComponent {
    /// Which component.
    pub component: u8,
    /// Its keyed hash.
    pub tag: FingerprintTag,
}

/// `activation.requested`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ActivationRequested {
    /// What entitles the device.
    pub claim: Claim,
}

tagged! {
    /// What entitles a device to an activation.
    Claim {
        /// It knows the secret of the licence key that the chain's header refers to.
        LicenseKey(LicenseKeyClaim) = 0 "license_key",
        /// It asks for the product's trial.
        Trial(TrialClaim) = 1 "trial",
        /// The vendor's own system vouches for its user.
        UserAssertion(UserAssertionClaim) = 2 "user_assertion",
        /// It follows an earlier chain of the same device.
        Successor(SuccessorClaim) = 3 "successor",
    }
}

/// Proof of a licence key's secret.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LicenseKeyClaim {
    /// HMAC-SHA-256 of the secret over the chain.
    pub proof: KeyProof,
}

/// A trial: the chain's header refers to the product.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TrialClaim {}

/// An assertion that the vendor signed about a user.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct UserAssertionClaim {
    /// The signed assertion.
    #[serde(with = "blob")]
    pub assertion: Vec<u8>,
}

/// A chain that follows an earlier one.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SuccessorClaim {
    /// The chain that it follows.
    pub follows: ChainId,
    /// The earlier chain's key signs for this one.
    pub signature: Signature,
}

/// `agent.started`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AgentStarted {
    /// Random, new at each start.
    pub instance: InstanceId,
    /// The same until the machine starts again.
    pub boot: InstanceId,
}

/// `grant.applied`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct GrantApplied {
    /// The epoch of the grant.
    pub epoch: Epoch,
    /// The grant's place on the authority chain.
    pub seq: Seq,
    /// The grant.
    pub grant: EventId,
}

/// `grant.refused`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct GrantRefused {
    /// The epoch of the grant.
    pub epoch: Epoch,
    /// The grant's place on the authority chain.
    pub seq: Seq,
    /// The refusal code.
    pub code: Text,
}

/// `feature.consumed`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FeatureConsumed {
    /// The metered feature.
    pub feature: FeatureNumber,
    /// The period that the use counts in.
    pub period: Period,
    /// Units used.
    pub n: Amount,
    /// Units used of this feature in this period on this chain so far, these included, refunds not taken off.
    pub total: Total,
    /// When the use was, where that is not when it was recorded; never later than that.
    #[serde(with = "optional")]
    pub used_at: Option<Micros>,
    /// Makes the consumption idempotent on the device.
    #[serde(with = "optional")]
    pub reference: Option<UsageRef>,
}

impl FeatureConsumed {
    /// Reads a body without a reference by hand: nearly every event there is has this form, and reading a run spends
    /// its time here. Nothing is returned for any other form, which the general path reads or refuses.
    #[inline]
    pub(super) fn read_plain(body: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(body);
        cursor.array_of(6).ok()?;
        let feature = cursor.uint().ok().and_then(|number| u16::try_from(number).ok())?;
        let period = cursor.uint().ok().and_then(|number| u32::try_from(number).ok())?;
        let consumed = Self {
            feature: FeatureNumber(feature),
            period: Period::from_number(period)?,
            n: Amount::new(cursor.uint().ok()?)?,
            total: Total::new(cursor.uint().ok()?)?,
            used_at: match cursor.array().ok()? {
                0 => None,
                1 => Some(cursor.uint().ok().and_then(Micros::from_number)?),
                _ => return None,
            },
            reference: None,
        };
        (cursor.rest() == [0x90]).then_some(consumed)
    }
}

/// `feature.refunded`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FeatureRefunded {
    /// The metered feature.
    pub feature: FeatureNumber,
    /// The period of the use.
    pub period: Period,
    /// Units given back.
    pub n: Amount,
    /// The consumption that they are taken off.
    pub consumption: Seq,
}

/// `quota.returned`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct QuotaReturned {
    /// The metered feature.
    pub feature: FeatureNumber,
    /// The period.
    pub period: Period,
    /// Units given back.
    pub n: Amount,
    /// R: units given back so far, these included.
    pub total: Total,
}

/// `variable.set`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct VariableSet {
    /// The variable's name.
    pub name: Text,
    /// Its value; the value itself is an attachment.
    pub value: Commitment,
}

/// `clock.noted`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ClockNoted {
    /// Where the clock should have stood.
    pub expected: Micros,
    /// Where it stood.
    pub wall: Micros,
}

/// `fingerprint.changed`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FingerprintChanged {
    /// The device's fingerprint now.
    #[serde(deserialize_with = "list")]
    pub fingerprint: Vec<FingerprintComponent>,
    /// Components that still match those of the chain's opening.
    pub matched: u8,
}

/// `code.issued`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CodeIssued {
    /// The kind of code.
    pub code: u8,
    /// The SHA-256 of its content.
    pub digest: Digest,
}

/// `chain.closed`: nothing follows it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ChainClosed {
    /// Why.
    pub reason: CloseReason,
    /// The chain that goes on from here.
    #[serde(with = "optional")]
    pub successor: Option<ChainId>,
}

choices! {
    /// Why a chain was closed.
    CloseReason {
        /// The licence was given back on this device.
        Deactivated = 0 "deactivated",
        /// A successor goes on.
        Succeeded = 1 "succeeded",
    }

    /// Why a lease ended.
    LeaseEnd {
        /// The client gave it back.
        Returned = 0 "returned",
        /// The client was no longer heard of.
        Expired = 1 "expired",
    }
}

/// `lease.opened`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LeaseOpened {
    /// Names the lease.
    pub lease: InstanceId,
    /// The pool.
    pub pool: FeatureNumber,
    /// Seats.
    pub n: Amount,
    /// When it ends unless it is renewed.
    pub until: Micros,
    /// The client; its name itself is an attachment.
    pub client: Commitment,
}

/// `lease.closed`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LeaseClosed {
    /// The lease.
    pub lease: InstanceId,
    /// Why.
    pub end: LeaseEnd,
}

/// `borrow.opened`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BorrowOpened {
    /// Names the borrow.
    pub borrow: InstanceId,
    /// The pool.
    pub pool: FeatureNumber,
    /// Seats.
    pub n: Amount,
    /// When the seats come back by themselves.
    pub until: Micros,
    /// The client; its name itself is an attachment.
    pub client: Commitment,
}

/// `borrow.returned`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BorrowReturned {
    /// The borrow.
    pub borrow: InstanceId,
}

/// `usage.hour`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct UsageHour {
    /// The pool.
    pub pool: FeatureNumber,
    /// The first instant of the hour.
    pub hour: Micros,
    /// Most seats in use at one time.
    pub peak: u32,
    /// Requests denied.
    pub denials: u32,
}
