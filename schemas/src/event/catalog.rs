//! What the vendor says on the catalog chain: products, policies, customers, keys, operators.

use serde::{Deserialize, Serialize};

use super::authority::Role;
use crate::ids::{CertificateId, Commitment, CustomerId, Digest};
use crate::pack::ProductFeature;
use crate::terms::Policy;
use crate::text::Text;
use crate::wire::{blob, flag, list, optional};

/// `product.defined`: the whole definition each time.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ProductDefined {
    /// The product's identifier, unique in the home.
    pub product: Text,
    /// Its features, in the order of their numbers; none is ever taken out.
    #[serde(deserialize_with = "list")]
    pub features: Vec<ProductFeature>,
}

/// `policy.defined`: the whole definition each time.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PolicyDefined {
    /// The policy.
    pub policy: Policy,
}

/// `pack.published`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PackPublished {
    /// The product.
    pub product: Text,
    /// The pack's version.
    pub version: u32,
    /// The SHA-256 of the pack's body.
    pub digest: Digest,
}

/// `issuer.certified`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct IssuerCertified {
    /// The certificate, as in [`crate::certificate::Certificate`].
    #[serde(with = "blob")]
    pub certificate: Vec<u8>,
}

/// `issuer.revoked`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct IssuerRevoked {
    /// The certificate.
    pub certificate: CertificateId,
    /// Why; the text itself is an attachment.
    #[serde(with = "optional")]
    pub reason: Option<Commitment>,
}

/// `operator.changed`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct OperatorChanged {
    /// The operator; the name itself is an attachment.
    pub operator: Commitment,
    /// What the operator may do.
    pub role: Role,
    /// Whether the operator still may.
    #[serde(with = "flag")]
    pub active: bool,
}

/// `customer.defined`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CustomerDefined {
    /// Names the customer.
    pub customer: CustomerId,
    /// The customer's name; the name itself is an attachment.
    pub name: Commitment,
}
