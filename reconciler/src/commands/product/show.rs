//! `counterfoil product show`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use schemas::text::Text;

use crate::cli::Context;
use crate::output::{Fields, Table};
use crate::shown::catalog::{ProductDetails, ProductLine};
use crate::shown::words;

/// Show a product, its features and its policies
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil product show studio")]
pub(crate) struct ProductShowArgs {
    /// The product
    #[arg(value_name = "ID")]
    product: Text,
}

impl ProductShowArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let catalog = context.vendor()?.catalog()?;
        context.output.result(&ProductDetails::of(&catalog, self.product)?)?;
        Ok(Exit::Done)
    }
}

impl fmt::Display for ProductDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProductLine { product, features, pack_version, defined_at } = &self.product;
        let policies: Vec<_> = self.policies.iter().map(Text::as_str).collect();
        Fields::default()
            .with("product", product)
            .with("defined at", defined_at)
            .with("newest pack", words::or(Some(pack_version).filter(|version| **version > 0), "none"))
            .with("policies", if policies.is_empty() { "none".to_owned() } else { policies.join(", ") })
            .fmt(f)?;
        let mut table = Table::new(&["NUMBER", "FEATURE", "METERED"]);
        for feature in features {
            let metered = if feature.metered { "yes" } else { "no" };
            table.row([feature.number.to_string(), feature.name.to_string(), metered.to_owned()]);
        }
        write!(f, "\n{table}")
    }
}
