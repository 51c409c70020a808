//! What a request says: extractors whose refusals are problems like all others.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{HeaderMap, header};
use schemas::codes::Code;
use schemas::refusal::Refusal;
use serde::de::DeserializeOwned;

use super::Service;
use super::client::Client;
use super::problem::Problem;

/// The parts of the path that stand for something.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub(super) struct Path<T>(pub(super) T);

/// What stands after the `?`.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub(super) struct Query<T>(pub(super) T);

/// Most bytes of a body that is read as a whole.
pub(super) const MOST_BYTES: u64 = 2 * 1024 * 1024;

/// A body of JSON.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Service>> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, service: &Arc<Service>) -> Result<Self, Problem> {
        let is_json = |kind: &str| {
            let of_application = kind.strip_prefix("application/");
            of_application.is_some_and(|kind| kind == "json" || kind.ends_with("+json"))
        };
        let bytes = body(request, service, is_json).await?;
        Ok(Self(axum::Json::from_bytes(&bytes)?.0))
    }
}

/// A body of CSV.
#[derive(Debug)]
pub(super) struct Csv(pub(super) Bytes);

impl FromRequest<Arc<Service>> for Csv {
    type Rejection = Problem;

    async fn from_request(request: Request, service: &Arc<Service>) -> Result<Self, Problem> {
        Ok(Self(body(request, service, |kind| kind == "text/csv").await?))
    }
}

/// Refuses content of a kind that is not taken; kinds are told in small letters, without what follows them.
///
/// # Errors
/// `media_type_unsupported`, also where no kind is said.
pub(super) fn refuse_other_content(
    headers: &HeaderMap,
    is_taken: impl Fn(&str) -> bool,
) -> Result<(), Refusal> {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if is_taken(&kind) { Ok(()) } else { Err(Refusal::new(Code::MediaTypeUnsupported, said)) }
}

/// The whole body of a request, of a kind that is taken, as slowly as is allowed and while there is room.
async fn body(
    request: Request,
    service: &Arc<Service>,
    is_taken: impl Fn(&str) -> bool,
) -> Result<Bytes, Problem> {
    let (mut parts, body) = request.into_parts();
    refuse_other_content(&parts.headers, is_taken)?;
    let client = Client::from_request_parts(&mut parts, service).await?;
    Ok(service.bodies.receive_bytes(MOST_BYTES, client.0, body).await?)
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
        Refusal::new(Code::RequestInvalid, rejection.body_text()).into()
    }
}
