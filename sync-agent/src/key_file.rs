//! The device's private key on disk: sealed, and readable by its owner only.
//!
//! ```text
//! seal.key   = 32 random bytes: the sealing key
//! device.key = version (01)  public key (32 bytes)  nonce (24 bytes)  sealed seed (32 bytes and a tag of 16)
//! sealed     = XChaCha20-Poly1305(sealing key, nonce, seed, associated data "cf/keyfile/1" || public key)
//! ```
//!
//! The sealing key is random, not made from hardware, so no change of hardware can make the key unreadable.

use std::fs;
use std::io;
use std::path::Path;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ledger::durable::{self, Access};
use ledger::keys::SecretKey;
use schemas::codes::Code;
use schemas::ids::PublicKey;
use schemas::refusal::Refusal;
use zeroize::Zeroizing;

use crate::machine;

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;

/// Seals `key` under a new sealing key and writes both files, durably.
pub(crate) fn write(device_key: &Path, seal_key: &Path, key: &SecretKey) -> Result<(), Refusal> {
    let mut sealing = Zeroizing::new([0; 32]);
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(sealing.as_mut()).map_err(machine::no_randomness)?;
    getrandom::fill(&mut nonce).map_err(machine::no_randomness)?;
    let sealed = seal(&sealing, &nonce, key);
    durable::write(seal_key, sealing.as_ref(), Access::OwnerOnly)
        .map_err(|error| failed(&error, seal_key))?;
    durable::write(device_key, &sealed, Access::OwnerOnly).map_err(|error| failed(&error, device_key))
}

/// Opens the key.
///
/// # Errors
/// `key_unreadable` when a file is missing or was changed.
pub(crate) fn read(device_key: &Path, seal_key: &Path) -> Result<SecretKey, Refusal> {
    let sealing = Zeroizing::new(read_file(seal_key)?);
    let sealed = read_file(device_key)?;
    let sealing = <&[u8; 32]>::try_from(sealing.as_slice()).map_err(|_| unreadable(seal_key))?;
    open(sealing, &sealed).ok_or_else(|| unreadable(device_key))
}

fn seal(sealing: &[u8; 32], nonce: &[u8; NONCE_BYTES], key: &SecretKey) -> Vec<u8> {
    let public = key.public();
    let associated = associated(&public);
    let seed = key.seed();
    let payload = Payload { msg: seed.as_ref(), aad: &associated };
    let sealed = XChaCha20Poly1305::new(sealing.into())
        .encrypt(&XNonce::from(*nonce), payload)
        .expect("32 bytes are far below the cipher's limit");
    [&[VERSION][..], public.as_bytes(), nonce, &sealed].concat()
}

fn open(sealing: &[u8; 32], file: &[u8]) -> Option<SecretKey> {
    let (version, rest) = file.split_first()?;
    let (public, rest) = rest.split_at_checked(PublicKey::LEN)?;
    let (nonce, sealed) = rest.split_at_checked(NONCE_BYTES)?;
    if *version != VERSION {
        return None;
    }
    let public = PublicKey::from_slice(public)?;
    let nonce = XNonce::from(<[u8; NONCE_BYTES]>::try_from(nonce).ok()?);
    let associated = associated(&public);
    let payload = Payload { msg: sealed, aad: &associated };
    let seed = Zeroizing::new(XChaCha20Poly1305::new(sealing.into()).decrypt(&nonce, payload).ok()?);
    let key = SecretKey::from_seed(seed.as_slice().try_into().ok()?);
    (key.public() == public).then_some(key)
}

fn associated(public: &PublicKey) -> Vec<u8> {
    [b"cf/keyfile/1", public.as_bytes()].concat()
}

fn read_file(path: &Path) -> Result<Vec<u8>, Refusal> {
    fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => unreadable(path),
        _ => failed(&error, path),
    })
}

fn unreadable(path: &Path) -> Refusal {
    Refusal::new(Code::KeyUnreadable, path.display().to_string())
}

fn failed(error: &io::Error, path: &Path) -> Refusal {
    Refusal::from_error(Code::IoFailed, error).at(path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_and_no_changed_byte_is_believed() {
        let key = SecretKey::from_seed(&[7; 32]);
        let sealed = seal(&[1; 32], &[2; NONCE_BYTES], &key);
        assert_eq!(open(&[1; 32], &sealed).map(|key| key.public()), Some(key.public()));
        assert!(open(&[9; 32], &sealed).is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(&[1; 32], &changed).is_none(), "byte {at}");
            assert!(open(&[1; 32], &sealed[..at]).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn the_seed_is_not_in_the_file() {
        let sealed = seal(&[1; 32], &[2; NONCE_BYTES], &SecretKey::from_seed(&[7; 32]));
        assert!(!sealed.windows(8).any(|bytes| bytes == [7; 8]));
    }

    #[cfg(unix)]
    #[test]
    fn both_files_are_for_the_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a temporary directory");
        let (device, sealing) = (folder.path().join("device.key"), folder.path().join("seal.key"));
        let key = SecretKey::from_seed(&[7; 32]);
        write(&device, &sealing, &key).expect("writable");
        assert_eq!(read(&device, &sealing).map(|key| key.public()), Ok(key.public()));
        for path in [&device, &sealing] {
            assert_eq!(fs::metadata(path).expect("written").permissions().mode() & 0o777, 0o600);
        }
        fs::remove_file(&sealing).expect("removable");
        assert_eq!(
            read(&device, &sealing).map_err(|refusal| refusal.code()).err(),
            Some(Code::KeyUnreadable)
        );
    }
}
