//! The first page: licences, found by what they are or filtered page by page.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use ledger::authority::Standing;
use schemas::codes::Code;
use schemas::ids::LicenseId;
use schemas::refusal::Refusal;

use super::FIRST;
use super::door::Who;
use super::mistakes::is_mistaken;
use super::trouble::trouble;
use crate::service::Service;
use crate::service::api::licenses::{LicensePage, LicenseQuery};
use crate::service::client::Client;
use crate::service::html::form::Form;
use crate::service::html::frame::Frame;
use crate::service::html::page::{in_query, moment, show_asking};
use crate::service::html::trouble::Trouble;
use crate::service::input::Query;
use crate::service::problem::Problem;
use crate::shown::licenses::LicenseLine;
use crate::shown::words;
use crate::vendor::Vendor;

/// The first page.
#[derive(Template)]
#[template(path = "operator/licenses.html")]
struct LicensesPage<'a> {
    frame: &'a Frame,
    who: &'a Who,
    query: &'a LicenseQuery,
    names: &'a Names,
    rows: &'a [Row],
    /// Where the next page is.
    next: Option<&'a str>,
    /// What is wrong with the filter.
    filter: Option<&'a Trouble>,
    /// What is wrong with the licence that was to be found. Its key is secret, so that no page repeats what was typed.
    find: Option<&'a Trouble>,
}

/// What can be chosen in a filter.
#[derive(Debug)]
struct Names {
    products: Vec<String>,
    policies: Vec<String>,
}

impl Names {
    fn read(vendor: &mut Vendor) -> Result<Self, Refusal> {
        let catalog = vendor.catalog()?;
        Ok(Self {
            products: catalog.products.keys().map(ToString::to_string).collect(),
            policies: catalog.policies.keys().map(ToString::to_string).collect(),
        })
    }
}

/// A licence of the list.
struct Row {
    id: String,
    customer: String,
    product: String,
    policy: String,
    status: String,
    valid_until: String,
    seats: String,
}

impl Row {
    fn of(line: &LicenseLine) -> Self {
        Self {
            id: line.license_id.to_string(),
            customer: words::or(line.customer.as_ref(), "(erased)"),
            product: line.product.clone(),
            policy: line.policy.clone(),
            status: line.status.clone(),
            valid_until: match line.valid_from_activation {
                Some(_) => words::validity(line.valid_from_activation, line.is_trial, None),
                None => words::or(line.valid_until.map(moment), "without end"),
            },
            seats: words::taken(line.activations, line.max_activations),
        }
    }
}

impl LicensesPage<'_> {
    fn standings() -> [&'static str; 3] {
        [Standing::Active, Standing::Suspended, Standing::Revoked].map(Standing::word)
    }

    /// Whether `value` is what is filtered by.
    fn is_chosen(wanted: Option<&String>, value: &str) -> bool {
        wanted.is_some_and(|wanted| wanted == value)
    }
}

/// `GET /operator`
pub(super) async fn search(
    State(service): State<Arc<Service>>,
    who: Who,
    Query(query): Query<LicenseQuery>,
) -> Result<Response, Problem> {
    Ok(listed(&service, &who, query.filled_in(), None).await?)
}

/// `POST /operator/find`: a licence by its identifier, its key or one of its devices. A form, so that no key stands in an address.
pub(super) async fn find(
    State(service): State<Arc<Service>>,
    who: Who,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (typed, _place) =
        Form::receive(&service, client, &headers, body, &["license"], |form| form.word("license").to_owned())
            .await?;
    match service.office.lend(move |vendor| found(vendor, &typed)).await {
        Ok(license) => Ok(Redirect::to(&format!("/operator/licenses/{license}")).into_response()),
        Err(refusal) if is_mistaken(&refusal) => {
            let trouble = trouble(&Refusal::from(refusal.code()));
            Ok(listed(&service, &who, LicenseQuery::default(), Some(&trouble)).await?)
        }
        Err(refusal) => Err(refusal.into()),
    }
}

fn found(vendor: &mut Vendor, typed: &str) -> Result<LicenseId, Refusal> {
    match vendor.find_license(typed) {
        Ok(license) => Ok(license.id),
        Err(refusal) if refusal.code() == Code::LicenseNotFound => match vendor.find_chain(typed) {
            Ok((license, _)) => Ok(license),
            Err(of_chain) if of_chain.code() == Code::ChainUnknown => Err(refusal),
            Err(of_chain) => Err(of_chain),
        },
        Err(refusal) => Err(refusal),
    }
}

/// The first page with the licences that are asked for.
async fn listed(
    service: &Service,
    who: &Who,
    query: LicenseQuery,
    find: Option<&Trouble>,
) -> Result<Response, Refusal> {
    let names = service.office.lend(Names::read).await?;
    let (page, filter) = match query.clone().page(service).await {
        Ok(page) => (page, None),
        Err(refusal) if is_mistaken(&refusal) => (LicensePage::default(), Some(trouble(&refusal))),
        Err(refusal) => return Err(refusal),
    };
    let rows: Vec<Row> = page.licenses.iter().map(Row::of).collect();
    let next = page.next_cursor.map(|cursor| address(&query, &cursor));
    let shown = LicensesPage {
        frame: &service.html.frame,
        who,
        query: &query,
        names: &names,
        rows: &rows,
        next: next.as_deref(),
        filter: filter.as_ref(),
        find,
    };
    Ok(show_asking(filter.as_ref().or(find), &shown))
}

/// Where the page of the same filter is that goes on at a cursor.
fn address(query: &LicenseQuery, cursor: &str) -> String {
    let filter = [
        ("product", &query.product),
        ("policy", &query.policy),
        ("customer", &query.customer),
        ("status", &query.status),
    ];
    let filter =
        filter.into_iter().filter_map(|(name, value)| Some(format!("{name}={}&", in_query(value.as_ref()?))));
    format!("{FIRST}?{}cursor={}", filter.collect::<String>(), in_query(cursor))
}
