//! The request code: a device asks for an activation.
//!
//! ```text
//! header 5, pack version 12, device 256, device tag 40, key check 12, checksum 25: 350 bits, 14 groups
//! ```
//!
//! Nothing in it is secret, and nothing in it proves who wrote it: the checksum tells only that it was typed as it was
//! shown.

use serde::Serialize;

use super::fields::{MessageError, Unfit};
use super::{BitWriter, Kind, TypedCode};
use crate::ids::PublicKey;
use crate::wire::byte_ids;

const PACK_VERSION_BITS: usize = 12;
const KEY_CHECK_BITS: usize = 12;
const CHECKSUM_BITS: usize = 25;

byte_ids! {
    /// The first 40 bits of a digest over the fingerprint of a device; zeros where no component is known.
    DeviceTag[5];
}

/// 12 bits that follow from a licence key and a chain: the vendor sees by them that another key was typed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct KeyCheck(u16);

impl KeyCheck {
    /// The first 12 bits of `mac`.
    pub fn of(mac: &[u8; 32]) -> Self {
        Self(u16::from_be_bytes([mac[0], mac[1]]) >> (16 - KEY_CHECK_BITS))
    }

    /// The bits as a number.
    pub fn number(self) -> u16 {
        self.0
    }
}

/// What a request code says.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct RequestFields {
    /// The version of the pack that the device has: 1 to 4,095.
    pub pack_version: u32,
    /// The key that signs the device's chain.
    pub device: PublicKey,
    /// The device's fingerprint in short.
    pub tag: DeviceTag,
    /// Tells whether the licence key that the vendor has is the one that was typed at the device.
    pub key_check: KeyCheck,
}

impl RequestFields {
    /// The number of groups of every request code.
    pub const GROUPS: usize = 14;

    /// Writes the code.
    ///
    /// # Errors
    /// When the pack's version is out of range.
    pub fn write(&self) -> Result<TypedCode, Unfit> {
        let mut writer = BitWriter::new(Kind::Request);
        if self.pack_version == 0 {
            return Err(Unfit(PACK_VERSION));
        }
        writer.fitting(PACK_VERSION, self.pack_version.into(), PACK_VERSION_BITS)?;
        writer.bytes(self.device.as_bytes());
        writer.bytes(self.tag.as_bytes());
        writer.uint(self.key_check.0.into(), KEY_CHECK_BITS);
        writer.checksum(CHECKSUM_BITS);
        Ok(writer.finish())
    }

    /// Reads the code.
    ///
    /// # Errors
    /// When it is of another kind or length, its checksum does not match, or the pack's version is 0.
    pub fn read(code: &TypedCode) -> Result<Self, MessageError> {
        let mut reader = code.fields_of(Kind::Request)?;
        let pack_version = u32::try_from(reader.uint(PACK_VERSION_BITS)?).expect("12 bits fit");
        let device = PublicKey(reader.bytes()?);
        let tag = DeviceTag(reader.bytes()?);
        let key_check = KeyCheck(u16::try_from(reader.uint(KEY_CHECK_BITS)?).expect("12 bits fit"));
        reader.checksum(CHECKSUM_BITS)?;
        reader.finish()?;
        if pack_version == 0 {
            return Err(MessageError::Field(PACK_VERSION));
        }
        Ok(Self { pack_version, device, tag, key_check })
    }
}

const PACK_VERSION: &str = "version of the pack";
