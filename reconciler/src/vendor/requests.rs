//! Requests that may come again: each is done once, and answered as it was.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use schemas::codes::Code;
use schemas::ids::Digest;
use schemas::numbers::Seconds;
use schemas::refusal::Refusal;
use zeroize::Zeroizing;

use super::Vendor;

/// How long a request is remembered.
const REMEMBERED: Seconds = Seconds::days(1);
/// What the key is derived for that answers are sealed with: there are licence keys and tokens in them.
const PURPOSE: &[u8] = b"cf/answers/1";
const NONCE_BYTES: usize = 24;

/// What is known of a request.
#[derive(Debug, Eq, PartialEq)]
pub enum Before {
    /// It is new, and is to be done now.
    Nothing,
    /// It was done, and answered so.
    Answered(Vec<u8>),
}

impl Vendor {
    /// Notes a request by its key, if it is new.
    ///
    /// # Errors
    /// `idempotency_key_reused` where the key is another request's; `request_unfinished` where it is not known what became of
    /// it.
    pub fn begin_request(&mut self, key: &Digest, request: &Digest) -> Result<Before, Refusal> {
        let Some(kept) = self.store.begin_request(key, request, self.now)? else {
            return Ok(Before::Nothing);
        };
        if kept.request != *request {
            return Err(Code::IdempotencyKeyReused.into());
        }
        let sealed = kept.answer.ok_or(Code::RequestUnfinished)?;
        Ok(Before::Answered(self.open_answer(key, &sealed)?))
    }

    /// Keeps what a request was answered, or, where nothing was done, forgets it.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn finish_request(&mut self, key: &Digest, answer: Option<&[u8]>) -> Result<(), Refusal> {
        let sealed = answer.map(|answer| self.seal_answer(key, answer)).transpose()?;
        Ok(self.store.finish_request(key, sealed.as_deref())?)
    }

    /// Forgets requests that nobody sends again any more.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn forget_requests(&mut self) -> Result<(), Refusal> {
        Ok(self.store.forget_requests(self.now - REMEMBERED)?)
    }

    fn answers(&self) -> XChaCha20Poly1305 {
        let key = Zeroizing::new(self.home.key_secret().derive(PURPOSE, b""));
        XChaCha20Poly1305::new((&*key).into())
    }

    fn seal_answer(&self, key: &Digest, answer: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|error| Refusal::from_error(Code::Failed, &error))?;
        let payload = Payload { msg: answer, aad: key.as_bytes() };
        let sealed = self.answers().encrypt(&XNonce::from(nonce), payload).map_err(|_| Code::Internal)?;
        Ok([&nonce[..], &sealed].concat())
    }

    fn open_answer(&self, key: &Digest, sealed: &[u8]) -> Result<Vec<u8>, Refusal> {
        let damaged = || Refusal::new(Code::AuditFailed, "a kept answer");
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or_else(damaged)?;
        let payload = Payload { msg: sealed, aad: key.as_bytes() };
        self.answers().decrypt(&XNonce::from(*nonce), payload).map_err(|_| damaged())
    }
}
