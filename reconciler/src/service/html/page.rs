//! How pages are shown: the headers under which a browser takes them, and refusals as pages.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use schemas::codes::Code;
use schemas::numbers::Micros;
use schemas::refusal::Refusal;

use super::ASSET;
use super::frame::Frame;
use super::trouble::Trouble;
use crate::service::problem::{Problem, Refused};
use crate::service::{Service, pages, portal};

/// A page has its own style, script and pictures, sends forms to where it came from, and is shown in no other page.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'",
);
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// What stands in the way.
#[derive(Template)]
#[template(path = "trouble.html")]
struct TroublePage<'a> {
    frame: &'a Frame,
    trouble: &'a Trouble,
    /// Where the first page is, and what it is called.
    first: (&'a str, &'a str),
}

/// Shows a page.
pub(in crate::service) fn show(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, [(header::CONTENT_TYPE, HTML)], html).into_response(),
        Err(error) => Problem::from(Refusal::from_error(Code::Internal, &error)).into_response(),
    }
}

/// Shows a page that asks for something: for the first time, or again with what stands in the way.
pub(in crate::service) fn show_asking(trouble: Option<&Trouble>, page: &impl Template) -> Response {
    match trouble {
        Some(trouble) => show_refused(trouble, page),
        None => show(StatusCode::OK, page),
    }
}

/// Shows a page that tells a refusal where it can be mended, with the refusal's status and in the log.
pub(in crate::service) fn show_refused(trouble: &Trouble, page: &impl Template) -> Response {
    let status = StatusCode::from_u16(trouble.code.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = show(status, page);
    response.extensions_mut().insert(Refused(Refusal::new(trouble.code, trouble.detail.clone())));
    response
}

/// An instant as people read it, to the minute.
pub(in crate::service) fn moment(instant: Micros) -> String {
    let text = instant.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => text,
    }
}

/// A text as it stands in the query of an address.
pub(in crate::service) fn in_query(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    let escaped =
        |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(escaped).collect()
}

/// Has refusals on the routes of pages shown as pages, wherever they were decided, and lets a browser do with a page only
/// what pages need.
pub(in crate::service) async fn as_pages(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let is_for_operators = pages::is_page(request.uri().path());
    let is_page = route.map_or_else(|| is_for_operators || is_read_by_people(request.headers()), is_page);
    let response = next.run(request).await;
    if !is_page {
        return response;
    }
    let mut response = match response.extensions().get::<Refused>() {
        Some(Refused(refusal)) if !is_html(&response) => {
            let (trouble, first) = if is_for_operators {
                (pages::trouble(refusal), (pages::FIRST, "To the licences"))
            } else {
                (portal::trouble(refusal), ("/", "To the portal’s first page"))
            };
            told(response, &TroublePage { frame: &service.html.frame, trouble: &trouble, first })
        }
        _ => response,
    };
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(POLICY);
    // A form names the page's origin to its own service, which would be refused without.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// Whether what this route says to a browser is a page, refusals included.
fn is_page(route: &str) -> bool {
    route == ASSET || portal::is_page(route) || pages::is_page(route)
}

/// The same answer with a page as its body.
fn told(response: Response, page: &TroublePage<'_>) -> Response {
    let Ok(html) = page.render() else { return response };
    let (mut parts, _) = response.into_parts();
    parts.headers.insert(header::CONTENT_TYPE, HTML);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(html))
}

fn is_html(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE) == Some(&HTML)
}

/// Whether an address that does not exist was opened in a browser.
fn is_read_by_people(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kinds| kinds.contains("text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_in_a_query_ends_nowhere_but_at_its_end() {
        assert_eq!(in_query("/operator?a=b&c=ä#d%"), "/operator%3Fa%3Db%26c%3D%C3%A4%23d%25");
    }
}
