//! Tokens for the service: made from 256 random bits, shown once, and kept as their SHA-256.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use ledger::commitment;
use schemas::codes::Code;
use schemas::event::authority::Role;
use schemas::ids::Digest;
use schemas::numbers::Seconds;
use schemas::refusal::Refusal;
use schemas::text::Text;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::Vendor;
use super::customers::name_of;
use crate::store::Token;

/// What every token begins with, so that scanners for secrets find one that got where it should not be.
const PREFIX: &str = "cft_";
const BYTES: usize = 32;
/// How long a token is of use where nothing is said.
pub const VALID: Seconds = Seconds::days(365);
/// Hexadecimal digits of a token's name.
const NAME_DIGITS: usize = 16;

/// What the holder of a token has. It is never printed but by whoever reveals it.
pub struct Bearer(Zeroizing<String>);

impl Bearer {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn random() -> Result<Self, Refusal> {
        let mut bytes = Zeroizing::new([0; BYTES]);
        getrandom::fill(bytes.as_mut()).map_err(|error| Refusal::from_error(Code::Failed, &error))?;
        Ok(Self(Zeroizing::new(format!("{PREFIX}{}", BASE64URL_NOPAD.encode(bytes.as_ref())))))
    }

    /// The text that its holder is shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn digest(&self) -> Digest {
        digest(&self.0)
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(…)")
    }
}

/// What is kept of a text that somebody shows as a token.
pub fn digest(shown: &str) -> Digest {
    Digest(Sha256::digest(shown.as_bytes()).into())
}

/// The name by which people tell tokens apart: the beginning of what is kept. It helps nobody to use one.
pub fn token_name(digest: &Digest) -> String {
    digest.to_string()[..NAME_DIGITS].to_owned()
}

/// A token with its operator's name.
#[derive(Clone, Debug)]
pub struct Named {
    /// The token.
    pub token: Token,
    /// The operator; nothing when the name was erased.
    pub operator: Option<String>,
}

impl Vendor {
    /// Makes a token for an operator, of use for `valid`, or without end. What the holder is to have is in nothing but the
    /// answer.
    ///
    /// # Errors
    /// When the ledger cannot be changed.
    pub fn create_token(
        &mut self,
        operator: &Text,
        role: Role,
        valid: Option<Seconds>,
    ) -> Result<(Bearer, Token), Refusal> {
        self.make_token(operator, role, valid, false)
    }

    /// Makes the first token, an admin's, as [`Vendor::create_token`].
    ///
    /// # Errors
    /// `unauthorized` when there is one by now, whoever made it; when the ledger cannot be changed.
    pub fn create_first_token(
        &mut self,
        operator: &Text,
        valid: Option<Seconds>,
    ) -> Result<(Bearer, Token), Refusal> {
        self.make_token(operator, Role::Admin, valid, true)
    }

    fn make_token(
        &mut self,
        operator: &Text,
        role: Role,
        valid: Option<Seconds>,
        is_first: bool,
    ) -> Result<(Bearer, Token), Refusal> {
        let name = commitment::attach(operator.as_str().as_bytes())
            .map_err(|error| Refusal::from_error(Code::Failed, &error))?;
        let bearer = Bearer::random()?;
        let token = Token {
            digest: bearer.digest(),
            operator: name.commitment,
            role,
            created_at: self.now,
            expires_at: valid.map(|valid| self.now + valid),
            revoked_at: None,
        };
        if self.store.add_token(&self.issuer, self.now, &token, &name, is_first)? {
            Ok((bearer, token))
        } else {
            Err(Code::Unauthorized.into())
        }
    }

    /// Every token, the earliest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn tokens(&mut self) -> Result<Vec<Named>, Refusal> {
        let tokens = self.store.tokens()?;
        let named = tokens
            .into_iter()
            .map(|token| Ok(Named { token, operator: name_of(self.store.as_mut(), &token.operator)? }));
        named.collect()
    }

    /// The token whose SHA-256 this is, of use or not.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn find_token(&mut self, digest: &Digest) -> Result<Option<Named>, Refusal> {
        let Some(token) = self.store.token(digest)? else { return Ok(None) };
        Ok(Some(Named { token, operator: name_of(self.store.as_mut(), &token.operator)? }))
    }

    /// Makes the token of this name useless.
    ///
    /// # Errors
    /// `token_unknown`; `status_unchanged` when it was revoked before.
    pub fn revoke_token(&mut self, name: &str) -> Result<Token, Refusal> {
        let tokens = self.store.tokens()?;
        let named = tokens.into_iter().find(|token| token_name(&token.digest) == name);
        let token = named.ok_or_else(|| Refusal::new(Code::TokenUnknown, name))?;
        if self.store.revoke_token(&self.issuer, self.now, &token)? {
            Ok(Token { revoked_at: Some(self.now), ..token })
        } else {
            Err(Refusal::new(Code::StatusUnchanged, "the token was revoked before"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_and_random_and_never_printed_by_accident() {
        let (one, other) = (Bearer::random().expect("randomness"), Bearer::random().expect("randomness"));
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(one.reveal().len(), PREFIX.len() + 43, "256 bits in base64url");
        assert!(!format!("{one:?}").contains(&one.reveal()[PREFIX.len()..]));
        assert_eq!(digest(one.reveal()), one.digest());
    }
}
