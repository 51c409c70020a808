//! The portal: pages for the customer's administrator, who gives a device's file, reads what it is and what it discloses, and
//! takes the licence file.
//!
//! ```text
//! /  ->  /request (read in words; nothing is kept)  ->  /answer (taken in as by `/v1/exchange`)  ->  /licence-file
//! ```
//!
//! Each step is one form without a script and without a session: what the next step needs travels in the page. No page asks
//! who is there, so none tells what a bearer of the file, of the whole chain reference or of the licence key may not know.

mod answer;
mod assets;
mod brand;
mod form;
mod frame;
mod origin;
mod page;
mod reading;
mod routes;
mod seats;
mod trouble;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use self::assets::Assets;
pub(crate) use self::brand::Brand;
use self::frame::Frame;
pub(super) use self::page::as_pages;
use super::Service;

/// What every page has in common, and the files that pages refer to.
pub(super) struct Portal {
    frame: Frame,
    assets: Assets,
}

impl Portal {
    /// That of a vendor.
    pub(super) fn new(brand: Brand) -> Self {
        let mut assets = Assets::default();
        let frame = Frame::new(brand, &mut assets);
        Self { frame, assets }
    }
}

/// The portal's routes. They answer with pages, so that they are no part of the API's description.
pub(super) fn router() -> Router<Arc<Service>> {
    Router::new()
        .route("/", get(routes::home))
        .route("/request", post(routes::request).get(routes::begin))
        .route("/content", post(routes::content).get(routes::begin))
        .route("/answer", post(routes::answer).get(routes::begin))
        .route("/refresh", post(routes::refresh).get(routes::begin))
        .route("/seats", post(routes::seats).get(routes::begin))
        .route("/release", post(routes::release).get(routes::begin))
        .route("/licence-file", post(routes::licence_file).get(routes::begin))
        .layer(axum::middleware::from_fn(origin::refuse_other_sites))
        .route("/assets/{name}", get(assets::asset))
}

/// Whether what this route says to a browser is a page, refusals included.
fn is_page(route: &str) -> bool {
    matches!(
        route,
        "/" | "/request"
            | "/content"
            | "/answer"
            | "/refresh"
            | "/seats"
            | "/release"
            | "/licence-file"
            | "/assets/{name}"
    )
}
