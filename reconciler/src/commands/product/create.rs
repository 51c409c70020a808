//! `counterfoil product create`

use std::fmt;
use std::str::FromStr;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use schemas::text::Text;

use crate::cli::Context;
use crate::output::Table;
use crate::shown::catalog::NewProduct;
use crate::shown::words;
use crate::vendor::products::NewFeature;

/// Define a product and its features
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil product create studio --feature export --feature render:metered")]
pub(crate) struct ProductCreateArgs {
    /// The product's identifier, unique in the home
    #[arg(value_name = "ID")]
    product: Text,
    /// A feature, on or off, or metered with `:metered` behind its name; may be repeated
    #[arg(long = "feature", value_name = "NAME[:metered]")]
    features: Vec<FeatureDefinition>,
}

impl ProductCreateArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let features: Vec<NewFeature> = self
            .features
            .into_iter()
            .map(|feature| NewFeature { name: feature.name, metered: feature.metered })
            .collect();
        let product = context.vendor()?.create_product(&self.product, &features)?;
        context.output.result(&NewProduct { product: self.product, features: product.features })?;
        Ok(Exit::Done)
    }
}

impl fmt::Display for NewProduct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "created the product {}", self.product)?;
        let mut table = Table::new(&["NUMBER", "FEATURE", "METERED"]);
        for feature in &self.features {
            let metered = if feature.metered { "yes" } else { "no" };
            table.row([feature.number.to_string(), feature.name.to_string(), metered.to_owned()]);
        }
        let product = words::quoted(self.product.as_str());
        let file = words::quoted(&format!("{}.cfpack", self.product));
        write!(f, "{table}\nNext: counterfoil product pack {product} -o {file}")
    }
}

/// `NAME` or `NAME:metered`
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct FeatureDefinition {
    /// The feature's name.
    pub(crate) name: Text,
    /// Whether its use is metered.
    pub(crate) metered: bool,
}

impl FromStr for FeatureDefinition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.rsplit_once(':') {
            Some(("", _)) => Err("a feature has a name".to_owned()),
            Some((name, "metered")) => Ok(Self { name: name.parse()?, metered: true }),
            Some(_) => Err("expected NAME or NAME:metered".to_owned()),
            None if text.is_empty() => Err("a feature has a name".to_owned()),
            None => Ok(Self { name: text.parse()?, metered: false }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_is_on_or_off_unless_it_is_said_to_be_metered() {
        for (text, expected) in [
            ("export", Some(("export", false))),
            ("render:metered", Some(("render", true))),
            ("a:b", None),
            ("", None),
        ] {
            let expected = expected
                .map(|(name, metered)| FeatureDefinition { name: name.parse().expect("short"), metered });
            assert_eq!(text.parse().ok(), expected, "{text:?}");
        }
    }
}
