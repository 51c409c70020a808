//! Who is signed in: a cookie that says which token was shown, when, and when it was last used, sealed by the home.
//!
//! ```text
//! cookie = base64url(nonce || XChaCha20-Poly1305(id || SHA-256 of the token || signed in at || used at))
//! ```
//!
//! The token itself is not in it: what a browser keeps is of use for these pages alone, for 30 minutes after the last page
//! and for 12 hours at most. Nothing is kept here either, so that every process that serves the home takes the same cookie;
//! the token is looked up for every page, and whoever revokes it ends what was begun with it. Signing out is known to the
//! process that was told: a copy of the cookie that somebody else made is of no use to it any more, and ends by its own time
//! elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderValue, header};
use chacha20poly1305::aead::Aead;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use data_encoding::BASE64URL_NOPAD;
use ledger::license_key::KeySecret;
use schemas::codes::Code;
use schemas::ids::Digest;
use schemas::numbers::{Micros, Seconds};
use schemas::refusal::Refusal;
use zeroize::Zeroizing;

/// Browsers take a cookie of this name from the service itself only, encrypted, and send it nowhere else (RFC 6265bis).
const COOKIE: &str = "__Host-counterfoil";
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Strict";
/// How long nobody may ask for a page.
const IDLE: Seconds = Seconds(30 * 60);
/// How long it lasts at most.
const LONGEST: Seconds = Seconds(12 * 3_600);
/// A cookie is renewed where it was used so long ago.
const RENEWED_AFTER: Seconds = Seconds(60);
/// Sessions that were signed out and are remembered; the earliest are forgotten first.
const ENDED: usize = 10_000;
const NONCE: usize = 24;
const ID: usize = 16;

/// Somebody who is signed in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Session {
    id: [u8; ID],
    /// What is kept of the token.
    pub(super) token: Digest,
    begun: Micros,
    used: Micros,
}

/// Opens and seals sessions.
pub(in crate::service) struct Sessions {
    cipher: XChaCha20Poly1305,
    /// Those that were signed out, with the time after which they would have ended anyway.
    ended: Mutex<BTreeMap<[u8; ID], Micros>>,
}

impl Sessions {
    /// Those of a home.
    pub(in crate::service) fn new(secret: &KeySecret) -> Self {
        let key = Zeroizing::new(secret.derive(b"cf/session/1", b""));
        Self { cipher: XChaCha20Poly1305::new((&*key).into()), ended: Mutex::default() }
    }

    /// Begins a session of the token's holder.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(super) fn begin(&self, token: Digest, now: Micros) -> Result<HeaderValue, Refusal> {
        let mut id = [0; ID];
        getrandom::fill(&mut id).map_err(|error| Refusal::from_error(Code::Failed, &error))?;
        self.cookie(&Session { id, token, begun: now, used: now })
    }

    /// The session of a request's cookie, if it is one of this home's and has not ended.
    pub(super) fn open(&self, headers: &HeaderMap, now: Micros) -> Option<Session> {
        let session = self.unseal(shown(headers)?)?;
        let is_over = now >= session.begun + LONGEST
            || now >= session.used + IDLE
            || self.ended.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&session.id);
        (!is_over).then_some(session)
    }

    /// The cookie of a session that goes on, where it needs another one.
    pub(super) fn renew(&self, session: &Session, now: Micros) -> Option<HeaderValue> {
        let is_old = now >= session.used + RENEWED_AFTER;
        is_old.then(|| self.cookie(&Session { used: now, ..*session }).ok()).flatten()
    }

    /// Ends a session, and returns the cookie that takes the place of its own.
    pub(super) fn end(&self, session: &Session, now: Micros) -> HeaderValue {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.retain(|_, until| now < *until);
        if ended.len() >= ENDED
            && let Some(earliest) = ended.iter().min_by_key(|(_, until)| **until).map(|(id, _)| *id)
        {
            ended.remove(&earliest);
        }
        ended.insert(session.id, session.begun + LONGEST);
        none()
    }

    fn cookie(&self, session: &Session) -> Result<HeaderValue, Refusal> {
        let sealed = self.seal(session)?;
        HeaderValue::from_str(&format!("{COOKIE}={sealed}; {ATTRIBUTES}"))
            .map_err(|error| Refusal::from_error(Code::Internal, &error))
    }

    fn seal(&self, session: &Session) -> Result<String, Refusal> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|error| Refusal::from_error(Code::Failed, &error))?;
        let [begun, used] = [session.begun, session.used].map(|at| at.get().to_be_bytes());
        let plain = [&session.id[..], session.token.as_bytes(), &begun, &used].concat();
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), plain.as_slice());
        let sealed = sealed.map_err(|_| Refusal::from(Code::Internal))?;
        Ok(BASE64URL_NOPAD.encode(&[&nonce[..], &sealed].concat()))
    }

    fn unseal(&self, sealed: &str) -> Option<Session> {
        let bytes = BASE64URL_NOPAD.decode(sealed.as_bytes()).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let plain = self.cipher.decrypt(&XNonce::from(*nonce), sealed).ok()?;
        let (id, rest) = plain.split_first_chunk::<ID>()?;
        let (token, rest) = rest.split_first_chunk::<{ Digest::LEN }>()?;
        let (begun, used) = rest.split_first_chunk::<8>()?;
        let used: &[u8; 8] = used.try_into().ok()?;
        let [begun, used] = [begun, used].map(|at| Micros::new(u64::from_be_bytes(*at)));
        Some(Session { id: *id, token: Digest(*token), begun, used })
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions(…)")
    }
}

