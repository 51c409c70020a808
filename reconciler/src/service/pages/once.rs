//! Forms that are done once, however often they are sent: each carries a number of its own, which is kept as an
//! `Idempotency-Key` is.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use schemas::codes::Code;
use schemas::ids::{Digest, LicenseId};
use schemas::refusal::Refusal;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::mistakes::is_mistaken;
use super::terms::Typed;
use crate::vendor::Vendor;
use crate::vendor::requests::Before;

/// The field with the number.
pub(super) const ONCE: &str = "once";
/// Bytes of a number.
const BYTES: usize = 16;
/// What parts the token from the number; no key that a client of the API names has it.
const OF_A_FORM: &[u8] = b"\0form\0";

/// Orders that forms make are carried out one after the other: one that is sent again meanwhile waits for the first.
#[derive(Debug, Default)]
pub(in crate::service) struct Orders(Arc<Mutex<()>>);

impl Orders {
    /// Waits for one's turn, which lasts until what is returned is dropped.
    pub(super) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.0).lock_owned().await
    }
}

/// A number for a form.
///
/// # Errors
/// When the system has no randomness.
pub(super) fn number() -> Result<String, Refusal> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Refusal::from_error(Code::Failed, &error))?;
    Ok(HEXLOWER.encode(&bytes))
}

/// Issues what a form asks for, if it was not done before; the licence in any case.
///
/// # Errors
/// Those of `issue`, after which the same form can be sent again where it is the sender's mistake; `request_invalid` for a
/// form without a number; `idempotency_key_reused` for another form of the same number; `request_unfinished`.
pub(super) fn issued_once(
    vendor: &mut Vendor,
    token: &Digest,
    typed: &Typed,
    issue: impl FnOnce(&mut Vendor) -> Result<LicenseId, Refusal>,
) -> Result<LicenseId, Refusal> {
    let key = key(token, typed.word(ONCE))?;
    if let Before::Answered(answer) = vendor.begin_request(&key, &typed.digest())? {
        let id = <[u8; 16]>::try_from(answer).map_err(|_| Code::Internal)?;
        return Ok(LicenseId(id));
    }
    let issued = issue(vendor);
    match &issued {
        Ok(id) => vendor.finish_request(&key, Some(id.as_bytes()))?,
        // Nothing was done, and the same may be asked for again.
        Err(refusal) if is_mistaken(refusal) && refusal.code() != Code::Busy => {
            vendor.finish_request(&key, None)?;
        }
        // A part of it may have been done: whoever sends it again is told that this is not known.
        Err(_) => {}
    }
    issued
}

/// What a form is kept as: another one for each token.
fn key(token: &Digest, number: &str) -> Result<Digest, Refusal> {
    let bytes = HEXLOWER.decode(number.as_bytes()).ok().filter(|bytes| bytes.len() == BYTES);
    let bytes =
        bytes.ok_or_else(|| Refusal::new(Code::RequestInvalid, "the form has no number: open it anew"))?;
    let named = Sha256::new().chain_update(token.as_bytes()).chain_update(OF_A_FORM).chain_update(bytes);
    Ok(Digest(named.finalize().into()))
}
