//! Unlock codes: the vendor signs with the key of the pack, and a device takes only what was signed for its chain, its
//! pack and the code that it showed last.
//!
//! ```text
//! signed = "cf/unlock/1" || chain || key reference || digest of the pack || digest of the code answered || so_far
//! ```

use schemas::codes::Code;
use schemas::ids::{ChainId, Digest, KeyReference, PublicKey, Signature};
use schemas::pack::PackBody;
use schemas::run::DeviceOrigin;
use schemas::terms::{FeatureGrant, Policy};
use schemas::typed::{CodeQuota, MessageError, TypedCode, Unfit, UnlockCode, UnlockFields};
use thiserror::Error;

use crate::chain;
use crate::keys::{self, SecretKey};

/// Most signatures that are tried to tell for what a code was made that is of no use here.
pub const TRIALS: usize = 48;

/// What an unlock code is signed for beside what it says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Purpose {
    /// The device's chain.
    pub chain: ChainId,
    /// The public part of the licence key.
    pub reference: KeyReference,
    /// The digest of the device's pack.
    pub pack: Digest,
    /// The digest of the code that it answers.
    pub answers: Digest,
}

impl Purpose {
    /// That of a code for the chain that `origin` names.
    pub fn of(origin: &DeviceOrigin, pack: Digest, answers: Digest) -> Self {
        let DeviceOrigin { signer, reference } = origin;
        Self { chain: chain::device_chain(signer, reference), reference: *reference, pack, answers }
    }

    /// The bytes that are signed; `so_far` is what the code says.
    pub fn signed(&self, so_far: &[u8]) -> Vec<u8> {
        [
            b"cf/unlock/1".as_slice(),
            self.chain.as_bytes(),
            self.reference.as_bytes(),
            self.pack.as_bytes(),
            self.answers.as_bytes(),
            so_far,
        ]
        .concat()
    }
}

/// Writes an unlock code and signs it with the key that the pack names for codes.
///
/// # Errors
/// When a field is beyond what a code can tell.
pub fn write(fields: &UnlockFields, purpose: &Purpose, code_key: &SecretKey) -> Result<TypedCode, Unfit> {
    fields.write(|so_far| code_key.sign(&purpose.signed(so_far)))
}

/// A pack that a device had or may get, for telling that a code is for that one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OtherPack {
    /// Its digest.
    pub digest: Digest,
    /// Its key for codes.
    pub key: PublicKey,
}

/// What a device holds an unlock code against.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// What names its chain.
    pub origin: &'a DeviceOrigin,
    /// Its pack, which was believed.
    pub pack: &'a PackBody,
    /// The pack's digest.
    pub digest: Digest,
    /// The digest of the code that it showed last.
    pub shown: Digest,
    /// The digests of codes that it showed before, the likeliest first.
    pub shown_before: &'a [Digest],
    /// Other packs, the likeliest first.
    pub other_packs: &'a [OtherPack],
}

/// An unlock code that was believed. It is made by [`verify`] only.
#[derive(Clone, Debug)]
pub struct VerifiedUnlock {
    fields: UnlockFields,
    policy: Policy,
    signature: Signature,
    digest: Digest,
}

impl VerifiedUnlock {
    /// What it says.
    pub fn fields(&self) -> &UnlockFields {
        &self.fields
    }

    /// The policy that it names.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The hard quotas that it tells of, each with its feature.
    pub fn quotas(&self) -> impl Iterator<Item = (&FeatureGrant, &CodeQuota)> {
        super::hard(&self.policy).zip(&self.fields.quotas)
    }

    /// Its signature.
    pub fn signature(&self) -> Signature {
        self.signature
    }

