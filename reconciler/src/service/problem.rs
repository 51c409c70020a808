//! A refusal over HTTP: problem details (RFC 9457) with the same stable code as everywhere.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemas::codes::Code;
use schemas::refusal::Refusal;
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

/// How long those who are refused for want of room are asked to wait.
const AGAIN_IN: Duration = Duration::from_secs(1);

/// A refusal on its way to a client.
#[derive(Debug)]
pub(super) struct Problem {
    refusal: Refusal,
    again_in: Option<Duration>,
}

/// Problem details (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Details {
    /// `urn:counterfoil:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// One sentence, the same for every refusal with this code.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened in this case; empty where there is nothing to add.
    detail: String,
    /// The stable code, as everywhere in Counterfoil; `counterfoil explain CODE` tells more.
    code: &'static str,
    /// The way out.
    hint: &'static str,
}

/// What a route of the management interface may refuse with, as its description tells.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it describes answers, and is none")]
pub(super) enum Refusals {
    /// It is not understood
    #[response(status = 400, content_type = "application/problem+json")]
    NotUnderstood(Details),
    /// A token is needed
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Details),
    /// The token does not allow this
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Details),
    /// It names what does not exist
    #[response(status = 404, content_type = "application/problem+json")]
    Unknown(Details),
    /// It does not go with what stands
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Details),
    /// It is too large
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Details),
    /// It is no JSON
    #[response(status = 415, content_type = "application/problem+json")]
    NoJson(Details),
    /// It contradicts itself, or a value is not valid
    #[response(status = 422, content_type = "application/problem+json")]
    Contradiction(Details),
    /// Too many requests
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(Details),
    /// Too much to do
    #[response(status = 503, content_type = "application/problem+json")]
    Busy(Details),
}

/// What was refused, for the log.
#[derive(Clone, Debug)]
pub(super) struct Refused(pub(super) Refusal);

impl Problem {
    /// Why.
    pub(super) fn code(&self) -> Code {
        self.refusal.code()
    }

    /// Too many of something that is said, of which the next is taken after this time.
    pub(super) fn too_many_of(what: &str, wait: Duration) -> Self {
        let minutes = wait.as_secs().div_ceil(60).max(1);
        let detail = format!("{what}; the next one in {minutes} min");
        Self { refusal: Refusal::new(Code::RateLimited, detail), again_in: Some(wait) }
    }

    /// Too many requests, of which the next is taken after this time.
    pub(super) fn too_many(wait: Duration) -> Self {
        Self { refusal: Code::RateLimited.into(), again_in: Some(wait) }
    }
}

/// What a client is told of what happened: what went wrong inside stands in the log.
pub(super) fn told(refusal: &Refusal) -> &str {
    if refusal.code().status() == 500 { "" } else { refusal.detail() }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let is_for_now = matches!(refusal.code().status(), 429 | 503);
        Self { refusal, again_in: is_for_now.then_some(AGAIN_IN) }
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Refusal::from(code).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { refusal, again_in } = self;
        let code = refusal.code();
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let details = Details {
            kind: format!("urn:counterfoil:problem:{code}"),
            title: code.entry().title,
            status: status.as_u16(),
            detail: told(&refusal).to_owned(),
            code: code.word(),
            hint: refusal.hint(),
        };
        let mut response = (status, Json(details)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(again_in) = again_in {
            // Whole seconds, and never none.
            headers.insert(header::RETRY_AFTER, (again_in.as_secs() + 1).into());
        }
        response.extensions_mut().insert(Refused(refusal));
        response
    }
}
