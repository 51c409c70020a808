//! `counterfoil product create`

use std::fmt;

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
    features: Vec<NewFeature>,
}

impl ProductCreateArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let product = context.vendor()?.create_product(&self.product, &self.features)?;
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
