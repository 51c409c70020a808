//! How messages are signed, as Standard Webhooks has it: over `ID.TIMESTAMP.BODY`, by HMAC-SHA256 (`v1`) or by Ed25519
//! (`v1a`).

use std::fmt;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ledger::keys::SecretKey;
use schemas::codes::Code;
use schemas::refusal::Refusal;
use schemas::webhook::SignatureKind;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes of a new secret.
const SECRET_BYTES: usize = 32;

/// What messages to an endpoint are signed with. It is never printed but by whoever reveals it.
#[derive(Clone)]
pub enum Signing {
    /// A secret that both sides have.
    V1(Zeroizing<Vec<u8>>),
    /// A key of which the other side has the public half.
    V1a(SecretKey),
}

impl Signing {
    /// A new secret or key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate(kind: SignatureKind) -> Result<Self, Refusal> {
        let failed = |error: getrandom::Error| Refusal::from_error(Code::Failed, &error);
        Ok(match kind {
            SignatureKind::V1 => {
                let mut secret = Zeroizing::new(vec![0; SECRET_BYTES]);
                getrandom::fill(&mut secret).map_err(failed)?;
                Self::V1(secret)
            }
            SignatureKind::V1a => Self::V1a(SecretKey::generate().map_err(failed)?),
        })
    }

    /// What was kept of this kind, if it is whole.
    pub fn from_kept(kind: SignatureKind, kept: Vec<u8>) -> Option<Self> {
        let kept = Zeroizing::new(kept);
        match kind {
            SignatureKind::V1 => Some(Self::V1(kept)),
            SignatureKind::V1a => {
                kept.as_slice().try_into().ok().map(|seed| Self::V1a(SecretKey::from_seed(seed)))
            }
        }
    }

    /// What is kept of it.
    pub fn kept(&self) -> Zeroizing<Vec<u8>> {
        match self {
            Self::V1(secret) => secret.clone(),
            Self::V1a(key) => Zeroizing::new(key.seed().to_vec()),
        }
    }

    /// How it signs.
    pub fn kind(&self) -> SignatureKind {
        match self {
            Self::V1(_) => SignatureKind::V1,
            Self::V1a(_) => SignatureKind::V1a,
        }
    }

    /// What the other side is to have: the secret, `whsec_…`, or the public key, `whpk_…`.
    pub fn reveal(&self) -> String {
        match self {
            Self::V1(secret) => format!("whsec_{}", BASE64.encode(secret)),
            Self::V1a(key) => format!("whpk_{}", BASE64.encode(&key.public().0)),
        }
    }

    /// What anybody may see of it: the public key.
    pub fn public(&self) -> Option<String> {
        matches!(self, Self::V1a(_)).then(|| self.reveal())
    }

    /// The value of `webhook-signature` for a message that is sent at `timestamp`, in seconds since 1970.
    pub fn sign(&self, id: &str, timestamp: u64, body: &str) -> String {
        let content = format!("{id}.{timestamp}.{body}");
        let signature = match self {
            Self::V1(secret) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
                mac.update(content.as_bytes());
                BASE64.encode(&mac.finalize().into_bytes())
            }
            Self::V1a(key) => BASE64.encode(&key.sign(content.as_bytes()).0),
        };
        format!("{},{signature}", self.kind())
    }
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signing({})", self.kind())
    }
}

#[cfg(test)]
mod tests {
    use ledger::keys::verify;
    use schemas::ids::{PublicKey, Signature};

    use super::*;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIMESTAMP: u64 = 1_614_265_330;
    const BODY: &str = r#"{"test": 2432232314}"#;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        BASE64.decode(text.as_bytes()).expect("base64").try_into().expect("so many bytes")
    }

    /// The vector that the specification of Standard Webhooks publishes.
    #[test]
    fn a_secret_signs_as_the_specification_says() {
        let secret = BASE64.decode(b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        let signing = Signing::from_kept(SignatureKind::V1, secret).expect("a secret");
        assert_eq!(signing.reveal(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        assert_eq!(signing.sign(ID, TIMESTAMP, BODY), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_key_signs_what_its_public_half_verifies() {
        let signing = Signing::generate(SignatureKind::V1a).expect("randomness");
        let signed = signing.sign(ID, TIMESTAMP, BODY);
        let signature = Signature(bytes(signed.strip_prefix("v1a,").expect("its kind")));
        let key = PublicKey(bytes(signing.reveal().strip_prefix("whpk_").expect("a public key")));
        assert!(verify(&key, format!("{ID}.{TIMESTAMP}.{BODY}").as_bytes(), &signature));
        assert!(!verify(&key, format!("{ID}.{}.{BODY}", TIMESTAMP + 1).as_bytes(), &signature));
    }

    #[test]
    fn what_is_kept_signs_as_before_and_is_never_printed_by_accident() {
        for kind in SignatureKind::ALL {
            let signing = Signing::generate(*kind).expect("randomness");
            let again = Signing::from_kept(*kind, signing.kept().to_vec()).expect("whole");
            assert_eq!(signing.sign(ID, TIMESTAMP, BODY), again.sign(ID, TIMESTAMP, BODY));
            assert_eq!(format!("{signing:?}"), format!("Signing({kind})"));
        }
        assert!(Signing::from_kept(SignatureKind::V1a, vec![1; 31]).is_none());
        assert_eq!(Signing::generate(SignatureKind::V1).expect("randomness").public(), None);
    }
}
