//! Requests: a device asks by a code, and its vendor reads it with the licence key that was typed at both ends.

use schemas::codes::Code;
use schemas::event::device::FingerprintComponent;
use schemas::ids::{ChainId, Digest, PublicKey};
use schemas::run::DeviceOrigin;
use schemas::typed::{DeviceTag, MessageError, RequestFields, TypedCode, Unfit};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::agreement;
use crate::chain;
use crate::license_key::LicenseKey;

/// The tag of a device with these fingerprint components, in their order: the first 40 bits of
/// `SHA-256("cf/devicetag/1" || component || tag || …)`, and zeros without any.
pub fn device_tag(components: &[FingerprintComponent]) -> DeviceTag {
    if components.is_empty() {
        return DeviceTag([0; DeviceTag::LEN]);
    }
    let mut hash = Sha256::new().chain_update(b"cf/devicetag/1");
    for component in components {
        hash.update([component.component]);
        hash.update(component.tag.as_bytes());
    }
    DeviceTag::from_slice(&hash.finalize()[..DeviceTag::LEN]).expect("a digest is longer")
}

/// Writes the request of the chain that `device` signs for the licence key.
///
/// # Errors
/// When the pack's version is beyond what a code can tell.
pub fn write(
    device: &PublicKey,
    pack_version: u32,
    components: &[FingerprintComponent],
    key: &LicenseKey,
) -> Result<TypedCode, Unfit> {
    let chain = chain::device_chain(device, &key.reference());
    let (tag, key_check) = (device_tag(components), key.check(&chain));
    RequestFields { pack_version, device: *device, tag, key_check }.write()
}

/// A request that goes with the licence key. It is made by [`verify`] only.
///
/// Nothing proves that the device wrote it: whoever types it vouches for the device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedRequest {
    fields: RequestFields,
    origin: DeviceOrigin,
    digest: Digest,
}

impl VerifiedRequest {
    /// What it says.
    pub fn fields(&self) -> &RequestFields {
        &self.fields
    }

    /// What the device's chain is named by.
    pub fn origin(&self) -> &DeviceOrigin {
        &self.origin
    }

    /// The device's chain.
    pub fn chain(&self) -> ChainId {
        chain::device_chain(&self.origin.signer, &self.origin.reference)
    }

    /// The digest by which its answer names it.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

/// Believes a request as far as that goes: it was typed as it was shown, up to 1 of 2²⁵, and the same licence key was typed
/// at the device, up to 1 of 4,096.
///
/// # Errors
/// The first rule that it breaks.
pub fn verify(code: &TypedCode, key: &LicenseKey) -> Result<VerifiedRequest, RequestError> {
    let fields = RequestFields::read(code)?;
    if !agreement::is_sound(&fields.device) {
        return Err(RequestError::DeviceKey);
    }
    let origin = DeviceOrigin { signer: fields.device, reference: key.reference() };
    let verified = VerifiedRequest { fields, origin, digest: super::digest(code) };
    if key.check(&verified.chain()) != fields.key_check {
        return Err(RequestError::OtherKey);
    }
    Ok(verified)
}

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum RequestError {
    /// It is no request, or not as it was shown.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// Its public key is not one that a device has.
    #[error("the code does not hold the public key of a device")]
    DeviceKey,
    /// Another licence key was typed at the device.
    #[error("another licence key was typed at the device")]
    OtherKey,
}

impl RequestError {
    /// The refusal code that stands for this error.
    pub fn code(self) -> Code {
        match self {
            Self::Message(error) => error.code(),
            Self::DeviceKey => Code::CodeMismatch,
            Self::OtherKey => Code::CodeOtherKey,
        }
    }
}
