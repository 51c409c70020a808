//! What every page has in common: the vendor's name, picture and colour, and where style and script are.

use super::assets::Assets;
use super::brand::Brand;

const STYLE: &str = include_str!("../../../assets/portal.css");
const SCRIPT: &str = include_str!("../../../assets/portal.js");
const ICON: &str = include_str!("../../../assets/icon.svg");

/// The frame of every page.
#[derive(Debug)]
pub(in crate::service) struct Frame {
    /// Whose portal it is.
    pub(in crate::service) name: String,
    /// Where the vendor's picture is.
    pub(in crate::service) logo: Option<String>,
    /// Where the style is.
    pub(in crate::service) style: String,
    /// Where the vendor's colour is.
    pub(in crate::service) colour: String,
    /// Where the script is.
    pub(in crate::service) script: String,
    /// Where the icon is.
    pub(in crate::service) icon: String,
}

impl Frame {
    /// The frame of a vendor's pages, whose files go to `assets`.
    pub(super) fn new(brand: Brand, assets: &mut Assets) -> Self {
        let name = brand.name.map_or_else(|| "Licence portal".to_owned(), |name| name.to_string());
        let css = "text/css; charset=utf-8";
        Self {
            name,
            logo: brand.logo.map(|logo| assets.keep("logo", logo.ending, logo.kind, logo.bytes)),
            style: assets.keep("portal", "css", css, STYLE),
            colour: assets.keep("brand", "css", css, brand.accent.style()),
            script: assets.keep("portal", "js", "text/javascript; charset=utf-8", SCRIPT),
            icon: assets.keep("icon", "svg", "image/svg+xml", ICON),
        }
    }
}
