//! What the vendor says on a licence's authority chain. The grant itself is in [`crate::grant`].

use serde::{Deserialize, Serialize};

use crate::ids::{ChainId, Commitment, CustomerId, Digest, KeyReference, Link};
use crate::numbers::{Epoch, FeatureNumber, Micros, Seq, Total};
use crate::period::Period;
use crate::terms::Terms;
use crate::text::Text;
use crate::typed::TypedCode;
use crate::wire::{blob, choices, flag, list, optional};

/// `license.issued`: the first event of a licence's authority chain.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LicenseIssued {
    /// The public part of the licence key.
    pub key: KeyReference,
    /// The customer.
    pub customer: CustomerId,
    /// The name of the policy that the terms were made from; the terms stand without it.
    pub policy: Text,
    /// The terms, resolved.
    pub terms: Terms,
}

/// `entitlement.changed`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct EntitlementChanged {
    /// The terms from now on, whole.
    pub terms: Terms,
    /// Why; the text itself is an attachment.
    #[serde(with = "optional")]
    pub reason: Option<Commitment>,
}

/// `license.suspended`, `license.resumed`, `license.revoked`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LicenseStatusChanged {
    /// Why; the text itself is an attachment.
    #[serde(with = "optional")]
    pub reason: Option<Commitment>,
}

/// `activation.released`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ActivationReleased {
    /// The device chain.
    pub chain: ChainId,
    /// Why.
    pub why: ReleaseReason,
    /// From when the seat can be given to another device.
    pub seat_free_at: Micros,
    /// Whether an operator set the usual conditions aside.
    #[serde(with = "flag")]
    pub overridden: bool,
    /// The reason in words; the text itself is an attachment.
    #[serde(with = "optional")]
    pub reason: Option<Commitment>,
}

choices! {
    /// Why an activation was released.
    ReleaseReason {
        /// The device closed its chain.
        Closed = 0 "closed",
        /// An operator released it.
        Operator = 1 "operator",
        /// Another activation on the same device took its place.
        Superseded = 2 "superseded",
        /// The device was silent past its deadline.
        Silent = 3 "silent",
        /// Whoever holds the licence key released it, within the limit for transfers.
        Customer = 4 "customer",
    }

    /// What an operator may do.
    Role {
        /// Everything.
        Admin = 0 "admin",
        /// Licences, activations, imports.
        Operator = 1 "operator",
        /// Reading and proving only.
        Auditor = 2 "auditor",
    }
}

/// `quota.written_off`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct QuotaWrittenOff {
    /// The device chain.
    pub chain: ChainId,
    /// The metered feature.
    pub feature: FeatureNumber,
    /// The period.
    pub period: Period,
    /// X: units written off so far, cumulative.
    pub total: Total,
    /// Whether an operator set the usual conditions aside.
    #[serde(with = "flag")]
    pub overridden: bool,
}

/// `chain.forked`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ChainForked {
    /// The device chain.
    pub chain: ChainId,
    /// The place at which the histories part.
    pub seq: Seq,
    /// The portable proof.
    #[serde(with = "blob")]
    pub proof: Vec<u8>,
}

/// `usage.adjusted`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct UsageAdjusted {
    /// The metered feature.
    pub feature: FeatureNumber,
    /// The period.
    pub period: Period,
    /// Units added.
    pub added: Total,
    /// Units taken off.
    pub removed: Total,
    /// Why; the text itself is an attachment.
    #[serde(with = "optional")]
    pub reason: Option<Commitment>,
}

/// `period.sealed`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PeriodSealed {
    /// The metered feature.
    pub feature: FeatureNumber,
    /// The period.
    pub period: Period,
    /// Units used, all attached branches of all chains together.
    pub used: Total,
    /// The evidence digest of the licence at that moment.
    pub evidence: Digest,
    /// Chains that were silent past their deadline.
    pub silent: u32,
    /// Chains with a gap.
    pub gaps: u32,
    /// Chains with a fork.
    pub forks: u32,
    /// Chains with a clock that was flagged.
    pub clocks: u32,
}

/// `authority.restored`: the first event of an authority chain's next epoch; further on in a chain, what a grant that a
/// device enclosed proves of an epoch that ended.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AuthorityRestored {
    /// The epoch that ended.
    pub epoch: Epoch,
    /// The last place of it that the backup held, or that a device proved.
    pub seq: Seq,
    /// Its link.
    pub link: Link,
}

/// `attachment.erased`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AttachmentErased {
    /// The commitments whose values were deleted.
    #[serde(deserialize_with = "list")]
    pub commitments: Vec<Commitment>,
}

/// `code.received`: what a person typed for a device that nothing else comes from. A request code was taken on the word of
/// whoever typed it; a return code was proved to the vendor by its MAC, and to nobody else.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CodeReceived {
    /// The device chain that the code is of.
    pub chain: ChainId,
    /// The code: a request or a return.
    pub code: TypedCode,
}
