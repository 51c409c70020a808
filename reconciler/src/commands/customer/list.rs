//! `counterfoil customer list`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::refusal::Refusal;

use crate::cli::Context;
use crate::commands::filter::LimitOption;
use crate::output::{self, Table};
use crate::shown::catalog::{CustomerLine, Customers};
use crate::shown::words;

/// List the customers
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil customer list
  counterfoil customer list --json")]
pub(crate) struct CustomerListArgs {
    #[command(flatten)]
    limit: LimitOption,
}

impl CustomerListArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let customers = context.vendor()?.customers()?;
        let mut customers: Vec<CustomerLine> = customers.into_iter().map(CustomerLine::of).collect();
        self.limit.cut(&mut customers);
        if customers.is_empty() {
            output::talk(&"there are no customers");
        }
        context.output.result(&Customers { customers })?;
        Ok(Exit::Done)
    }
}

impl fmt::Display for Customers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["CUSTOMER", "NAME", "DEFINED AT"]);
        for CustomerLine { customer_id, name, defined_at } in &self.customers {
            table.row([
                customer_id.to_string(),
                words::or(name.as_ref(), "(erased)"),
                words::second(*defined_at).to_string(),
            ]);
        }
        table.fmt(f)
    }
}
