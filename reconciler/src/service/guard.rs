//! What every request passes: it gets an identifier, it is counted against the limits, and it is written down.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use schemas::codes::Code;
use uuid::Uuid;

use super::api::repeat;
use super::client::{Peer, TooMany};
use super::problem::{Problem, Refused};
use super::watch::Watch;
use super::{Service, metrics};
use crate::wall_clock;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest identifier that is taken over from whoever asks.
const ID_BYTES: usize = 64;

/// Passes a request on, if it is within the limits.
pub(super) async fn guard(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let begun = wall_clock::instant();
    let id = identifier(request.headers());
    let client =
        request.extensions().get::<Peer>().map(|peer| service.proxies.client(peer.0, request.headers()));
    let route = route(&request);
    let method = known(request.method());
    let watch = request.extensions().get::<Arc<Watch>>().cloned();
    let may_come_again = request.method().is_safe() || !is_done_each_time(&route);
    let mut response = match refuse(&service, client, &request, &route) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    if let Some(client) = client {
        response = service.answers.send(client, watch.as_ref(), may_come_again, response);
    }
    let (status, took) = (response.status(), begun.elapsed());
    metrics::answered(&route, method, status.as_u16(), took);
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let client = client.map(|client| client.to_string()).unwrap_or_default();
    let (code, detail) = match response.extensions().get::<Refused>() {
        Some(Refused(refusal)) => (refusal.code().word(), refusal.detail()),
        None => ("", ""),
    };
    let status = status.as_u16();
    if status >= 500 {
        tracing::error!(id, method, route, status, micros, client, code, detail, "answered");
    } else {
        tracing::info!(id, method, route, status, micros, client, code, "answered");
    }
    seal(response.headers_mut(), &id);
    response
}

/// Why it goes no further. Whoever watches over the service is not counted.
fn refuse(service: &Service, client: Option<IpAddr>, request: &Request, route: &str) -> Option<Problem> {
    if request.extensions().get::<TooMany>().is_some_and(|too_many| too_many.0) {
        return Some(Code::Overloaded.into());
    }
    if matches!(route, "/livez" | "/readyz") {
        return None;
    }
    service.rates.take_from(client?).err().map(Problem::too_many)
}

/// Whether what changes something there is done each time that it is asked for. Devices and customers may ask for the same
/// again: what they send is merged once.
fn is_done_each_time(route: &str) -> bool {
    route.starts_with("/operator") || (route.starts_with("/v1/") && repeat::is_kept(route))
}

/// The method's name, if it is one of those that there are: anybody can invent others, of any length, and each would be kept.
fn known(method: &Method) -> &'static str {
    let all = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    all.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// What the route is called, without what stands in its place in this request.
fn route(request: &Request) -> String {
    let matched = request.extensions().get::<MatchedPath>();
    matched.map_or_else(|| "unknown".to_owned(), |matched| matched.as_str().to_owned())
}

/// The identifier that a proxy or a client gave, where it is one, or a new one.
fn identifier(headers: &HeaderMap) -> String {
    let given = headers.get(&REQUEST_ID).and_then(|value| value.to_str().ok());
    let is_plain = |given: &&str| {
        (1..=ID_BYTES).contains(&given.len())
            && given.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    given.filter(is_plain).map_or_else(|| Uuid::now_v7().to_string(), ToOwned::to_owned)
}

/// What every answer says beside its content.
fn seal(headers: &mut HeaderMap, id: &str) {
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_that_could_forge_a_line_of_the_log_is_not_taken_over() {
        let of = |given: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(given.as_bytes()).expect("no control"));
            identifier(&headers)
        };
        assert_eq!(of("proxy-7.a_b"), "proxy-7.a_b");
        for given in ["", "a b", "a\"b", "ä", &"x".repeat(65)] {
            assert_ne!(of(given), given);
        }
    }
}
