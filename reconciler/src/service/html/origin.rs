//! Forms come from pages of this service: nobody's browser is made to send one by another site.

use axum::extract::Request;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use schemas::codes::Code;

use crate::service::problem::Problem;

/// Passes on what changes nothing, and what a page of this service sent.
pub(in crate::service) async fn refuse_other_sites(request: Request, next: Next) -> Response {
    let is_harmless = matches!(*request.method(), Method::GET | Method::HEAD);
    if is_harmless || is_own(request.uri(), request.headers()) {
        return next.run(request).await;
    }
    Problem::from(Code::CrossSite).into_response()
}

/// Whether a page of this service, or its user, made the request. Browsers say so in `Sec-Fetch-Site` where they encrypt,
/// and name the origin everywhere.
fn is_own(uri: &Uri, headers: &HeaderMap) -> bool {
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = said("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let host = uri.authority().map(ToString::to_string);
    let host = host.or_else(|| said(header::HOST.as_str()).map(str::to_owned));
    let origin = said(header::ORIGIN.as_str()).and_then(|origin| origin.split_once("://"));
    origin.zip(host).is_some_and(|((_, origin), host)| origin.eq_ignore_ascii_case(&host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
        is_own(&Uri::from_static("/request"), &headers.collect())
    }

    #[test]
    fn only_what_an_own_page_sent_is_taken() {
        assert!(own(&[("sec-fetch-site", "same-origin")]));
        assert!(own(&[("sec-fetch-site", "none")]));
        assert!(own(&[("host", "a.example:8080"), ("origin", "http://a.example:8080")]));
        assert!(!own(&[("sec-fetch-site", "same-site"), ("host", "a"), ("origin", "http://a")]));
        assert!(!own(&[("sec-fetch-site", "cross-site")]));
        assert!(!own(&[("host", "a.example"), ("origin", "https://b.example")]));
        assert!(!own(&[("host", "a.example"), ("origin", "null")]));
        assert!(!own(&[("host", "a.example")]));
        assert!(!own(&[]));
    }
}
