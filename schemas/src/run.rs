//! Runs: consecutive events of one chain, as bytes.
//!
//! ```text
//! run    = [header, [core, signature, core, signature, …]]
//! header = [version, chain, origin, first seq, prev]
//! origin = [number, body]      the signer and what it refers to: together they prove the chain's name
//! ```

use serde::{Deserialize, Serialize};

use crate::canonical::{self, Cursor, DecodeError};
use crate::event::Writer;
use crate::ids::{CertificateId, ChainId, KeyReference, LicenseId, Link, PublicKey, Signature};
use crate::limits;
use crate::numbers::{Epoch, Seq};
use crate::text::Text;
use crate::wire::tagged;

/// The version of the event format that this program writes.
pub const VERSION: u8 = 1;

/// What stands before a run's events.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RunHeader {
    /// The version of the event format.
    pub version: u8,
    /// The chain.
    pub chain: ChainId,
    /// Who writes the chain, and what proves its name.
    pub origin: Origin,
    /// The place of the first event.
    pub first_seq: Seq,
    /// The link before it.
    pub prev: Link,
}

tagged! {
    /// Who writes a chain, and what proves its name.
    Origin {
        /// A device.
        Device(DeviceOrigin) = 0 "device",
        /// The vendor, about one licence.
        Authority(AuthorityOrigin) = 1 "authority",
        /// The vendor, about products, policies, customers and keys.
        Catalog(CatalogOrigin) = 2 "catalog",
    }
}

impl Origin {
    /// Which sort of chain it is.
    pub fn writer(&self) -> Writer {
        match self {
            Self::Device(_) => Writer::Device,
            Self::Authority(_) => Writer::Authority,
            Self::Catalog(_) => Writer::Catalog,
        }
    }
}

/// A device chain's origin.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DeviceOrigin {
    /// The public half of the key pair made on the device for this chain.
    pub signer: PublicKey,
    /// The public part of the licence key, or of the product for a trial.
    pub reference: KeyReference,
}

/// An authority chain's origin.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AuthorityOrigin {
    /// The certificate of the issuer key that signs this run.
    pub signer: CertificateId,
    /// The product.
    pub product: Text,
    /// The environment.
    pub environment: Text,
    /// The licence.
    pub license: LicenseId,
    /// Raised when a vendor restores a backup.
    pub epoch: Epoch,
}

/// The catalog chain's origin.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CatalogOrigin {
    /// The certificate of the issuer key that signs this run.
    pub signer: CertificateId,
    /// The root key.
    pub root: PublicKey,
    /// The environment.
    pub environment: Text,
}

/// A run whose form was checked: the header is decoded, the events are counted and still bytes.
#[derive(Clone, Debug)]
pub struct RunBytes<'a> {
    /// The header.
    pub header: RunHeader,
    /// How many events follow.
    pub count: u64,
    /// The events' pairs of core and signature, one after the other.
    pub pairs: &'a [u8],
}

impl<'a> RunBytes<'a> {
    /// Reads a run's header and the number of its events.
    ///
    /// # Errors
    /// The first rule that the bytes break; [`DecodeError::TooLong`] beyond the limits,
    /// [`DecodeError::OutOfRange`] for a run without events, a first place of 0, or a last one beyond
    /// [`limits::PLACE_MAX`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.len() > limits::RUN_BYTES {
            return Err(DecodeError::TooLong);
        }
        let mut cursor = Cursor::new(bytes);
        cursor.array_of(2)?;
        let header = read_header(&mut cursor)?;
        let values = cursor.array()?;
        if values % 2 != 0 {
            return Err(DecodeError::WrongArity);
        }
        let count = values / 2;
        if count > limits::RUN_EVENTS as u64 {
            return Err(DecodeError::TooLong);
        }
        let is_bounded = header.first_seq.0.checked_add(count).is_some_and(|end| end <= limits::PLACE_MAX);
        if count == 0 || header.first_seq == Seq(0) || !is_bounded {
            return Err(DecodeError::OutOfRange);
        }
        Ok(Self { header, count, pairs: cursor.rest() })
    }
}

/// One event as it stands in a run.
#[derive(Clone, Copy, Debug)]
pub struct SignedCore<'a> {
    /// The core.
    pub core: &'a [u8],
    /// The signature over the event's id.
    pub signature: Signature,
    /// The pair's bytes.
    pub pair: &'a [u8],
}

/// Reads the pairs of core and signature that make up `pairs`; stops after the first error.
pub fn pairs(pairs: &[u8]) -> impl Iterator<Item = Result<SignedCore<'_>, DecodeError>> {
    let mut cursor = Cursor::new(pairs);
    std::iter::from_fn(move || {
        if cursor.rest().is_empty() {
            return None;
        }
        let pair = read_pair(&mut cursor);
        if pair.is_err() {
            cursor = Cursor::new(&[]);
        }
        Some(pair)
    })
}

/// Appends a pair of core and signature.
pub fn append_pair(pairs: &mut Vec<u8>, core: &[u8], signature: &Signature) {
    append_bin(pairs, core);
    append_bin(pairs, signature.as_bytes());
}

/// Puts a header before `count` pairs: the bytes of a run.
pub fn assemble(header: &RunHeader, count: u64, pairs: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(pairs.len() + 160);
    bytes.push(0x92);
    canonical::append(&mut bytes, header);
    let values = u32::try_from(count * 2).expect("a run holds a bounded number of events");
    rmp::encode::write_array_len(&mut bytes, values).expect("a vector takes every write");
    bytes.extend_from_slice(pairs);
    bytes
}

fn read_header(cursor: &mut Cursor<'_>) -> Result<RunHeader, DecodeError> {
    let start = cursor.rest();
    // The version decides how the rest is read, so it is looked at before the rest.
    let mut version = cursor.clone();
    version.array()?;
    if version.uint()? != u64::from(VERSION) {
        return Err(DecodeError::UnknownVersion);
    }
    cursor.skip_value()?;
    canonical::from_bytes(&start[..start.len() - cursor.rest().len()])
}

#[inline]
fn read_pair<'a>(cursor: &mut Cursor<'a>) -> Result<SignedCore<'a>, DecodeError> {
    let start = cursor.rest();
    let core = cursor.bin()?;
    let signature = Signature::from_slice(cursor.bin()?).ok_or(DecodeError::WrongType)?;
    Ok(SignedCore { core, signature, pair: &start[..start.len() - cursor.rest().len()] })
}

fn append_bin(bytes: &mut Vec<u8>, value: &[u8]) {
    let len = u32::try_from(value.len()).expect("a core or a signature is short");
    rmp::encode::write_bin_len(bytes, len).expect("a vector takes every write");
    bytes.extend_from_slice(value);
}
