//! `counterfoil audit usage`

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use clap::Args;
use schemas::codes::Exit;
use schemas::ids::CustomerId;
use schemas::ids::LicenseId;
use schemas::period;
use schemas::refusal::Refusal;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::cli::Context;
use crate::commands::filter::UsageFilterOptions;
use crate::output::Table;
use crate::store::{LicenseFilter, UsageRow, feature_name, feature_names};
use crate::vendor::Vendor;

/// Tell what was used, and what that rests on
///
/// A figure rests on signed events of devices, or on the total that a return code told, as far as it goes beyond the events that
/// are known.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil audit usage
  counterfoil audit usage --by license,period --from 2026-01-01 --to 2027-01-01")]
pub(crate) struct AuditUsageArgs {
    /// Part the figures by these besides the product and the feature, separated by commas
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    by: Vec<Dimension>,
    #[command(flatten)]
    filter: UsageFilterOptions,
}

/// What figures of usage are parted by.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, clap::ValueEnum)]
pub(crate) enum Dimension {
    /// The customer.
    Customer,
    /// The licence.
    License,
    /// The device chain.
    Chain,
    /// The period that the use counts in.
    Period,
    /// The UTC day.
    Day,
}

impl Dimension {
    fn key(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::License => "license_id",
            Self::Chain => "chain",
            Self::Period => "period",
            Self::Day => "day",
        }
    }
}

impl AuditUsageArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let mut vendor = context.vendor()?;
        let filter = self.filter.resolve(&mut vendor)?;
        let by: BTreeSet<Dimension> = self.by.into_iter().collect();
        let names = feature_names(&vendor.catalog()?);
        let customers = if by.contains(&Dimension::Customer) {
            customers_of_licenses(&mut vendor)?
        } else {
            BTreeMap::new()
        };
        let mut sums: BTreeMap<Vec<String>, Sum> = BTreeMap::new();
        vendor.usage(&filter, &mut |row, basis| {
            let feature = feature_name(&names, &row.product, row.feature);
            let mut key = vec![row.product.clone(), feature];
            key.extend(by.iter().map(|dimension| value_of(*dimension, row, &customers)));
            key.push(basis.word().to_owned());
            sums.entry(key).or_default().add(row);
            Ok(())
        })?;
        let rows = sums.into_iter().map(|(key, sum)| UsageLine { key, sum }).collect();
        context.output.result(&Usage { by: by.into_iter().collect(), rows })?;
        Ok(Exit::Done)
    }
}

fn value_of(dimension: Dimension, row: &UsageRow, customers: &BTreeMap<LicenseId, String>) -> String {
    match dimension {
        Dimension::Customer => customers.get(&row.license).cloned().unwrap_or_default(),
        Dimension::License => row.license.to_string(),
        Dimension::Chain => row.chain.to_string(),
        Dimension::Period => row.period.to_string(),
        Dimension::Day => period::day_text(row.day),
    }
}

fn customers_of_licenses(vendor: &mut Vendor) -> Result<BTreeMap<LicenseId, String>, Refusal> {
    let names = vendor.customer_names()?;
    let name = |customer: &CustomerId| names.get(customer).cloned().unwrap_or_else(|| customer.to_string());
    let licenses = vendor.store.licenses(&LicenseFilter::default())?;
    Ok(licenses.into_iter().map(|license| (license.id, name(&license.customer))).collect())
}

#[derive(Default)]
struct Sum {
    used: u64,
    refunded: u64,
    events: u64,
}

impl Sum {
    fn add(&mut self, row: &UsageRow) {
        self.used = self.used.saturating_add(row.used);
        self.refunded = self.refunded.saturating_add(row.refunded);
        self.events += row.events;
    }

    fn net(&self) -> u64 {
        self.used.saturating_sub(self.refunded)
    }
}

struct UsageLine {
    key: Vec<String>,
    sum: Sum,
}

struct Usage {
    by: Vec<Dimension>,
    rows: Vec<UsageLine>,
}

impl Usage {
    fn keys(&self) -> impl Iterator<Item = &'static str> {
        let by = self.by.iter().map(|dimension| dimension.key());
        ["product", "feature"].into_iter().chain(by).chain(["basis"])
    }
}

impl Serialize for Usage {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows = self.rows.iter().map(|row| {
            let mut object: Map<String, Value> =
                self.keys().map(str::to_owned).zip(row.key.iter().cloned().map(Value::from)).collect();
            object.insert("n".to_owned(), row.sum.net().into());
            object.insert("refunded".to_owned(), row.sum.refunded.into());
            object.insert("events".to_owned(), row.sum.events.into());
            object
        });
        let rows: Vec<_> = rows.collect();
        BTreeMap::from([("rows", rows)]).serialize(serializer)
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return f.write_str("nothing was used");
        }
        let mut headings: Vec<&'static str> = self.keys().collect();
        headings.extend(["n", "refunded", "events"]);
        let mut table = Table::new(&headings);
        for row in &self.rows {
            let figures = [row.sum.net(), row.sum.refunded, row.sum.events].map(|figure| figure.to_string());
            table.row(row.key.iter().cloned().chain(figures));
        }
        table.fmt(f)
    }
}
