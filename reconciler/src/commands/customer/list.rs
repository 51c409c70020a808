//! `counterfoil customer list`

use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::ids::CustomerId;
use schemas::numbers::Micros;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::cli::Context;
use crate::commands::filter::LimitOption;
use crate::commands::words;
use crate::output::{self, Table};
use crate::vendor::customers::Customer;

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

#[derive(Serialize)]
struct Customers {
    customers: Vec<CustomerLine>,
}

#[derive(Serialize)]
struct CustomerLine {
    customer_id: CustomerId,
    /// Absent when it was erased.
    name: Option<String>,
    defined_at: Micros,
}

impl CustomerLine {
    fn of(customer: Customer) -> Self {
        let Customer { id, name, defined_at } = customer;
        Self { customer_id: id, name, defined_at }
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
