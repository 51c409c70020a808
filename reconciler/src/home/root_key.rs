//! The root key's file: by itself, so that it can be moved to a safe, and sealed where a passphrase was given.
//!
//! ```text
//! plain  = magic  00  seed (32)
//! sealed = magic  01  memory in KiB (4)  passes (4)  lanes (4)  salt (16)  nonce (24)  sealed seed (48)
//! magic  = "counterfoil root key 1" LF
//! ```
//!
//! Integers are big endian. The sealed seed is XChaCha20-Poly1305 of the seed, its tag at the end, under the 32
//! bytes that Argon2id (version 1.3, RFC 9106) makes of the passphrase; all before it is authenticated with it.

use std::fmt;
use std::io;
use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use ledger::keys::SecretKey;
use schemas::codes::Code;
use schemas::refusal::Refusal;
use zeroize::Zeroizing;

use super::{Secret, files};

const MAGIC: &[u8] = b"counterfoil root key 1\n";
const PLAIN: u8 = 0;
const SEALED: u8 = 1;
const SEALED_BYTES: usize = 48;

/// What a root key is sealed with. Wiped from memory when dropped, never printed.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes a passphrase as it was given; a line's end after it does not belong to it.
    ///
    /// # Errors
    /// `usage` for an empty one.
    pub fn new(text: &str) -> Result<Self, Refusal> {
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(Refusal::new(Code::Usage, "the passphrase is empty")),
            text => Ok(Self(Zeroizing::new(text.to_owned()))),
        }
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// The bytes of a root key's file, recognised but not opened.
pub struct RootKeyFile(Zeroizing<Vec<u8>>);

impl RootKeyFile {
    /// Puts `key` into the form of a file, sealed where there is a passphrase.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn seal(key: &SecretKey, passphrase: Option<&Passphrase>) -> Result<Self, Refusal> {
        match passphrase {
            Some(passphrase) => Self::sealed(key, passphrase, Cost::PRESENT),
            None => Ok(Self(Zeroizing::new([MAGIC, &[PLAIN], &*key.seed()].concat()))),
        }
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    /// `root_key_missing` when there is none; `home_damaged` when it does not begin as one.
    pub fn read(path: &Path) -> Result<Self, Refusal> {
        let bytes = std::fs::read(path).map(Zeroizing::new).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Refusal::new(Code::RootKeyMissing, path.display().to_string()),
            _ => files::io_failed(path, &error),
        })?;
        if bytes.starts_with(MAGIC) { Ok(Self(bytes)) } else { Err(not_a_key().at(path.display())) }
    }

    /// Writes the file for its owner only, whole or not at all.
    ///
    /// # Errors
    /// `io_failed`.
    pub fn write(&self, path: &Path) -> Result<(), Refusal> {
        files::write_secret(path, &self.0)
    }

    /// Whether a passphrase is needed to open it.
    pub fn is_sealed(&self) -> bool {
        self.0.get(MAGIC.len()) == Some(&SEALED)
    }

    /// Opens it.
    ///
    /// # Errors
    /// `passphrase_wrong` when it is sealed and does not open; `home_damaged` when it is cut or foreign.
    pub fn open(&self, passphrase: Option<&Passphrase>) -> Result<SecretKey, Refusal> {
        let seed = match self.0[MAGIC.len()..].split_first() {
            Some((&PLAIN, seed)) => seed.try_into().map(Zeroizing::new).map_err(|_| not_a_key())?,
            Some((&SEALED, _)) => self.unseal(passphrase.ok_or_else(needs_passphrase)?)?,
            _ => return Err(not_a_key()),
        };
        Ok(SecretKey::from_seed(&seed))
    }

    fn sealed(key: &SecretKey, passphrase: &Passphrase, cost: Cost) -> Result<Self, Refusal> {
        let (mut salt, mut nonce) = ([0; 16], [0; 24]);
        getrandom::fill(&mut salt).map_err(files::no_randomness)?;
        getrandom::fill(&mut nonce).map_err(files::no_randomness)?;
        let mut bytes = [MAGIC, &[SEALED], &cost.to_bytes(), &salt, &nonce].concat();
        let seed = key.seed();
        let sealed = cost
            .cipher(passphrase, &salt)?
            .encrypt(&XNonce::from(nonce), Payload { msg: &*seed, aad: &bytes })
            .expect("32 bytes are within the cipher's limit");
        bytes.extend_from_slice(&sealed);
        Ok(Self(Zeroizing::new(bytes)))
    }

    fn unseal(&self, passphrase: &Passphrase) -> Result<Secret, Refusal> {
        let (head, sealed) = self.0.split_last_chunk::<SEALED_BYTES>().ok_or_else(not_a_key)?;
        let fields = head.get(MAGIC.len() + 1..).ok_or_else(not_a_key)?;
        let (cost, rest) = fields.split_first_chunk::<12>().ok_or_else(not_a_key)?;
        let (salt, nonce) = rest.split_first_chunk::<16>().ok_or_else(not_a_key)?;
        let nonce: [u8; 24] = nonce.try_into().map_err(|_| not_a_key())?;
        let seed = Cost::from_bytes(cost)?
            .cipher(passphrase, salt)?
            .decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: head })
            .map(Zeroizing::new)
            .map_err(|_| Refusal::from(Code::PassphraseWrong))?;
        seed.as_slice().try_into().map(Zeroizing::new).map_err(|_| not_a_key())
    }
}

