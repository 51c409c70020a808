//! Identifiers: fixed bytes that are never mistaken for one another.

use crate::wire::{byte_ids, uuid_ids};

byte_ids! {
    /// Names a chain; derived from what its header proves, so it is known before any answer.
    ChainId[32];
    /// Names an event: the hash over its place and its core.
    EventId[32];
    /// The running hash of a chain after an event; the next event's `prev`.
    Link[32];
    /// An Ed25519 public key (RFC 8032).
    PublicKey[32];
    /// An Ed25519 signature (RFC 8032).
    Signature[64];
    /// An X25519 public key (RFC 7748).
    SealingKey[32];
    /// A SHA-256 digest of a file or of a set of rows.
    Digest[32];
    /// Names an issuer certificate by its hash.
    CertificateId[32];
    /// A salted hash that stands for personal data.
    Commitment[32];
    /// The salt of a commitment.
    Salt[16];
    /// A keyed hash of one fingerprint component, equal within a product only.
    FingerprintTag[16];
    /// Keys the fingerprint tags of a product.
    FingerprintKey[32];
    /// The public part of a licence key: 40 bits.
    KeyReference[5];
    /// The proof of a licence key's secret for one chain.
    KeyProof[32];
    /// A random number that names one opening of a device's store.
    InstanceId[16];
}

uuid_ids! {
    /// Names a licence: a UUID.
    LicenseId;
    /// Names a customer: a UUID.
    CustomerId;
    /// Names an endpoint of webhooks: a UUID.
    HookId;
    /// Names a message to an endpoint, however often it is sent: a UUID.
    MessageId;
}

impl Link {
    /// The `prev` of a chain's first event.
    pub const START: Self = Self([0; 32]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{DecodeError, from_bytes, to_bytes};

    #[test]
    fn an_id_is_binary_on_the_wire_and_hex_for_people() {
        let reference = KeyReference([1, 2, 3, 4, 255]);
        assert_eq!(to_bytes(&reference), b"\xc4\x05\x01\x02\x03\x04\xff");
        assert_eq!(reference.to_string(), "01020304ff");
        assert_eq!("01020304FF".parse(), Ok(reference));
    }

    #[test]
    fn a_uuid_is_binary_on_the_wire_and_hyphenated_for_people() {
        let license = LicenseId([0x01; 16]);
        let shown = "01010101-0101-0101-0101-010101010101";
        assert_eq!(to_bytes(&license), [&b"\xc4\x10"[..], &[0x01; 16]].concat());
        assert_eq!(license.to_string(), shown);
        assert_eq!(shown.parse(), Ok(license));
        assert_eq!("01".repeat(16).parse(), Ok(license));
        assert_eq!(serde_json::to_value(license).ok(), Some(shown.into()));
    }

    #[test]
    fn an_id_of_another_width_or_as_an_array_is_refused() {
        assert_eq!(from_bytes::<KeyReference>(b"\xc4\x04\x01\x02\x03\x04"), Err(DecodeError::WrongType));
        assert_eq!(from_bytes::<KeyReference>(b"\x95\x01\x02\x03\x04\x05"), Err(DecodeError::WrongType));
    }
}
