//! What all pages have in common: the frame with the vendor's name and colour, the files they refer to, forms and where they
//! come from, and how a refusal is told. What stands on a page is not known here: see `portal` and `pages`.

pub(super) mod form;
pub(super) mod frame;
pub(super) mod list;
pub(super) mod origin;
pub(super) mod page;
pub(super) mod picture;
pub(super) mod trouble;

mod assets;
mod brand;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use self::assets::Assets;
pub(crate) use self::brand::Brand;
use self::frame::Frame;
use super::Service;

/// What every page has in common, and the files that pages refer to.
pub(super) struct Html {
    pub(super) frame: Frame,
    assets: Assets,
}

impl Html {
    /// That of a vendor.
    pub(super) fn new(brand: Brand) -> Self {
        let mut assets = Assets::default();
        let frame = Frame::new(brand, &mut assets);
        Self { frame, assets }
    }
}

/// The files that pages refer to.
pub(super) fn router() -> Router<Arc<Service>> {
    Router::new().route(ASSET, get(assets::asset))
}

const ASSET: &str = "/assets/{name}";
