//! Licences from a CSV table: every line is checked against the catalog before anything is done.

use std::collections::{BTreeMap, BTreeSet};

use csv::{Position, ReaderBuilder, StringRecord, Trim};
use ledger::catalog::Catalog;
use schemas::codes::Code;
use schemas::ids::CustomerId;
use schemas::limits;
use schemas::refusal::Refusal;
use schemas::terms::Policy;
use schemas::text::Text;

use super::Vendor;
use super::licenses::{IssuedLicense, Order};
use super::products::known_product;
use crate::options::PolicyOptions;

/// What spreadsheets put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Most licences of one line, as `license issue --count` takes.
const MOST_OF_A_LINE: usize = 1_000_000;
/// Most lines that a refusal names.
const MOST_TOLD: usize = 10;

/// A table whose lines are valid.
///
/// The first line names the columns: `policy` and `customer`, `count` where a line stands for several of the same, and any
/// option of `license issue` without its hyphens in front, such as `valid`; several values of one are separated by `;`.
#[derive(Debug)]
pub struct Sheet(Vec<Line>);

impl Sheet {
    /// How many licences it asks for.
    pub fn licenses(&self) -> usize {
        self.0.iter().map(|line| line.count).sum()
    }

    /// The customers that it names, by identifier or by name.
    fn customers(&self) -> BTreeSet<&Text> {
        self.0.iter().map(|line| &line.customer).collect()
    }
}

/// A licence that was issued for a line.
#[derive(Debug)]
pub struct OfLine<'a> {
    /// The licence.
    pub issued: IssuedLicense,
    /// Its policy.
    pub policy: &'a Text,
    /// Its customer, as the line names it.
    pub customer: &'a Text,
}

impl Vendor {
    /// Reads a table of `most` licences at most.
    ///
    /// # Errors
    /// `csv_invalid`, which tells of the lines that are not valid, or that there are too many: no more of them are read then.
    pub fn read_sheet(&mut self, bytes: &[u8], most: usize) -> Result<Sheet, Refusal> {
        read(bytes, &self.catalog()?, most).map(Sheet)
    }

    /// Issues a licence for every line, in commits of some hundred, each of which is whole; new names add customers. `told`
    /// hears of each licence once it is stored.
    ///
    /// # Errors
    /// When the ledger cannot be changed; licences that were told of are there.
    pub fn issue_sheet(
        &mut self,
        sheet: &Sheet,
        told: &mut dyn FnMut(OfLine<'_>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let customers = self.customers_of(sheet)?;
        let lines = || sheet.0.iter().flat_map(|line| std::iter::repeat_n(line, line.count));
        let orders: Vec<Order> = lines()
            .map(|Line { policy, customer, .. }| Order {
                policy: policy.clone(),
                customer: customers[customer],
                is_trial: false,
            })
            .collect();
        let mut lines = lines();
        self.issue(&orders, &mut |issued| {
            let Line { policy, customer, .. } = lines.next().expect("one licence for each, in their order");
            told(OfLine { issued, policy: &policy.name, customer })
        })
    }

    /// The customers that a table names; new names are defined.
    fn customers_of(&mut self, sheet: &Sheet) -> Result<BTreeMap<Text, CustomerId>, Refusal> {
        let known = self.catalog()?.customers;
        let (mut found, mut names) = (BTreeMap::new(), Vec::new());
        for customer in sheet.customers() {
            match CustomerId::parse(customer.as_str()).filter(|id| known.contains_key(id)) {
                Some(id) => drop(found.insert(customer.clone(), id)),
                None => names.push(customer.clone()),
            }
        }
        // Each call writes one run of the catalog, which holds so many events.
        for names in names.chunks(limits::RUN_EVENTS) {
            found.extend(self.customers_named(names)?);
        }
        Ok(found)
    }
}

/// A valid line.
#[derive(Debug)]
struct Line {
    /// The policy with the line's options applied.
    policy: Policy,
    /// The customer's name or identifier.
    customer: Text,
    /// How many licences.
    count: usize,
}

fn read(bytes: &[u8], catalog: &Catalog, most: usize) -> Result<Vec<Line>, Refusal> {
    check(bytes, catalog, most).map_err(|wrong| {
        let mut told: Vec<String> =
            wrong.iter().take(MOST_TOLD).map(|Wrong { line, why }| format!("line {line}: {why}")).collect();
        if wrong.len() > MOST_TOLD {
            told.push(format!("and {} more", wrong.len() - MOST_TOLD));
        }
        Refusal::new(Code::CsvInvalid, told.join("; "))
    })
}

/// A line that is not valid.
#[derive(Debug)]
struct Wrong {
    line: u64,
    why: String,
}

fn check(bytes: &[u8], catalog: &Catalog, most: usize) -> Result<Vec<Line>, Vec<Wrong>> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(bytes);
    let columns = reader
        .headers()
        .map_err(|error| error.to_string())
        .and_then(Columns::of)
        .map_err(|why| vec![Wrong { line: 1, why }])?;
    let (mut lines, mut wrong) = (Vec::new(), Vec::new());
    let mut left = most;
    for record in reader.records() {
        let checked = match &record {
            Ok(record) => columns.line(record, catalog).map_err(|refusal| in_words(&refusal)),
            Err(error) => Err(reading_failed(error)),
        };
        let position = record.as_ref().map_or_else(csv::Error::position, StringRecord::position);
        let line = position.map_or(0, |position| line_at(bytes, position));
        let asked = checked.as_ref().map_or(1, |checked| checked.count);
        match checked {
            Ok(checked) => lines.push(checked),
            Err(why) => wrong.push(Wrong { line, why }),
        }
        let Some(rest) = left.checked_sub(asked) else {
            wrong.push(Wrong { line, why: format!("with this line there are more than {most} licences") });
            break;
        };
        left = rest;
    }
    if wrong.is_empty() { Ok(lines) } else { Err(wrong) }
}

