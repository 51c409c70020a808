//! `counterfoil product list`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::pack::ProductFeature;
use schemas::refusal::Refusal;

use crate::cli::Context;
use crate::commands::filter::LimitOption;
use crate::output::{self, Table};
use crate::shown::catalog::{ProductLine, Products};
use crate::shown::words;

/// List the products
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil product list
  counterfoil product list --json")]
pub(crate) struct ProductListArgs {
    #[command(flatten)]
    limit: LimitOption,
}

impl ProductListArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let catalog = context.vendor()?.catalog()?;
        let mut products: Vec<ProductLine> =
            catalog.products.into_iter().map(|(id, product)| ProductLine::of(id, product)).collect();
        self.limit.cut(&mut products);
        if products.is_empty() {
            output::talk(&"there are no products");
        }
        context.output.result(&Products { products })?;
        Ok(Exit::Done)
    }
}

impl fmt::Display for Products {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["PRODUCT", "FEATURES", "PACK", "DEFINED AT"]);
        for ProductLine { product, features, pack_version, defined_at } in &self.products {
            let features: Vec<_> = features.iter().map(in_words).collect();
            let pack = Some(pack_version).filter(|version| **version > 0);
            table.row([
                product.to_string(),
                features.join(", "),
                words::or(pack, "none"),
                words::second(*defined_at).to_string(),
            ]);
        }
        table.fmt(f)
    }
}

fn in_words(feature: &ProductFeature) -> String {
    if feature.metered { format!("{} (metered)", feature.name) } else { feature.name.to_string() }
}
