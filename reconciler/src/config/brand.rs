//! How the vendor's pages look: the table `[brand]` of the configuration file, or the environment.

use std::collections::BTreeMap;
use std::path::Path;

use schemas::refusal::Refusal;

use super::Setting;
use super::table::{self, Texts};
use crate::service::Brand;

/// Every option with its default, in the order in which they are shown. An empty text is nothing.
const OPTIONS: [(&str, &str); 3] = [("name", ""), ("logo", ""), ("accent", "#1f4f8f")];

/// The options, resolved.
#[derive(Clone, Debug)]
pub(crate) struct BrandOptions(Texts);

impl BrandOptions {
    /// What the environment, the file's table, or the default says.
    ///
    /// # Errors
    /// `config_invalid` for a name that is none.
    pub(super) fn resolve(
        variable: impl Fn(&str) -> Option<String>,
        file: BTreeMap<String, toml::Value>,
    ) -> Result<Self, Refusal> {
        table::resolve("brand", "BRAND_", &OPTIONS, variable, file).map(Self)
    }

    /// Each option with its value, in the order of the table; it is shown with the table's name.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (&'static str, &Setting<String>)> {
        let names = ["brand_name", "brand_logo", "brand_accent"];
        names.into_iter().zip(OPTIONS.iter().map(|(name, _)| &self.0[name]))
    }

    /// What they mean; the picture is read.
    ///
    /// # Errors
    /// `config_invalid`.
    pub(crate) fn brand(&self) -> Result<Brand, Refusal> {
        let said = |name: &str| Some(self.0[name].value.as_str()).filter(|text| !text.is_empty());
        Brand::load(said("name"), said("logo").map(Path::new), &self.0["accent"].value)
    }
}