    /// The code's digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

/// Believes an unlock code that was signed for just this chain, pack and code. Whether it may be applied is another
/// question.
///
/// # Errors
/// The first rule that it breaks. Where the signature does not hold, [`TRIALS`] others are tried at most, and the error says
/// for which pack or which code shown before it was made.
pub fn verify(code: &TypedCode, expected: &Expected<'_>) -> Result<VerifiedUnlock, UnlockError> {
    // How many quotas another pack's policy has is not known here, so the length tells it.
    let read = UnlockCode::read_by_length(code)?;
    let policy = expected.pack.policies.iter().find(|policy| policy.air_gapped == Some(read.fields.policy));
    let quotas = policy.map(|policy| super::hard(policy).count());
    let is_own = expected
        .pack
        .code_keys
        .first()
        .is_some_and(|key| holds(&read, key, &expected.purpose(expected.digest, expected.shown)));
    if !is_own {
        return Err(expected.told_otherwise(&read).unwrap_or_else(|| mistyped(code, quotas)));
    }
    match policy {
        Some(policy) if [Some(0), quotas].contains(&Some(read.fields.quotas.len())) => {
            let digest = super::digest(code);
            Ok(VerifiedUnlock {
                fields: read.fields,
                policy: policy.clone(),
                signature: read.signature,
                digest,
            })
        }
        _ => Err(UnlockError::Policy { number: read.fields.policy }),
    }
}

impl Expected<'_> {
    fn purpose(&self, pack: Digest, answers: Digest) -> Purpose {
        Purpose::of(self.origin, pack, answers)
    }

    /// For what a code of this chain was made, as far as the trials tell it.
    fn told_otherwise(&self, read: &UnlockCode) -> Option<UnlockError> {
        let own = self.pack.code_keys.first().map(|key| OtherPack { digest: self.digest, key: *key });
        let of_own = own.iter().flat_map(|pack| self.shown_before.iter().map(move |shown| (pack, shown)));
        let of_others = [std::slice::from_ref(&self.shown), self.shown_before]
            .into_iter()
            .flatten()
            .flat_map(|shown| self.other_packs.iter().map(move |pack| (pack, shown)));
        let mut trials = of_own.chain(of_others).take(TRIALS);
        let (pack, answers) =
            trials.find(|(pack, shown)| holds(read, &pack.key, &self.purpose(pack.digest, **shown)))?;
        Some(if pack.digest == self.digest {
            UnlockError::AnsweredEarlier { answers: *answers }
        } else {
            UnlockError::OtherPack { pack: pack.digest }
        })
    }
}

/// What is wrong with a code of which nothing is known but how many `quotas` its policy has here.
fn mistyped(code: &TypedCode, quotas: Option<usize>) -> UnlockError {
    match quotas.map(|quotas| UnlockCode::read(code, quotas)) {
        Some(Err(error)) => error.into(),
        _ => UnlockError::Signature,
    }
}

fn holds(read: &UnlockCode, key: &PublicKey, purpose: &Purpose) -> bool {
    keys::verify(key, &purpose.signed(&read.signed), &read.signature)
}

/// Why an unlock code is not taken.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum UnlockError {
    /// It is no unlock code, or not as it was shown.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// It was made for another pack.
    #[error("it is for the pack {pack}")]
    OtherPack {
        /// The digest of that pack.
        pack: Digest,
    },
    /// It answers a code that was shown before the last one.
    #[error("it answers a code that was shown before the last one")]
    AnsweredEarlier {
        /// The digest of that code.
        answers: Digest,
    },
    /// Its signature holds for nothing that is known here.
    #[error(
        "its signature does not hold for this device, its licence key, its pack and the code that was shown"
    )]
    Signature,
    /// It was signed for this pack and names a policy that the pack does not hold, or with other quotas.
    #[error("the pack does not hold policy {number} as the code has it")]
    Policy {
        /// The policy's number.
        number: u16,
    },
}

impl UnlockError {
    /// The refusal code that stands for this error.
    pub fn code(self) -> Code {
        match self {
            Self::Message(error) => error.code(),
            Self::OtherPack { .. } => Code::CodeOtherPack,
            Self::AnsweredEarlier { .. } => Code::CodeAnsweredEarlier,
            Self::Signature => Code::CodeMismatch,
            Self::Policy { .. } => Code::OutOfRange,
        }
    }
}
