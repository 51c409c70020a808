//! Product packs: what ships with the application so that it can trust its vendor.

use serde::{Deserialize, Serialize};

use crate::ids::{FingerprintKey, PublicKey, SealingKey, Signature};
use crate::numbers::{FeatureNumber, Micros};
use crate::terms::{FingerprintRule, Policy};
use crate::text::Text;
use crate::wire::{blob, flag, list, optional};

/// A pack: the statement's canonical bytes and the root key's signature over them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Pack {
    /// The canonical bytes of a [`PackBody`].
    #[serde(with = "blob")]
    pub body: Vec<u8>,
    /// The root key's signature.
    pub signature: Signature,
}

/// What a pack says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PackBody {
    /// The product.
    pub product: Text,
    /// The environment that its grants must name.
    pub environment: Text,
    /// Counts the packs of the product, from 1.
    pub version: u32,
    /// When it was made.
    pub issued_at: Micros,
    /// The root key that issuer certificates must be signed by.
    pub root: PublicKey,
    /// The key that messages to the vendor are sealed to.
    pub sealing: SealingKey,
    /// The key of fingerprint tags.
    pub fingerprint_key: FingerprintKey,
    /// When a device counts as the same, until a grant says otherwise.
    pub fingerprint: FingerprintRule,
    /// The product's features when the pack was made, in the order of their numbers.
    #[serde(deserialize_with = "list")]
    pub features: Vec<ProductFeature>,
    /// The policies that a typed code may unlock.
    #[serde(deserialize_with = "list")]
    pub policies: Vec<Policy>,
    /// The keys that may sign typed codes for this pack; the first one does.
    #[serde(deserialize_with = "list")]
    pub code_keys: Vec<PublicKey>,
    /// Where the vendor's portal is.
    #[serde(with = "optional")]
    pub portal: Option<Text>,
}

/// A feature of a product.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ProductFeature {
    /// Its number; never reused.
    pub number: FeatureNumber,
    /// Its name.
    pub name: Text,
    /// Whether its use is metered.
    #[serde(with = "flag")]
    pub metered: bool,
}
