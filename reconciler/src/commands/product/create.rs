//! `counterfoil product create`

use std::str::FromStr;

use clap::Args;
use schemas::text::Text;

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
