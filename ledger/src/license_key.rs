//! Licence keys: a public reference and a secret, in 24 Crockford symbols that catch a slip of the fingers.
//!
//! ```text
//! key   = reference (40 bits) || secret (80 bits), as 24 symbols of 5 bits, in four groups of six
//! group = six symbols and a check symbol
//! check = Σ weight(position) × symbol + seed(kind, group)   over GF(32), x⁵ + x² + 1
//! ```
//!
//! The secret is `HMAC-SHA-256(the home's key secret, "cf/key/1" || reference)`, cut to 80 bits: nothing is stored
//! for a licence, and a key can be shown again.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use schemas::ids::{ChainId, KeyProof, KeyReference};
use schemas::typed::KeyCheck;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const GROUPS: usize = 4;
const GROUP_SYMBOLS: usize = 6;
/// Distinguishes licence keys from the codes that are typed at air-gapped sites.
const KIND: u8 = 1;

/// What a home derives its licence keys' secrets from. Wiped from memory when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct KeySecret([u8; 32]);

impl KeySecret {
    /// Takes the 32 random bytes that a home keeps.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The licence key that has `reference`.
    pub fn license_key(&self, reference: KeyReference) -> LicenseKey {
        let mac = self.mac(b"cf/key/1", reference.as_bytes());
        let mut secret = [0; 10];
        secret.copy_from_slice(&mac[..10]);
        LicenseKey { reference, secret }
    }

    /// A further 32-byte secret of the home for `purpose`, such as a product's fingerprint key.
    pub fn derive(&self, purpose: &[u8], context: &[u8]) -> [u8; 32] {
        self.mac(purpose, context)
    }

    fn mac(&self, purpose: &[u8], context: &[u8]) -> [u8; 32] {
        mac(&self.0, &[purpose, context])
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret(…)")
    }
}

/// A licence key. Its secret half is wiped from memory when dropped and never printed by `Debug`.
#[derive(Clone, ZeroizeOnDrop)]
pub struct LicenseKey {
    #[zeroize(skip)]
    reference: KeyReference,
    secret: [u8; 10],
}

impl LicenseKey {
    /// Reads a typed key: case does not matter, `O` is `0`, `I` and `L` are `1`, blanks and hyphens are passed over.
    ///
    /// # Errors
    /// Which group is mistyped, counted from 1, as far as that can be told.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let symbols = text
            .chars()
            .filter(|symbol| !symbol.is_whitespace() && *symbol != '-')
            .map(|symbol| value_of(symbol).ok_or(KeyError::Symbol(symbol)))
            .collect::<Result<Vec<u8>, _>>()?;
        if symbols.len() != GROUPS * (GROUP_SYMBOLS + 1) {
            return Err(KeyError::Length { expected: GROUPS * (GROUP_SYMBOLS + 1), found: symbols.len() });
        }
        let mut bits = BitWriter::default();
        for (group, chunk) in symbols.chunks(GROUP_SYMBOLS + 1).enumerate() {
            let (values, check) = chunk.split_at(GROUP_SYMBOLS);
            if check_symbol(KIND, group, values) != check[0] {
                return Err(KeyError::Group(group + 1));
            }
            for value in values {
                bits.push(*value);
            }
        }
        let (reference, secret) = bits.bytes.split_at(KeyReference::LEN);
        Ok(Self {
            reference: KeyReference::from_slice(reference).expect("24 symbols of 5 bits are 15 bytes"),
            secret: secret.try_into().expect("24 symbols of 5 bits are 15 bytes"),
        })
    }

    /// The public part.
    pub fn reference(&self) -> KeyReference {
        self.reference
    }

    /// The proof, for one chain, that its writer knows the secret.
    pub fn proof(&self, chain: &ChainId) -> KeyProof {
        KeyProof(mac(&self.secret, &[b"cf/claim/1", chain.as_bytes()]))
    }

    /// Whether `proof` is this key's for `chain`, in a time that tells nothing.
    pub fn proves(&self, chain: &ChainId, proof: &KeyProof) -> bool {
        self.proof(chain).as_bytes().ct_eq(proof.as_bytes()).into()
    }

    /// The bits by which a request code for `chain` tells that this key was typed.
    pub fn check(&self, chain: &ChainId) -> KeyCheck {
        KeyCheck::of(&mac(&self.secret, &[b"cf/keycheck/1", chain.as_bytes()]))
    }

    /// The key as it is typed: four groups with a check symbol each.
    pub fn reveal(&self) -> String {
        let bytes = [&self.reference.0[..], &self.secret[..]].concat();
        let values = symbols_of(&bytes);
        let groups: Vec<String> = values
            .chunks(GROUP_SYMBOLS)
            .enumerate()
            .map(|(group, values)| {
                let check = check_symbol(KIND, group, values);
                values.iter().chain([&check]).map(|value| char::from(SYMBOLS[usize::from(*value)])).collect()
            })
            .collect();
        groups.join("-")
    }
}

impl fmt::Debug for LicenseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LicenseKey({}, …)", self.reference)
    }
}

/// Why a typed licence key is not taken.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum KeyError {
    /// A character that no key holds.
    #[error("a licence key does not hold the character {0:?}")]
    Symbol(char),
    /// Too few or too many symbols.
    #[error("a licence key has {expected} symbols, this has {found}")]
    Length {
        /// Symbols of a whole key.
        expected: usize,
        /// Symbols that were typed.
        found: usize,
    },
    /// A group whose check symbol does not match.
    #[error("group {0} is mistyped")]
    Group(usize),
}

