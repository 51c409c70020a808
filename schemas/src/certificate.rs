//! Issuer certificates: the root key's statement that an issuer key may sign for it.

use serde::{Deserialize, Serialize};

use crate::ids::{PublicKey, Signature};
use crate::numbers::Micros;
use crate::text::Text;
use crate::wire::{blob, list};

/// A certificate: the statement's canonical bytes and the root key's signature over them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Certificate {
    /// The canonical bytes of a [`CertificateBody`].
    #[serde(with = "blob")]
    pub body: Vec<u8>,
    /// The root key's signature.
    pub signature: Signature,
}

/// What a certificate says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CertificateBody {
    /// The root key that signs.
    pub root: PublicKey,
    /// The issuer key that is certified.
    pub issuer: PublicKey,
    /// The environment that the key may sign for.
    pub environment: Text,
    /// The products that the key may sign for; empty: all.
    #[serde(deserialize_with = "list")]
    pub products: Vec<Text>,
    /// The first instant that the key may sign for.
    pub not_before: Micros,
    /// The first instant after that.
    pub not_after: Micros,
}
