//! `counterfoil license import`

mod sheet;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use clap::Args;
use schemas::codes::Exit;
use schemas::ids::CustomerId;
use schemas::limits;
use schemas::refusal::Refusal;
use schemas::text::Text;
use serde::Serialize;

use self::sheet::Line;
use crate::cli::Context;
use crate::commands::files;
use crate::output;
use crate::progress::Progress;
use crate::shown::licenses::IssuedLine;
use crate::vendor::Vendor;
use crate::vendor::licenses::Order;

/// Issue a licence for every line of a CSV file
///
/// The first line names the columns: `policy` and `customer`, and any option of `license issue` without its hyphens in
/// front, such as `valid` or `max-activations`; several values of one, such as of `quota`, are separated by `;`. Either
/// every line is issued or, when one is not valid, none.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil license import licences.csv
  counterfoil license import licences.csv --json > issued.json")]
pub(crate) struct LicenseImportArgs {
    /// The CSV file, UTF-8, with a line of headings; `-` reads the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl LicenseImportArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let bytes = files::read(&self.file)?;
        let mut vendor = context.vendor()?;
        let catalog = vendor.catalog()?;
        let lines = sheet::read(&bytes, &catalog).map_err(|refusal| refusal.at(self.file.display()))?;
        let customers = customers(&mut vendor, &lines)?;
        let issued = issue(context, &mut vendor, &lines, &customers)?;
        output::talk(&format_args!("licences issued: {issued}"));
        Ok(Exit::Done)
    }
}

/// The customers that the lines name, by identifier or by name; new names are defined.
fn customers(vendor: &mut Vendor, lines: &[Line]) -> Result<BTreeMap<Text, CustomerId>, Refusal> {
    let known = vendor.catalog()?.customers;
    let mut found = BTreeMap::new();
    let mut names = BTreeSet::new();
    for line in lines {
        match CustomerId::parse(line.customer.as_str()).filter(|id| known.contains_key(id)) {
            Some(id) => drop(found.insert(line.customer.clone(), id)),
            None => drop(names.insert(line.customer.clone())),
        }
    }
    let names: Vec<Text> = names.into_iter().collect();
    // Each call writes one run of the catalog, which holds so many events.
    for names in names.chunks(limits::RUN_EVENTS) {
        found.extend(vendor.customers_named(names)?);
    }
    Ok(found)
}

/// Issues every line and tells of each licence once it is stored; gives their number.
fn issue(
    context: &Context,
    vendor: &mut Vendor,
    lines: &[Line],
    customers: &BTreeMap<Text, CustomerId>,
) -> Result<usize, Refusal> {
    let asked: Vec<&Line> = lines.iter().flat_map(|line| std::iter::repeat_n(line, line.count)).collect();
    let orders: Vec<Order> = asked
        .iter()
        .map(|line| Order {
            policy: line.policy.clone(),
            customer: customers[&line.customer],
            is_trial: false,
        })
        .collect();
    let progress = Progress::start("issuing", Some(orders.len() as u64));
    let mut lines = asked.iter().enumerate();
    vendor.issue(&orders, &mut |issued| {
        let (number, line) = lines.next().expect("one licence for each order, in their order");
        let issued = IssuedLine::of(&issued, &line.policy.name, line.customer.as_str());
        context.output.result(&Row { issued, is_first: number == 0 })?;
        progress.add(1);
        Ok(())
    })?;
    progress.finish();
    Ok(orders.len())
}

/// One line of a table that is written while licences are issued.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    issued: IssuedLine,
    /// Whether the headings stand before it.
    #[serde(skip)]
    is_first: bool,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_first {
            writeln!(f, "{:<36}  {:<31}  {:<12}  CUSTOMER", "LICENCE", "LICENCE KEY", "POLICY")?;
        }
        let IssuedLine { license_id, license_key, policy, customer, .. } = &self.issued;
        write!(f, "{license_id:<36}  {license_key:<31}  {policy:<12}  {customer}")
    }
}
