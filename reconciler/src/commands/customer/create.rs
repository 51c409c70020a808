//! `counterfoil customer create`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;
use schemas::text::Text;

use crate::cli::Context;
use crate::output::Fields;
use crate::shown::catalog::NewCustomer;

/// Add a customer; one of that name that is there already is told and not added again
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil customer create \"ACME GmbH\"")]
pub(crate) struct CustomerCreateArgs {
    /// The customer's name
    #[arg(value_name = "NAME", value_parser = name)]
    name: Text,
}

impl CustomerCreateArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let customers = context.vendor()?.customers_named(std::slice::from_ref(&self.name))?;
        let customer_id = customers[&self.name];
        context.output.result(&NewCustomer { customer_id, name: self.name })?;
        Ok(Exit::Done)
    }
}

impl fmt::Display for NewCustomer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Fields::default().with("customer", &self.name).with("identifier", self.customer_id).fmt(f)
    }
}

fn name(text: &str) -> Result<Text, String> {
    if text.trim().is_empty() { Err("a customer has a name".to_owned()) } else { text.parse() }
}
