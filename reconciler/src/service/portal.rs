//! The portal: pages for the customer's administrator, who gives a device's file, reads what it is and what it discloses, and
//! takes the licence file.
//!
//! ```text
//! /  ->  /request (read in words; nothing is kept)  ->  /answer (taken in as by `/v1/exchange`)  ->  /licence-file
//! /  ->  /code    (read in words; nothing is kept)  ->  /unlock (the vendor answers with an unlock code)
//! ```
//!
//! Each step is one form without a script and without a session: what the next step needs travels in the page. No page asks
//! who is there, so none tells what a bearer of the file, of the whole chain reference or of the licence key may not know.

mod answer;
mod codes;
mod page;
mod reading;
mod routes;
mod seats;
mod trouble;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

pub(super) use self::answer::{heading, until};
pub(super) use self::trouble::trouble;
use super::Service;
use super::html::origin;

/// The portal's routes. They answer with pages, so that they are no part of the API's description.
pub(super) fn router() -> Router<Arc<Service>> {
    Router::new()
        .route("/", get(routes::home))
        .route("/request", post(routes::request).get(routes::begin))
        .route("/content", post(routes::content).get(routes::begin))
        .route("/answer", post(routes::answer).get(routes::begin))
        .route("/code", post(codes::code).get(routes::begin))
        .route("/unlock", post(codes::unlock).get(routes::begin))
        .route("/refresh", post(routes::refresh).get(routes::begin))
        .route("/seats", post(routes::seats).get(routes::begin))
        .route("/release", post(routes::release).get(routes::begin))
        .route("/licence-file", post(routes::licence_file).get(routes::begin))
        .layer(axum::middleware::from_fn(origin::refuse_other_sites))
}

/// Whether what this route says to a browser is a page, refusals included.
pub(super) fn is_page(route: &str) -> bool {
    let files = ["/", "/request", "/content", "/answer", "/licence-file"];
    let others = ["/code", "/unlock", "/refresh", "/seats", "/release"];
    files.contains(&route) || others.contains(&route)
}
