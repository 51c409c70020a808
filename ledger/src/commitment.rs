//! Commitments: how personal data is signed for without being told, and can be erased without breaking a link.

use schemas::bundle::Attachment;
use schemas::event::{Body, Event};
use schemas::ids::{Commitment, Salt};
use sha2::{Digest as _, Sha256};

/// `SHA-256("cf/commit/1" || salt || value)`.
pub fn commit(salt: &Salt, value: &[u8]) -> Commitment {
    let mut hash = Sha256::new_with_prefix(b"cf/commit/1");
    hash.update(salt.as_bytes());
    hash.update(value);
    Commitment(hash.finalize().into())
}

/// Commits to `value` under a new salt: the attachment holds what the commitment hides.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn attach(value: &[u8]) -> Result<Attachment, getrandom::Error> {
    let mut salt = Salt([0; 16]);
    getrandom::fill(&mut salt.0)?;
    Ok(Attachment { commitment: commit(&salt, value), salt, value: value.to_vec() })
}

/// Whether an attachment's value is what its commitment stands for.
pub fn opens(attachment: &Attachment) -> bool {
    commit(&attachment.salt, &attachment.value) == attachment.commitment
}

/// The commitment that an event makes, if its kind makes one.
pub fn committed(event: &Event) -> Option<Commitment> {
    match &event.body {
        Body::ChainOpened(opened) => opened.host,
        Body::VariableSet(set) => Some(set.value),
        Body::LeaseOpened(opened) => Some(opened.client),
        Body::BorrowOpened(opened) => Some(opened.client),
        Body::EntitlementChanged(changed) => changed.reason,
        Body::LicenseSuspended(changed) | Body::LicenseResumed(changed) | Body::LicenseRevoked(changed) => {
            changed.reason
        }
        Body::ActivationReleased(released) => released.reason,
        Body::UsageAdjusted(adjusted) => adjusted.reason,
        Body::CustomerDefined(defined) => Some(defined.name),
        Body::IssuerRevoked(revoked) => revoked.reason,
        Body::OperatorChanged(changed) => Some(changed.operator),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commitment_opens_for_its_value_only_and_differs_each_time() {
        let mut attachment = attach(b"plant 7").expect("randomness");
        assert!(opens(&attachment));
        assert_ne!(attachment.commitment, attach(b"plant 7").expect("randomness").commitment);
        attachment.value = b"plant 8".to_vec();
        assert!(!opens(&attachment));
    }
}