/// The line of a record, whose position is where the one before it ended: empty lines may stand between.
fn line_at(bytes: &[u8], position: &Position) -> u64 {
    let start = usize::try_from(position.byte()).unwrap_or(usize::MAX).min(bytes.len());
    let ends = bytes[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + ends.filter(|byte| **byte == b'\n').count() as u64
}

/// The headings.
struct Columns(Vec<String>);

impl Columns {
    fn of(headings: &StringRecord) -> Result<Self, String> {
        let columns: Vec<String> = headings.iter().map(str::to_owned).collect();
        let mut seen = BTreeSet::new();
        if let Some(twice) = columns.iter().find(|column| !seen.insert(*column)) {
            return Err(format!("the column {twice:?} is there twice"));
        }
        match ["policy", "customer"].into_iter().find(|column| !seen.contains(&(*column).to_owned())) {
            Some(missing) => Err(format!("the column {missing:?} is missing")),
            None => Ok(Self(columns)),
        }
    }

    fn line(&self, record: &StringRecord, catalog: &Catalog) -> Result<Line, Refusal> {
        let cells = || self.0.iter().map(String::as_str).zip(record);
        let cell = |wanted: &str| cells().find(|(column, _)| *column == wanted).map_or("", |(_, cell)| cell);
        let options = PolicyOptions::from_cells(cells().filter(|(column, _)| !is_own(column)))?;
        let name = required("policy", cell("policy"))?;
        let unknown = || Refusal::new(Code::PolicyUnknown, name.as_str());
        let (_, policy) = catalog.policies.get(&name).ok_or_else(unknown)?;
        let features = &known_product(catalog, &policy.product)?.features;
        Ok(Line {
            policy: options.overriding(policy, features)?,
            customer: required("customer", cell("customer"))?,
            count: count(cell("count"))?,
        })
    }
}

/// Whether a column is no option of a policy.
fn is_own(column: &str) -> bool {
    matches!(column, "policy" | "customer" | "count")
}

fn required(column: &str, cell: &str) -> Result<Text, Refusal> {
    let text: Text = cell.parse().map_err(|why: String| Refusal::new(Code::CsvInvalid, why))?;
    if cell.is_empty() {
        Err(Refusal::new(Code::CsvInvalid, format!("no {column} is named")))
    } else {
        Ok(text)
    }
}

fn count(cell: &str) -> Result<usize, Refusal> {
    if cell.is_empty() {
        return Ok(1);
    }
    let count: Option<usize> = cell.parse().ok().filter(|count| (1..=MOST_OF_A_LINE).contains(count));
    count.ok_or_else(|| {
        Refusal::new(Code::CsvInvalid, format!("the count {cell:?} is not 1 to {MOST_OF_A_LINE}"))
    })
}

/// What is wrong with a line; that it is a line of the CSV file is said already.
fn in_words(refusal: &Refusal) -> String {
    match refusal.code() {
        Code::CsvInvalid => refusal.detail().to_owned(),
        _ => refusal.to_string(),
    }
}

fn reading_failed(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("it has {len} cells and the headings are {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use ledger::catalog::Product;
    use schemas::numbers::{FeatureNumber, Micros, Seconds};
    use schemas::pack::ProductFeature;

    use super::*;

    fn text(text: &str) -> Text {
        Text::new(text).expect("short")
    }

    fn catalog() -> Catalog {
        let feature = |number, name, metered| ProductFeature {
            number: FeatureNumber(number),
            name: text(name),
            metered,
        };
        let features = vec![feature(1, "export", false), feature(2, "render", true)];
        let policy = PolicyOptions::default()
            .policy(text("standard"), text("studio"), &features)
            .expect("a policy without options is valid");
        let product = Product { features, pack_version: 0, defined_at: Micros::default() };
        Catalog {
            products: [(text("studio"), product)].into(),
            policies: [(text("standard"), (Micros::default(), policy))].into(),
            ..Catalog::default()
        }
    }

    fn wrong_lines(sheet: &str) -> Vec<u64> {
        let wrong = check(sheet.as_bytes(), &catalog(), 1_000).expect_err("a line is not valid");
        wrong.iter().map(|wrong| wrong.line).collect()
    }

    #[test]
    fn a_line_departs_from_its_policy_in_what_it_says_only() {
        let sheet = "\u{feff}customer,policy,valid,quota,count\n\
                     \"ACME, Inc.\",standard,,,\n\
                     Beta , standard,30d,render=5/month;,3\n";
        let lines = read(sheet.as_bytes(), &catalog(), 1_000).expect("valid");
        let [plain, special] = &lines[..] else { panic!("two lines") };
        assert_eq!((plain.customer.as_str(), plain.count), ("ACME, Inc.", 1));
        assert_eq!(plain.policy, catalog().policies[&text("standard")].1);
        assert_eq!((special.customer.as_str(), special.count), ("Beta", 3));
        assert_eq!(special.policy.valid_for, Some(Seconds::days(30)));
        assert_eq!(special.policy.rules.quotas.len(), 1);
    }

    #[test]
    fn several_values_stand_in_one_cell() {
        let sheet = "policy,customer,feature\nstandard,a,export;render\nstandard,b,export\n";
        let lines = read(sheet.as_bytes(), &catalog(), 1_000).expect("valid");
        let held: Vec<usize> = lines.iter().map(|line| line.policy.features.len()).collect();
        assert_eq!(held, [2, 1]);
    }

    #[test]
    fn every_line_that_is_not_valid_is_named() {
        let sheet = "policy,customer,valid,quota,count\n\
                     standard,a,365d,render=1,1\n\
                     standard,b,soon,,\n\
                     \n\
                     nosuch,c,,,\n\
                     standard,,,,\n\
                     standard,d,,export=1,\n\
                     standard,e,,,0\n\
                     standard,f\n\
                     standard,g,,missing=1,\n";
        assert_eq!(wrong_lines(sheet), [3, 5, 6, 7, 8, 9, 10]);
        assert_eq!(wrong_lines(&sheet.replace('\n', "\r\n")), [3, 5, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn headings_that_are_not_valid_are_named_as_the_first_line() {
        for sheet in ["policy,valid\nstandard,1d\n", "policy,customer,policy\nstandard,a,b\n", ""] {
            assert_eq!(wrong_lines(sheet), [1], "{sheet:?}");
        }
        assert_eq!(wrong_lines("policy,customer,colour\nstandard,a,red\n"), [2]);
    }

    #[test]
    fn a_refusal_names_so_many_lines_at_most() {
        let sheet = format!("policy,customer\n{}", "nosuch,a\n".repeat(50));
        let refusal = read(sheet.as_bytes(), &catalog(), 1_000).expect_err("no such policy");
        assert_eq!(refusal.code(), Code::CsvInvalid);
        assert_eq!(refusal.detail().split("; ").count(), MOST_TOLD + 1);
    }

    #[test]
    fn no_more_lines_are_read_than_there_may_be_licences() {
        let sheet = |lines: &str| check(format!("policy,customer,count\n{lines}").as_bytes(), &catalog(), 3);
        assert!(sheet("standard,a,2\nstandard,b,1\n").is_ok());
        for lines in ["standard,a,2\nstandard,b,2\nnosuch,c,1\n", &"nosuch,a,1\n".repeat(1_000)] {
            let wrong = sheet(lines).expect_err("too many");
            assert!(wrong.len() <= 5 && wrong[wrong.len() - 1].why.contains("more than 3"), "{wrong:?}");
        }
    }
}
