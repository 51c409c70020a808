//! Returns: a device tells its vendor by a code what was used, or that it closed its chain.
//!
//! A MAC proves it to the vendor and to nobody else: the vendor could have made it. The chain, when it is carried later,
//! must contain the head that was told.

use schemas::codes::Code;
use schemas::ids::{Digest, SealingKey};
use schemas::run::DeviceOrigin;
use schemas::typed::{ChainReference, MessageError, ReturnCode, ReturnFields, ReturnStart, TypedCode, Unfit};
use subtle::ConstantTimeEq;
use thiserror::Error;

use super::agreement::{ReturnKey, SealingSecret, WeakKey};
use crate::chain;
use crate::keys::SecretKey;

/// Writes a return code of the chain that `origin` names and `device` signs.
///
/// # Errors
/// When a field is beyond what a code can tell, or the vendor's key is not one.
///
/// # Panics
/// When the key or the reference in the fields is another chain's.
pub fn write(
    fields: &ReturnFields,
    origin: &DeviceOrigin,
    device: &SecretKey,
    sealing: &SealingKey,
) -> Result<TypedCode, WriteError> {
    let chain = chain::device_chain(&origin.signer, &origin.reference);
    assert!(origin.signer == device.public(), "a device writes codes of its own chain");
    assert!(fields.chain == ChainReference::of(&chain), "a code names the chain that it is of");
    let key = ReturnKey::of_device(device, sealing)?;
    Ok(fields.write(|so_far| key.mac(&chain, origin.reference, so_far))?)
}

/// Why a return code is not written.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum WriteError {
    /// What is to be told does not fit.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The pack's sealing key is none.
    #[error("the pack's key for messages to the vendor is not sound")]
    SealingKey(#[from] WeakKey),
}

impl WriteError {
    /// The refusal code that stands for this error.
    pub fn code(self) -> Code {
        match self {
            Self::Unfit(error) => error.code(),
            Self::SealingKey(_) => Code::PackInvalid,
        }
    }
}

/// A return code that was believed. It is made by [`verify`] only.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedReturn {
    fields: ReturnFields,
    digest: Digest,
}

impl VerifiedReturn {
    /// What it says.
    pub fn fields(&self) -> &ReturnFields {
        &self.fields
    }

    /// The digest by which its answer names it.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

/// Believes a return code of the chain that `origin` names, whose policy has `metered` metered features. Which chain that is,
/// [`ReturnStart`] tells. Whether anything follows from it is another question.
///
/// # Errors
/// The first rule that it breaks.
pub fn verify(
    code: &TypedCode,
    origin: &DeviceOrigin,
    sealing: &SealingSecret,
    metered: usize,
) -> Result<VerifiedReturn, ReturnError> {
    let chain = chain::device_chain(&origin.signer, &origin.reference);
    if ReturnStart::read(code)?.chain != ChainReference::of(&chain) {
        return Err(ReturnError::OtherDevice);
    }
    let ReturnCode { fields, authenticated, mac } = ReturnCode::read(code, metered)?;
    let key = ReturnKey::of_vendor(sealing, &origin.signer)?;
    let made = key.mac(&chain, origin.reference, &authenticated);
    if !bool::from(made.as_bytes().ct_eq(mac.as_bytes())) {
        return Err(ReturnError::Mac);
    }
    Ok(VerifiedReturn { fields, digest: super::digest(code) })
}

/// Why a return code is not taken.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum ReturnError {
    /// It is no return code, or not as it was shown.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// It names another chain.
    #[error("it is the code of another chain")]
    OtherDevice,
    /// Its MAC does not hold.
    #[error("its MAC does not hold")]
    Mac,
    /// The device's public key is none.
    #[error("the device's public key is not sound")]
    DeviceKey(#[from] WeakKey),
}

impl ReturnError {
    /// The refusal code that stands for this error.
    pub fn code(self) -> Code {
        match self {
            Self::Message(error) => error.code(),
            Self::OtherDevice => Code::CodeOtherDevice,
            Self::Mac | Self::DeviceKey(_) => Code::CodeMismatch,
        }
    }
}
