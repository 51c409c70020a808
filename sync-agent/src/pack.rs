//! The product pack that an agent trusts.

use ledger::trust;
use schemas::armor;
use schemas::bundle::decode_pack;
use schemas::codes::Code;
use schemas::ids::Digest;
use schemas::pack::PackBody;
use schemas::refusal::Refusal;

use crate::refuse;

/// A pack whose root key signed it, with the bytes that it came in.
#[derive(Clone, Debug)]
pub(crate) struct TrustedPack {
    pub(crate) body: PackBody,
    pub(crate) digest: Digest,
    pub(crate) bytes: Vec<u8>,
}

impl TrustedPack {
    /// Reads a pack, armored or not.
    pub(crate) fn read(bytes: Vec<u8>) -> Result<Self, Refusal> {
        let bytes = armor::dearmor(bytes).map_err(|error| refuse::container(&error))?;
        let pack = decode_pack(&bytes).map_err(|error| refuse::container(&error))?;
        let body = trust::verify_pack(&pack).map_err(refuse::trust)?;
        Ok(Self { body, digest: trust::pack_digest(&pack), bytes })
    }

    /// Takes `given` before `kept`, if they are of one product, environment and root key.
    pub(crate) fn choose(given: Option<Self>, kept: Option<Self>) -> Result<Option<Self>, Refusal> {
        let (given, kept) = match (given, kept) {
            (Some(given), Some(kept)) => (given, kept),
            (given, kept) => return Ok(given.or(kept)),
        };
        let is_same = given.body.product == kept.body.product
            && given.body.environment == kept.body.environment
            && given.body.root == kept.body.root;
        if is_same {
            return Ok(Some(given));
        }
        let detail = format!("{}, {} is activated here", kept.body.product, kept.body.environment);
        Err(Refusal::new(Code::PackMismatch, detail))
    }
}
