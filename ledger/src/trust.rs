//! Who may sign what: packs and certificates under the root key, grants and notices under an issuer key.

use schemas::canonical::{self, DecodeError};
use schemas::certificate::{Certificate, CertificateBody};
use schemas::codes::Code;
use schemas::event::{Body, Event};
use schemas::grant::{Grant, GrantBody};
use schemas::ids::{CertificateId, ChainId, Digest, EventId, PublicKey, Signature};
use schemas::limits;
use schemas::notice::{Notice, NoticeBody};
use schemas::numbers::{Micros, Seq};
use schemas::pack::{Pack, PackBody};
use schemas::run;
use schemas::text::Text;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::chain;
use crate::keys::{self, SecretKey};

/// Why a signed statement of the vendor's is not believed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum TrustError {
    /// A part of it breaks the format.
    #[error("the statement breaks its format")]
    Format(#[from] DecodeError),
    /// The pack's signature is not its root key's.
    #[error("the product pack's signature does not verify")]
    PackInvalid,
    /// The certificate is not signed by the root key that is trusted.
    #[error("the issuer's certificate is not signed by the trusted root key")]
    IssuerUnknown,
    /// The certificate does not cover the product, the environment or the time.
    #[error("the issuer's certificate does not cover this")]
    IssuerOutOfScope,
    /// The certificate is revoked.
    #[error("the issuer's certificate is revoked")]
    IssuerRevoked,
    /// The issuer's signature does not verify.
    #[error("the issuer's signature does not verify")]
    SignatureBad,
    /// The authority chain's name does not follow from what the grant says.
    #[error("the grant's chain does not follow from its licence")]
    ChainMismatch,
}

impl TrustError {
    /// The refusal code that stands for this error.
    pub fn code(self) -> Code {
        match self {
            Self::Format(error) => error.code(),
            Self::PackInvalid => Code::PackInvalid,
            Self::IssuerUnknown => Code::IssuerUnknown,
            Self::IssuerOutOfScope => Code::IssuerOutOfScope,
            Self::IssuerRevoked => Code::IssuerRevoked,
            Self::SignatureBad => Code::SignatureBad,
            Self::ChainMismatch => Code::ChainMismatch,
        }
    }
}

/// Signs a pack with the root key.
pub fn sign_pack(body: &PackBody, root: &SecretKey) -> Pack {
    let body = canonical::to_bytes(body);
    let signature = root.sign(&tagged(b"cf/pack/1", &body));
    Pack { body, signature }
}

/// Believes a pack that its own root key signed. Which root key that is, the application's build decides.
pub fn verify_pack(pack: &Pack) -> Result<PackBody, TrustError> {
    let body: PackBody = canonical::from_bytes(&pack.body)?;
    if !keys::verify(&body.root, &tagged(b"cf/pack/1", &pack.body), &pack.signature) {
        return Err(TrustError::PackInvalid);
    }
    Ok(body)
}

/// The digest by which a chain's opening and the catalog name a pack.
pub fn pack_digest(pack: &Pack) -> Digest {
    Digest(Sha256::digest(&pack.body).into())
}

/// An issuer certificate that was believed.
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    /// The certificate's name.
    pub id: CertificateId,
    /// What it says.
    pub body: CertificateBody,
    /// Its canonical bytes, to be carried along.
    pub bytes: Vec<u8>,
}

impl TrustedIssuer {
    /// Whether the key may sign for `environment` and `product` at `at`; no product: for the catalog.
    pub fn covers(&self, environment: &Text, product: Option<&Text>, at: Micros) -> bool {
        let product_covered = self.body.products.is_empty()
            || product.is_none_or(|product| self.body.products.contains(product));
        self.body.environment == *environment
            && product_covered
            && self.body.not_before <= at
            && at < self.body.not_after
    }
}

/// Signs a certificate with the root key and returns its canonical bytes.
pub fn sign_certificate(body: &CertificateBody, root: &SecretKey) -> Vec<u8> {
    let body = canonical::to_bytes(body);
    let signature = root.sign(&tagged(b"cf/cert/1", &body));
    canonical::to_bytes(&Certificate { body, signature })
}

