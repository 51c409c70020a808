//! Who may do what: bearer tokens with roles (RFC 6750). A route says by the type of one of its arguments what it asks for,
//! and in its description the same; a test holds the two together.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use schemas::codes::Code;
use schemas::event::authority::Role;
use schemas::ids::{Commitment, Digest};
use schemas::refusal::Refusal;

use super::Service;
use super::problem::Problem;
use crate::store::Token;
use crate::vendor::Vendor;
use crate::vendor::tokens::{Bearer, digest};
use crate::wall_clock;

/// Something that a role is needed for.
pub(super) trait Rule: Send {
    /// The least role that suffices.
    const ROLE: Role;
}

/// Reading and proving.
#[derive(Debug)]
pub(super) struct Audit;
/// Issuing, changing and taking in.
#[derive(Debug)]
pub(super) struct Operate;
/// Making and revoking tokens, and naming endpoints of webhooks.
#[derive(Debug)]
pub(super) struct Administrate;

impl Rule for Audit {
    const ROLE: Role = Role::Auditor;
}
impl Rule for Operate {
    const ROLE: Role = Role::Operator;
}
impl Rule for Administrate {
    const ROLE: Role = Role::Admin;
}

/// Whoever asks has a token whose role suffices for `R`.
#[derive(Debug)]
pub(super) struct May<R> {
    role: Role,
    operator: Commitment,
    rule: PhantomData<R>,
}

impl<R> May<R> {
    /// Whose token it is: what stands for the operator's name.
    pub(super) fn operator(&self) -> Commitment {
        self.operator
    }

    /// Whether more is allowed: what `M` needs.
    pub(super) fn also<M: Rule>(&self) -> bool {
        suffices(self.role, M::ROLE)
    }
}

/// Whether a role is enough where `least` is needed.
fn suffices(role: Role, least: Role) -> bool {
    role.number() <= least.number()
}

impl<R: Rule> FromRequestParts<Arc<Service>> for May<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, Problem> {
        let token = token(service, shown(&parts.headers)?).await?;
        if !suffices(token.role, R::ROLE) {
            let detail = format!("the role {} is needed, and this is {}", R::ROLE, token.role);
            return Err(Refusal::new(Code::Forbidden, detail).into());
        }
        Ok(Self { role: token.role, operator: token.operator, rule: PhantomData })
    }
}

/// Whoever asks may make tokens: an admin, or whoever sets the service up.
#[derive(Debug)]
pub(super) enum Founder {
    /// An admin.
    Admin,
    /// With the token that the service printed when it began without any.
    SetUp(Digest),
}

impl FromRequestParts<Arc<Service>> for Founder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, Problem> {
        let shown = shown(&parts.headers)?;
        if service.setup.is(&shown) {
            return Ok(Self::SetUp(shown));
        }
        May::<Administrate>::from_request_parts(parts, service).await.map(|_| Self::Admin)
    }
}

/// The token of which this is kept.
///
/// # Errors
/// `unauthorized` for one that is of no use.
pub(super) async fn token(service: &Service, kept: Digest) -> Result<Token, Problem> {
    let found = service.office.lend(move |vendor| Ok(vendor.store.token(&kept)?)).await?;
    Ok(found.filter(|token| token.is_valid(wall_clock::now())).ok_or(Code::Unauthorized)?)
}

/// What is kept of the token that a request shows.
///
/// # Errors
/// `unauthorized` where there is none.
pub(super) fn shown(headers: &HeaderMap) -> Result<Digest, Problem> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, token) = value.and_then(|value| value.split_once(' ')).ok_or(Code::Unauthorized)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(digest(token.trim()))
    } else {
        Err(Code::Unauthorized.into())
    }
}

/// The token that a service prints when it begins without any: whoever reads it makes the first one, of an admin. It is in
/// the memory of this process alone, and of use once.
#[derive(Debug)]
pub(super) struct Setup(Mutex<Option<Digest>>);

impl Setup {
    /// Of a service that begins now: what it prints, where there are no tokens.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(super) fn begin(vendor: &mut Vendor) -> Result<(Self, Option<Bearer>), Refusal> {
        if !vendor.store.tokens()?.is_empty() {
            return Ok((Self(Mutex::new(None)), None));
        }
        let bearer = Bearer::random()?;
        Ok((Self(Mutex::new(Some(bearer.digest()))), Some(bearer)))
    }

    fn is(&self, shown: &Digest) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref() == Some(shown)
    }

    /// Makes it useless: there is a token now.
    pub(super) fn spend(&self, shown: &Digest) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take_if(|token| token == shown);
    }
}
