//! Pages: the templates with what they show, and the headers under which a browser shows them.

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

use super::super::Service;
use super::super::problem::{Problem, Refused};
use super::answer::{Picture, Told};
use super::frame::Frame;
use super::reading::Reading;
use super::seats::Seats;
use super::trouble::Trouble;

/// A page has its own style, script and pictures, sends forms to where it came from, and is shown in no other page.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'",
);
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// The first page.
#[derive(Template)]
#[template(path = "home.html")]
pub(super) struct Home<'a> {
    pub(super) frame: &'a Frame,
    /// What is wrong with the file.
    pub(super) file: Option<&'a Trouble>,
    /// What is wrong with the reference of a device.
    pub(super) chain: Option<&'a Trouble>,
    /// The reference as it was typed.
    pub(super) typed: &'a str,
    /// What is wrong with the licence key. It is secret, so that no page repeats it.
    pub(super) key: Option<&'a Trouble>,
}

impl<'a> Home<'a> {
    /// The page when nothing is wrong.
    pub(super) fn new(frame: &'a Frame) -> Self {
        Self { frame, file: None, chain: None, typed: "", key: None }
    }
}

/// The seats of a licence.
#[derive(Template)]
#[template(path = "seats.html")]
pub(super) struct SeatsPage<'a> {
    pub(super) frame: &'a Frame,
    pub(super) seats: &'a Seats,
}

/// What a file says, before it is sent.
#[derive(Template)]
#[template(path = "request.html")]
pub(super) struct RequestPage<'a> {
    pub(super) frame: &'a Frame,
    pub(super) reading: &'a Reading,
    /// The file as text, unless it is too large for a page: then it is chosen once more.
    pub(super) carried: Option<&'a str>,
    /// The file's SHA-256.
    pub(super) digest: &'a str,
}

/// The answer.
#[derive(Template)]
#[template(path = "answer.html")]
pub(super) struct AnswerPage<'a> {
    pub(super) frame: &'a Frame,
    pub(super) summary: &'a str,
    pub(super) devices: &'a [Told],
    /// The licence file as text.
    pub(super) text: &'a str,
    /// The same as a picture.
    pub(super) picture: Option<&'a Picture>,
}

/// What stands in the way.
#[derive(Template)]
#[template(path = "trouble.html")]
struct TroublePage<'a> {
    frame: &'a Frame,
    trouble: &'a Trouble,
}

/// Shows a page.
pub(super) fn show(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, [(header::CONTENT_TYPE, HTML)], html).into_response(),
        Err(error) => Problem::from(Refusal::from_error(Code::Internal, &error)).into_response(),
    }
}

/// An instant as people read it, to the minute.
pub(super) fn moment(instant: Micros) -> String {
    let text = instant.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => text,
    }
}

/// Has refusals on the portal's routes shown as pages, wherever they were decided, and lets a browser do with a page only
/// what pages need.
pub(in crate::service) async fn as_pages(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let is_page = route.map_or_else(|| is_read_by_people(request.headers()), super::is_page);
    let response = next.run(request).await;
    if !is_page {
        return response;
    }
    let mut response = match response.extensions().get::<Refused>() {
        Some(Refused(refusal)) if !is_html(&response) => {
            let trouble = Trouble::of(refusal);
            told(response, &TroublePage { frame: &service.portal.frame, trouble: &trouble })
        }
        _ => response,
    };
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(POLICY);
    // A form names the page's origin to its own service, which would be refused without.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
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
