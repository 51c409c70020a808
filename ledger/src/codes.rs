//! The messages that codes carry between an air-gapped device and its vendor: how each is made and what it takes to
//! believe it.
//!
//! A request is believed as far as its checksum goes, an unlock code by the signature of the pack's code key, a return code
//! by a MAC under a key that only the device and its vendor have. What follows from a message is not said here; its
//! fields are in [`schemas::typed`], and `docs/formats/codes.md` specifies both.

pub mod agreement;
pub mod kept;
pub mod request;
pub mod returned;
pub mod telling;
pub mod unlock;

use schemas::ids::Digest;
use schemas::terms::{FeatureGrant, Mode, Policy};
use schemas::typed::TypedCode;
use sha2::{Digest as _, Sha256};

/// The digest by which an answer names the code that it answers: the SHA-256 of all that the code carries.
pub fn digest(code: &TypedCode) -> Digest {
    Digest(Sha256::digest(code.content()).into())
}

/// The features with a hard quota, in the order in which an unlock code tells of them.
pub fn hard(policy: &Policy) -> impl Iterator<Item = &FeatureGrant> {
    policy.features.iter().filter(|feature| feature.mode == Mode::Hard)
}

/// The metered features of what a grant grants, in the order in which a return code tells of them.
pub fn metered(features: &[FeatureGrant]) -> impl Iterator<Item = &FeatureGrant> {
    features.iter().filter(|feature| feature.mode != Mode::OnOff)
}

#[cfg(test)]
mod tests;
