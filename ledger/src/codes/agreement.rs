//! The key that a device and its vendor share without having met: X25519 (RFC 7748) between the device's signing key,
//! turned into one for X25519, and the vendor's sealing key.
//!
//! ```text
//! shared = X25519(device, sealing)
//! key    = HMAC-SHA-256(shared, "cf/returnkey/1" || device's public key || sealing public key)
//! MAC    = HMAC-SHA-256(key, "cf/return/1" || chain || key reference || so_far), its first 80 bits
//! ```
//!
//! A device's Ed25519 key is turned as by libsodium's `crypto_sign_ed25519_sk_to_curve25519` and
//! `crypto_sign_ed25519_pk_to_curve25519`: the secret is the first half of the seed's SHA-512, clamped, and the public key
//! is u = (1 + y) / (1 − y).

use std::fmt;

use ed25519_dalek::VerifyingKey;
use schemas::ids::{ChainId, KeyReference, PublicKey, SealingKey};
use schemas::typed::CodeMac;
use thiserror::Error;
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use crate::keys::SecretKey;
use crate::license_key;

/// The vendor's secret that messages are sealed to. Wiped from memory when dropped, never printed.
#[derive(Clone)]
pub struct SealingSecret(StaticSecret);

impl SealingSecret {
    /// Takes the 32 random bytes that a home keeps.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(StaticSecret::from(*bytes))
    }

    /// The public half.
    pub fn public(&self) -> SealingKey {
        SealingKey(x25519_dalek::PublicKey::from(&self.0).to_bytes())
    }
}

impl fmt::Debug for SealingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingSecret({})", self.public())
    }
}

/// The other side's public key is not one that a key can be agreed with: it is no point of the curve in its one form, or
/// others would know the key that comes of it.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the public key is not one that an honest program makes")]
pub struct WeakKey;

/// The key of a return code's MAC. Wiped from memory when dropped, never printed.
pub(super) struct ReturnKey(Zeroizing<[u8; 32]>);

impl ReturnKey {
    /// The key as the device knows it.
    pub(super) fn of_device(device: &SecretKey, sealing: &SealingKey) -> Result<Self, WeakKey> {
        let secret = StaticSecret::from(*device.scalar_bytes());
        Self::agreed(&secret, &montgomery(sealing)?, &device.public(), sealing)
    }

    /// The key as the vendor knows it.
    pub(super) fn of_vendor(sealing: &SealingSecret, device: &PublicKey) -> Result<Self, WeakKey> {
        Self::agreed(&sealing.0, &montgomery_of_ed25519(device)?, device, &sealing.public())
    }

    fn agreed(
        own: &StaticSecret,
        other: &x25519_dalek::PublicKey,
        device: &PublicKey,
        sealing: &SealingKey,
    ) -> Result<Self, WeakKey> {
        let shared = own.diffie_hellman(other);
        if !shared.was_contributory() {
            return Err(WeakKey);
        }
        let context = [b"cf/returnkey/1".as_slice(), device.as_bytes(), sealing.as_bytes()];
        Ok(Self(Zeroizing::new(license_key::mac(shared.as_bytes(), &context))))
    }

    /// The MAC over what a return code says, for a chain and its licence key.
    pub(super) fn mac(&self, chain: &ChainId, reference: KeyReference, so_far: &[u8]) -> CodeMac {
        let parts = [b"cf/return/1".as_slice(), chain.as_bytes(), reference.as_bytes(), so_far];
        let mac = license_key::mac(self.0.as_ref(), &parts);
        CodeMac::from_slice(&mac[..CodeMac::LEN]).expect("a digest is longer")
    }
}

/// Whether a key can be agreed with the device that signs with `key`.
pub(super) fn is_sound(key: &PublicKey) -> bool {
    montgomery_of_ed25519(key).is_ok()
}

/// The point of a sealing key. What is not below the field's order is refused: honest programs write one form.
fn montgomery(key: &SealingKey) -> Result<x25519_dalek::PublicKey, WeakKey> {
    let [least, rest @ .., most] = &key.0;
    let is_canonical =
        *most < 0x7f || *most == 0x7f && (*least < 0xed || rest.iter().any(|byte| *byte != 0xff));
    is_canonical.then(|| x25519_dalek::PublicKey::from(key.0)).ok_or(WeakKey)
}