/// Whether a licence under this key is its product's trial.
pub fn is_trial(reference: KeyReference, product: &str) -> bool {
    reference == trial_reference(product)
}

/// The reference that stands in the header of a trial's chain: it follows from the product.
pub fn trial_reference(product: &str) -> KeyReference {
    let digest = mac(b"cf/trial/1", &[product.as_bytes()]);
    KeyReference::from_slice(&digest[..KeyReference::LEN]).expect("a digest is longer than a reference")
}

/// HMAC-SHA-256 over the parts as if they were one.
pub(crate) fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn value_of(symbol: char) -> Option<u8> {
    let symbol = match symbol.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        symbol => symbol,
    };
    SYMBOLS.iter().position(|known| char::from(*known) == symbol).and_then(|value| u8::try_from(value).ok())
}

/// Catches every single substitution and every transposition within a group, and every group in a wrong place: the
/// weights are different and not zero, and so are the seeds.
fn check_symbol(kind: u8, group: usize, values: &[u8]) -> u8 {
    let seed = multiply(kind & 31, 3) ^ power(group + 1);
    values.iter().enumerate().fold(seed, |sum, (position, value)| sum ^ multiply(power(position + 1), *value))
}

/// α^n in GF(32).
fn power(n: usize) -> u8 {
    (0..n).fold(1, |power, _| multiply(power, 2))
}

/// The product in GF(32) modulo x⁵ + x² + 1.
fn multiply(left: u8, right: u8) -> u8 {
    let product =
        (0..5).filter(|bit| right >> bit & 1 == 1).fold(0_u16, |sum, bit| sum ^ u16::from(left) << bit);
    let reduced = (5..10).rev().fold(product, |sum, bit| match sum >> bit & 1 {
        1 => sum ^ 0b10_0101 << (bit - 5),
        _ => sum,
    });
    u8::try_from(reduced).expect("a remainder has at most 5 bits")
}

fn symbols_of(bytes: &[u8]) -> Vec<u8> {
    let bit = |index: usize| bytes[index / 8] >> (7 - index % 8) & 1;
    (0..bytes.len() * 8 / 5)
        .map(|symbol| (0..5).fold(0, |value, at| value << 1 | bit(symbol * 5 + at)))
        .collect()
}

/// Collects symbols of 5 bits into bytes.
#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    open: u16,
    count: u8,
}

impl BitWriter {
    fn push(&mut self, value: u8) {
        self.open = self.open << 5 | u16::from(value);
        self.count += 5;
        if self.count >= 8 {
            self.count -= 8;
            self.bytes.push(u8::try_from(self.open >> self.count).expect("bits above the byte were cut off"));
            self.open &= (1 << self.count) - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> LicenseKey {
        KeySecret::new([5; 32]).license_key(KeyReference([0xde, 0xad, 0xbe, 0xef, 0x01]))
    }

    #[test]
    fn a_key_reads_back_however_it_is_typed() {
        let shown = key().reveal();
        assert_eq!(shown.len(), 31);
        for typed in [shown.clone(), shown.to_lowercase(), shown.replace('-', " "), shown.replace('0', "o")] {
            let read = LicenseKey::parse(&typed).expect("typed as shown");
            assert_eq!((read.reference, read.secret), (key().reference, key().secret));
        }
    }

    #[test]
    fn every_single_substitution_and_every_transposition_names_its_group() {
        let shown: Vec<char> = key().reveal().chars().collect();
        for at in 0..shown.len() {
            let group = at / 8 + 1;
            if shown[at] == '-' {
                continue;
            }
            for symbol in
                SYMBOLS.iter().map(|symbol| char::from(*symbol)).filter(|symbol| *symbol != shown[at])
            {
                let mut typed = shown.clone();
                typed[at] = symbol;
                let typed: String = typed.into_iter().collect();
                assert_eq!(LicenseKey::parse(&typed).err(), Some(KeyError::Group(group)), "{typed}");
            }
            if let Some(next) = shown.get(at + 1)
                && *next != '-'
                && *next != shown[at]
            {
                let mut typed = shown.clone();
                typed.swap(at, at + 1);
                let typed: String = typed.into_iter().collect();
                assert_eq!(LicenseKey::parse(&typed).err(), Some(KeyError::Group(group)), "{typed}");
            }
        }
    }

    #[test]
    fn groups_in_the_wrong_place_are_caught() {
        let shown = key().reveal();
        let groups: Vec<&str> = shown.split('-').collect();
        for (left, right) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
            let mut typed = groups.clone();
            typed.swap(left, right);
            assert!(LicenseKey::parse(&typed.join("-")).is_err());
        }
    }

    #[test]
    fn a_proof_holds_for_its_chain_and_key_only() {
        let chain = ChainId([1; 32]);
        assert!(key().proves(&chain, &key().proof(&chain)));
        assert!(!key().proves(&ChainId([2; 32]), &key().proof(&chain)));
        let other = KeySecret::new([6; 32]).license_key(key().reference());
        assert!(!other.proves(&chain, &key().proof(&chain)));
    }

    proptest! {
        #[test]
        fn no_typed_text_panics(text in ".{0,64}") {
            let _verdict = LicenseKey::parse(&text);
        }
    }
}