/// Believes a certificate that `root` signed.
pub fn verify_certificate(bytes: &[u8], root: &PublicKey) -> Result<TrustedIssuer, TrustError> {
    if bytes.len() > limits::CERTIFICATE_BYTES {
        return Err(DecodeError::TooLong.into());
    }
    let certificate: Certificate = canonical::from_bytes(bytes)?;
    let body: CertificateBody = canonical::from_bytes(&certificate.body)?;
    if body.root != *root
        || !keys::verify(root, &tagged(b"cf/cert/1", &certificate.body), &certificate.signature)
    {
        return Err(TrustError::IssuerUnknown);
    }
    Ok(TrustedIssuer { id: certificate_id(bytes), body, bytes: bytes.to_vec() })
}

/// The name of a certificate: the SHA-256 of its canonical bytes.
pub fn certificate_id(bytes: &[u8]) -> CertificateId {
    CertificateId(Sha256::digest(bytes).into())
}

/// A grant that was believed: signed by an issuer that the root certifies for its product, environment and time.
#[derive(Clone, Debug)]
pub struct VerifiedGrant {
    /// What it says.
    pub body: GrantBody,
    /// When it was issued.
    pub issued_at: Micros,
    /// The event's id.
    pub id: EventId,
    /// The event's place on the authority chain.
    pub seq: Seq,
    /// The certificate of the key that signed it.
    pub issuer: CertificateId,
}

impl VerifiedGrant {
    /// What orders the grants of one activation: the higher one is newer.
    pub fn order(&self) -> (schemas::numbers::Epoch, Seq) {
        (self.body.epoch, self.seq)
    }
}

/// Believes a grant by the root key alone. Whether it may be applied is another question.
///
/// # Errors
/// The first rule that it breaks.
pub fn verify_grant(grant: &Grant, root: &PublicKey) -> Result<VerifiedGrant, TrustError> {
    if grant.version != run::VERSION {
        return Err(DecodeError::UnknownVersion.into());
    }
    if grant.seq == Seq(0) {
        return Err(DecodeError::OutOfRange.into());
    }
    let event = Event::decode(&grant.core)?;
    let Body::GrantIssued(body) = event.body else { return Err(DecodeError::UnknownKind.into()) };
    let issuer = verify_certificate(&grant.certificate, root)?;
    if !issuer.covers(&body.environment, Some(&body.product), event.at) {
        return Err(TrustError::IssuerOutOfScope);
    }
    if chain::authority_chain(&body.product, &body.environment, &body.license, body.epoch) != grant.chain {
        return Err(TrustError::ChainMismatch);
    }
    let id = chain::event_id(&grant.chain, grant.seq, &grant.prev, &grant.core);
    if !chain::verify(&issuer.body.issuer, &id, &grant.signature) {
        return Err(TrustError::SignatureBad);
    }
    Ok(VerifiedGrant { body: *body, issued_at: event.at, id, seq: grant.seq, issuer: issuer.id })
}

/// Signs a notice.
pub fn sign_notice(chain: ChainId, code: Code, at: Micros, issuer: &SecretKey, certificate: &[u8]) -> Notice {
    let code = Text::new(code.word()).expect("a code is a short word");
    let body = canonical::to_bytes(&NoticeBody { chain, code, at });
    let signature = issuer.sign(&tagged(b"cf/notice/1", &body));
    Notice { body, signature, certificate: certificate.to_vec() }
}

/// Believes a notice by the root key alone.
///
/// # Errors
/// The first rule that it breaks.
pub fn verify_notice(notice: &Notice, root: &PublicKey) -> Result<NoticeBody, TrustError> {
    let body: NoticeBody = canonical::from_bytes(&notice.body)?;
    let issuer = verify_certificate(&notice.certificate, root)?;
    if !(issuer.body.not_before <= body.at && body.at < issuer.body.not_after) {
        return Err(TrustError::IssuerOutOfScope);
    }
    if !keys::verify(&issuer.body.issuer, &tagged(b"cf/notice/1", &notice.body), &notice.signature) {
        return Err(TrustError::SignatureBad);
    }
    Ok(body)
}

/// A grant in detached form, from the event that stands at its place.
pub fn detach(
    chain: ChainId,
    place: (Seq, schemas::ids::Link),
    core: Vec<u8>,
    signature: Signature,
    certificate: Vec<u8>,
) -> Grant {
    Grant { version: run::VERSION, chain, seq: place.0, prev: place.1, core, signature, certificate }
}

fn tagged(domain: &[u8], bytes: &[u8]) -> Vec<u8> {
    [domain, bytes].concat()
}
