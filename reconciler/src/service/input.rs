//! What a request says: axum's extractors, whose refusals are problems like all others.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{StatusCode, header};
use schemas::codes::Code;
use schemas::refusal::Refusal;

use super::problem::Problem;

/// The parts of the path that stand for something.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub(super) struct Path<T>(pub(super) T);

/// What stands after the `?`.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub(super) struct Query<T>(pub(super) T);

/// A body of JSON.
#[derive(Debug, FromRequest)]
#[from_request(via(axum::Json), rejection(Problem))]
pub(super) struct Json<T>(pub(super) T);

/// A body of CSV.
#[derive(Debug)]
pub(super) struct Csv(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Csv {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let said = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let said = said.unwrap_or_default();
        let kind = said.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("text/csv") {
            return Err(Refusal::new(Code::MediaTypeUnsupported, said).into());
        }
        Ok(Self(Bytes::from_request(request, state).await?))
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        let is_too_large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
        let code = if is_too_large { Code::TooLarge } else { Code::RequestInvalid };
        Refusal::new(code, rejection.body_text()).into()
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Refusal::new(Code::RequestInvalid, rejection.body_text()).into()
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Refusal::new(Code::RequestInvalid, rejection.body_text()).into()
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        let code = match rejection.status().as_u16() {
            413 => Code::TooLarge,
            415 => Code::MediaTypeUnsupported,
            _ => Code::RequestInvalid,
        };
        Refusal::new(code, rejection.body_text()).into()
    }
}
