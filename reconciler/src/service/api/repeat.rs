//! `Idempotency-Key`: a request that is sent again with the same key is not done again, and is answered as it was.
//!
//! What it was is noted before anything is done, and what it was answered afterwards. Where the service ended in between, it is
//! not known what became of it, and whoever sends it again is told so: it is never done twice.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::header::{CONTENT_TYPE, ETAG, IF_MATCH, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use schemas::codes::Code;
use schemas::ids::Digest;
use schemas::refusal::Refusal;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{Object, Required};

use crate::service::Service;
use crate::service::auth;
use crate::service::client::Client;
use crate::service::input::MOST_BYTES;
use crate::service::problem::{Problem, Refused};
use crate::vendor::requests::Before;

const KEY: &str = "idempotency-key";
const REPEATED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longest key.
const KEY_BYTES: usize = 255;
/// Routes whose requests may come again in any case: what they take in is merged once.
const MERGED_ONCE: [&str; 2] = ["/v1/exchange", "/v1/imports"];
/// Headers of an answer that are kept with it.
const KEPT: [HeaderName; 3] = [CONTENT_TYPE, ETAG, LOCATION];

/// An answer as it is kept.
#[derive(Deserialize, Serialize)]
struct KeptAnswer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// Whether requests to this path are done once.
pub(in crate::service) fn is_kept(path: &str) -> bool {
    !MERGED_ONCE.contains(&path)
}

/// The header as the description tells of it.
pub(in crate::service) fn described() -> Parameter {
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Names the request, which is done once: sent again it is answered as it was, with `Idempotency-Replayed: true`",
        ))
        .schema(Some(Object::with_type(Type::String)))
        .build()
}

/// Does a request once, if it says by a key which one it is.
pub(in crate::service) async fn once(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Response {
    let is_kept = request.method() == Method::POST && is_kept(request.uri().path());
    let Some(key) = request.headers().get(KEY).filter(|_| is_kept).cloned() else {
        return next.run(request).await;
    };
    done_once(service, &key, request, next).await.unwrap_or_else(Problem::into_response)
}

async fn done_once(
    service: Arc<Service>,
    key: &HeaderValue,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let token = match auth::token(&service, auth::shown(request.headers())?).await {
        Ok(token) => token,
        // The route refuses it, unless it is the one with which the first token is made, once.
        Err(problem) if problem.code() == Code::Unauthorized => return Ok(next.run(request).await),
        Err(problem) => return Err(problem),
    };
    let key = named(&token.digest, key)?;
    let (mut parts, body) = request.into_parts();
    let client = Client::from_request_parts(&mut parts, &service).await?;
    let body = service.bodies.receive_bytes(MOST_BYTES, client.0, body).await?;
    let request = digest(&parts, &body);
    // It is noted, done and kept even if whoever asked hangs up meanwhile.
    let done = tokio::spawn(async move {
        let begin = move |vendor: &mut crate::vendor::Vendor| vendor.begin_request(&key, &request);
        if let Before::Answered(answer) = service.office.lend(begin).await? {
            return again(&answer);
        }
        let response = next.run(Request::from_parts(parts, Body::from(body))).await;
        keep(&service, key, response).await
    });
    done.await.map_err(|_| Code::Internal)?
}

/// Keeps an answer, if something was done.
async fn keep(service: &Service, key: Digest, response: Response) -> Result<Response, Problem> {
    let code = response.extensions().get::<Refused>().map(|Refused(refusal)| refusal.code());
    // Where there was no room for it, nothing of it was begun.
    let is_unknown = response.status().is_server_error() && code != Some(Code::Overloaded);
    if is_unknown || code == Some(Code::Busy) {
        // A part of it may have been done: whoever sends it again is told that this is not known.
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.map_err(|_| Code::Internal)?;
    let answer = parts.status.is_success().then(|| kept(parts.status, &parts.headers, &body));
    service.office.lend_in_any_case(move |vendor| vendor.finish_request(&key, answer.as_deref())).await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn kept(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Vec<u8> {
    let text = |name: &HeaderName| Some((name.to_string(), headers.get(name)?.to_str().ok()?.to_owned()));
    let headers = KEPT.iter().filter_map(text).collect();
    let answer = KeptAnswer { status: status.as_u16(), headers, body: body.to_vec() };
    serde_json::to_vec(&answer).expect("numbers and texts are JSON")
}

fn again(answer: &[u8]) -> Result<Response, Problem> {
    let damaged = |_| Refusal::from(Code::Internal);
    let KeptAnswer { status, headers, body } = serde_json::from_slice(answer).map_err(damaged)?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).map_err(|_| Code::Internal)?;
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(REPEATED, HeaderValue::from_static("true"));
    Ok(response)
}

/// What a key is kept as: another one for each token.
fn named(token: &Digest, key: &HeaderValue) -> Result<Digest, Refusal> {
    let is_plain = |key: &&str| (1..=KEY_BYTES).contains(&key.len());
    let key = key.to_str().ok().filter(is_plain);
    let key =
        key.ok_or_else(|| Refusal::new(Code::RequestInvalid, "Idempotency-Key is 1 to 255 plain letters"))?;
    Ok(Digest(Sha256::new().chain_update(token.as_bytes()).chain_update(key).finalize().into()))
}

/// What was asked for.
fn digest(parts: &Parts, body: &Bytes) -> Digest {
    let condition = parts.headers.get(IF_MATCH).map_or(&[][..], HeaderValue::as_bytes);
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let mut digest = Sha256::new();
    for part in [target.as_bytes(), condition, body] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    Digest(digest.finalize().into())
}