/// The point of a signing key on the other form of the curve, if it is of the group that honest keys are of. No point of that
/// group can be written in a second form.
fn montgomery_of_ed25519(key: &PublicKey) -> Result<x25519_dalek::PublicKey, WeakKey> {
    let point = VerifyingKey::from_bytes(&key.0).map_err(|_| WeakKey)?.to_edwards();
    let is_sound = !point.is_small_order() && point.is_torsion_free();
    is_sound.then(|| x25519_dalek::PublicKey::from(point.to_montgomery().0)).ok_or(WeakKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> SecretKey {
        SecretKey::from_seed(&[3; 32])
    }

    fn vendor() -> SealingSecret {
        SealingSecret::from_bytes(&[7; 32])
    }

    fn mac(key: &ReturnKey) -> CodeMac {
        key.mac(&ChainId([1; 32]), KeyReference([2; 5]), b"so far")
    }

    #[test]
    fn both_sides_have_one_key_and_no_third_has_it() {
        let of_device = ReturnKey::of_device(&device(), &vendor().public()).expect("an honest key");
        let of_vendor = ReturnKey::of_vendor(&vendor(), &device().public()).expect("an honest key");
        assert_eq!(*of_device.0, *of_vendor.0);
        let other = SecretKey::from_seed(&[4; 32]);
        for key in [
            ReturnKey::of_device(&other, &vendor().public()),
            ReturnKey::of_vendor(&vendor(), &other.public()),
            ReturnKey::of_device(&device(), &SealingSecret::from_bytes(&[8; 32]).public()),
        ] {
            assert_ne!(*key.map_err(|_| ()).expect("an honest key").0, *of_device.0);
        }
    }

    #[test]
    fn a_mac_is_for_one_chain_licence_key_and_content() {
        let key = ReturnKey::of_vendor(&vendor(), &device().public()).expect("an honest key");
        let made = mac(&key);
        assert_ne!(made, key.mac(&ChainId([9; 32]), KeyReference([2; 5]), b"so far"));
        assert_ne!(made, key.mac(&ChainId([1; 32]), KeyReference([9; 5]), b"so far"));
        assert_ne!(made, key.mac(&ChainId([1; 32]), KeyReference([2; 5]), b"so Far"));
    }

    /// Points of small order and those of the same value in another form, as u.
    #[test]
    fn sealing_keys_that_no_honest_vendor_has_are_refused() {
        let number = |least: u8, rest: u8, most: u8| {
            let mut bytes = [rest; 32];
            (bytes[0], bytes[31]) = (least, most);
            SealingKey(bytes)
        };
        let of_order_8 = [
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        ];
        let small = of_order_8.iter().map(|key| key.parse().expect("hexadecimal")).chain([
            number(0, 0, 0),
            number(1, 0, 0),
            // p − 1, p, p + 1, and the greatest number below 2²⁵⁵.
            number(0xec, 0xff, 0x7f),
            number(0xed, 0xff, 0x7f),
            number(0xee, 0xff, 0x7f),
            number(0xff, 0xff, 0x7f),
        ]);
        for key in small {
            assert!(ReturnKey::of_device(&device(), &key).is_err(), "{key}");
        }
        let mut high = vendor().public();
        high.0[31] |= 0x80;
        assert!(ReturnKey::of_device(&device(), &high).is_err(), "the same point in another form");
        assert!(montgomery(&number(0xeb, 0xff, 0x7f)).is_ok(), "p − 2 is in its one form");
    }

    #[test]
    fn device_keys_that_no_honest_device_has_are_refused() {
        let key = |text: &str| text.parse::<PublicKey>().expect("hexadecimal");
        let refused = [
            // Of order 1, 2, 4 and 8.
            key("0100000000000000000000000000000000000000000000000000000000000000"),
            key("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
            key("0000000000000000000000000000000000000000000000000000000000000000"),
            key("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
            // 0, 1 and 3 with the field's order added.
            key("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
            key("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
            key("f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
            // No point has this y.
            key("0200000000000000000000000000000000000000000000000000000000000000"),
        ];
        for key in refused {
            assert!(!is_sound(&key), "{key}");
            assert!(ReturnKey::of_vendor(&vendor(), &key).is_err(), "{key}");
        }
        assert!(is_sound(&device().public()));
    }

    #[test]
    fn no_second_form_of_a_device_key_is_taken() {
        // y from the field's order to 2²⁵⁵ − 1, with both signs of x.
        for (least, sign) in (0xed..=0xff).flat_map(|least| [(least, 0x7f), (least, 0xff)]) {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (least, sign);
            assert!(!is_sound(&PublicKey(bytes)), "{least:x} {sign:x}");
        }
    }

    #[test]
    fn a_device_key_outside_the_group_of_the_honest_ones_is_refused() {
        let point = |key: &PublicKey| VerifyingKey::from_bytes(&key.0).expect("a point").to_edwards();
        let order_2 = "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
        let mixed = point(&device().public()) + point(&order_2.parse().expect("hexadecimal"));
        let mixed = PublicKey(mixed.compress().0);
        assert!(VerifyingKey::from_bytes(&mixed.0).is_ok_and(|key| !key.is_weak()));
        assert!(!is_sound(&mixed));
    }
}