/// A cookie that takes the place of one that is of no use.
pub(super) fn none() -> HeaderValue {
    HeaderValue::from_static("__Host-counterfoil=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0")
}

/// What a request's cookie holds.
fn shown(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut cookies =
        all.flat_map(|value| value.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    cookies.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Digest = Digest([7; 32]);

    fn sessions() -> Sessions {
        Sessions::new(&KeySecret::new([1; 32]))
    }

    fn at(seconds: u64) -> Micros {
        Micros::new(1_700_000_000_000_000) + Seconds(seconds)
    }

    /// What a browser sends that was told to keep a cookie.
    fn sent(cookie: &HeaderValue) -> HeaderMap {
        let kept = cookie.to_str().expect("ASCII").split(';').next().expect("a pair").to_owned();
        let sent = format!("theme=dark; {kept}; other=1");
        [(header::COOKIE, HeaderValue::from_str(&sent).expect("ASCII"))].into_iter().collect()
    }

    #[test]
    fn a_session_is_known_to_every_process_of_its_home_and_to_no_other() {
        let cookie = sessions().begin(TOKEN, at(0)).expect("randomness");
        let opened = sessions().open(&sent(&cookie), at(1)).map(|session| session.token);
        assert_eq!(opened, Some(TOKEN));
        assert_eq!(Sessions::new(&KeySecret::new([2; 32])).open(&sent(&cookie), at(1)), None);
        assert!(cookie.to_str().expect("ASCII").ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict"));
    }

    #[test]
    fn it_ends_when_nobody_uses_it_and_after_its_longest_time() {
        let sessions = sessions();
        let mut cookie = sessions.begin(TOKEN, at(0)).expect("randomness");
        assert_eq!(sessions.open(&sent(&cookie), at(30 * 60)), None, "idle");
        let mut last = 0;
        for now in (0..12 * 3_600).step_by(29 * 60) {
            let session = sessions.open(&sent(&cookie), at(now)).expect("it is used");
            cookie = sessions.renew(&session, at(now)).unwrap_or(cookie);
            last = now;
        }
        assert!(sessions.open(&sent(&cookie), at(12 * 3_600 - 1)).is_some());
        assert!(last + 30 * 60 > 12 * 3_600, "it was used until the end");
        assert_eq!(sessions.open(&sent(&cookie), at(12 * 3_600)), None, "however often it is used");
    }

    #[test]
    fn what_was_signed_out_is_not_taken_again_and_renewed_neither() {
        let sessions = sessions();
        let cookie = sessions.begin(TOKEN, at(0)).expect("randomness");
        let session = sessions.open(&sent(&cookie), at(1)).expect("it was just begun");
        let renewed = sessions.renew(&session, at(120)).expect("it is old enough");
        assert_eq!(sessions.renew(&session, at(59)), None);
        sessions.end(&session, at(121));
        assert_eq!(sessions.open(&sent(&cookie), at(122)), None);
        assert_eq!(sessions.open(&sent(&renewed), at(122)), None);
    }

    #[test]
    fn no_changed_or_cut_cookie_opens() {
        let sessions = sessions();
        let sealed = sessions
            .seal(&Session { id: [3; ID], token: TOKEN, begun: at(0), used: at(0) })
            .expect("randomness");
        assert!(sessions.unseal(&sealed).is_some());
        let bytes = BASE64URL_NOPAD.decode(sealed.as_bytes()).expect("base64url");
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            assert_eq!(sessions.unseal(&BASE64URL_NOPAD.encode(&changed)), None, "byte {place}");
            assert_eq!(sessions.unseal(&BASE64URL_NOPAD.encode(&bytes[..place])), None, "cut at {place}");
        }
        assert_eq!(sessions.unseal("ä"), None);
    }
}