impl fmt::Debug for RootKeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootKeyFile(sealed: {})", self.is_sealed())
    }
}

/// What opening costs whoever guesses passphrases.
#[derive(Clone, Copy, Debug)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// RFC 9106's second recommendation.
    const PRESENT: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 4 };
    /// The most that a file may ask for, so that a hostile one cannot exhaust the machine.
    const MOST: Self = Self { memory_kib: 1024 * 1024, passes: 64, lanes: 64 };

    fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&self.memory_kib.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.passes.to_be_bytes());
        bytes[8..].copy_from_slice(&self.lanes.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; 12]) -> Result<Self, Refusal> {
        let field = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let cost = Self { memory_kib: field(0), passes: field(4), lanes: field(8) };
        let bearable = cost.memory_kib <= Self::MOST.memory_kib
            && cost.passes <= Self::MOST.passes
            && cost.lanes <= Self::MOST.lanes;
        if bearable { Ok(cost) } else { Err(not_a_key()) }
    }

    fn cipher(self, passphrase: &Passphrase, salt: &[u8; 16]) -> Result<XChaCha20Poly1305, Refusal> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, None).map_err(|_| not_a_key())?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.0.as_bytes(), salt, key.as_mut())
            .map_err(|error| Refusal::new(Code::Failed, error.to_string()))?;
        Ok(XChaCha20Poly1305::new((&*key).into()))
    }
}

fn not_a_key() -> Refusal {
    Refusal::new(Code::HomeDamaged, "this is not a root key's file, or it was changed")
}

fn needs_passphrase() -> Refusal {
    Refusal::new(Code::PassphraseWrong, "it is sealed and no passphrase was given")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cheap, so that the tests below can open the file for every byte of it.
    const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text).expect("not empty")
    }

    fn sealed() -> RootKeyFile {
        RootKeyFile::sealed(&SecretKey::from_seed(&[5; 32]), &passphrase("tally"), CHEAP).expect("randomness")
    }

    fn code_of(file: &RootKeyFile, passphrase: Option<&Passphrase>) -> Option<Code> {
        file.open(passphrase).err().map(|refusal| refusal.code())
    }

    #[test]
    fn a_sealed_key_opens_with_its_passphrase_only() {
        let file = sealed();
        assert!(file.is_sealed());
        assert_eq!(code_of(&file, None), Some(Code::PassphraseWrong));
        assert_eq!(code_of(&file, Some(&passphrase("stick"))), Some(Code::PassphraseWrong));
        let key = file.open(Some(&passphrase("tally\n"))).expect("the right passphrase");
        assert_eq!(key.public(), SecretKey::from_seed(&[5; 32]).public());
    }

    #[test]
    fn the_usual_cost_is_the_one_that_files_are_made_with() {
        let file = RootKeyFile::seal(&SecretKey::from_seed(&[5; 32]), Some(&passphrase("tally")));
        let file = file.expect("randomness");
        assert_eq!(file.0[MAGIC.len() + 1..MAGIC.len() + 13], Cost::PRESENT.to_bytes());
        assert_eq!(code_of(&file, Some(&passphrase("tally"))), None);
    }

    #[test]
    fn a_plain_key_needs_no_passphrase() {
        let file = RootKeyFile::seal(&SecretKey::from_seed(&[5; 32]), None).expect("no randomness needed");
        assert!(!file.is_sealed());
        assert_eq!(code_of(&file, None), None);
    }

    #[test]
    fn no_changed_or_cut_file_opens() {
        let file = sealed();
        // A cost that was raised is still bearable and only slow, so its high bytes are left out.
        for at in (MAGIC.len()..file.0.len()).filter(|at| !(MAGIC.len() + 1..MAGIC.len() + 13).contains(at)) {
            let mut changed = file.0.clone();
            changed[at] ^= 0x80;
            assert!(RootKeyFile(changed).open(Some(&passphrase("tally"))).is_err(), "byte {at}");
        }
        for len in MAGIC.len()..file.0.len() {
            let cut = RootKeyFile(Zeroizing::new(file.0[..len].to_vec()));
            assert!(cut.open(Some(&passphrase("tally"))).is_err(), "cut at {len}");
        }
    }

    #[test]
    fn a_file_that_asks_for_too_much_is_refused_before_any_work() {
        let mut greedy = sealed().0;
        greedy[MAGIC.len() + 1] = 0xff;
        assert_eq!(code_of(&RootKeyFile(greedy), Some(&passphrase("tally"))), Some(Code::HomeDamaged));
    }

    #[test]
    fn a_passphrase_is_not_printed_and_not_empty() {
        assert!(!format!("{:?}", passphrase("tally")).contains("tally"));
        assert_eq!(Passphrase::new("\n").err().map(|refusal| refusal.code()), Some(Code::Usage));
    }
}
