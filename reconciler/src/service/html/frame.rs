//! What every page has in common: the vendor's name, picture and colour, and where style and script are.

use super::assets::Assets;
use super::brand::Brand;

const STYLE: &str = include_str!("../../../assets/portal.css");
const SCRIPT: &str = include_str!("../../../assets/portal.js");
const CODE_SCRIPT: &str = include_str!("../../../assets/codes.js");
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
    /// Where the script of forms for codes is.
    pub(in crate::service) code_script: String,
    /// Where the icon is.
    pub(in crate::service) icon: String,
}

impl Frame {
    /// The frame of a vendor's pages, whose files go to `assets`.
    pub(super) fn new(brand: Brand, assets: &mut Assets) -> Self {
        let name = brand.name.map_or_else(|| "Licence portal".to_owned(), |name| name.to_string());
        let [css, javascript] = ["text/css; charset=utf-8", "text/javascript; charset=utf-8"];
        Self {
            name,
            logo: brand.logo.map(|logo| assets.keep("logo", logo.ending, logo.kind, logo.bytes)),
            style: assets.keep("portal", "css", css, STYLE),
            colour: assets.keep("brand", "css", css, brand.accent.style()),
            script: assets.keep("portal", "js", javascript, SCRIPT),
            code_script: assets.keep("portal-codes", "js", javascript, CODE_SCRIPT),
            icon: assets.keep("icon", "svg", "image/svg+xml", ICON),
        }
    }
}
