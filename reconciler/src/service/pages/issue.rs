//! Issuing a licence from a policy, with terms of its own where it departs from it: once for each form, however often it is
//! sent.

use std::sync::{Arc, LazyLock};

use askama::Template;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use schemas::codes::Code;
use schemas::ids::LicenseId;
use schemas::refusal::Refusal;
use schemas::text::Text;

use super::door::Who;
use super::mistakes::is_mistaken;
use super::once::{self, ONCE, issued_once};
use super::terms::{FIELDS, Field, Typed};
use super::trouble::trouble;
use crate::service::Service;
use crate::service::client::Client;
use crate::service::html::form::Form;
use crate::service::html::frame::Frame;
use crate::service::html::page::show_asking;
use crate::service::html::trouble::Trouble;
use crate::service::problem::Problem;
use crate::vendor::Vendor;
use crate::vendor::licenses::IssueOrder;

/// Every field of the form.
static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    ["policy", "customer", "trial", ONCE]
        .into_iter()
        .chain(FIELDS.iter().map(|field| field.name.as_str()))
        .collect()
});

/// What is asked for.
#[derive(Template)]
#[template(path = "operator/issue.html")]
struct IssuePage<'a> {
    frame: &'a Frame,
    who: &'a Who,
    policies: &'a [(String, String)],
    fields: &'a [Field],
    typed: &'a Typed,
    /// The number of this form, another one whenever it is shown.
    once: &'a str,
    trouble: Option<&'a Trouble>,
}

/// `GET /operator/issue`
pub(super) async fn ask(State(service): State<Arc<Service>>, who: Who) -> Result<Response, Problem> {
    Ok(asked(&service, &who, &Typed::default(), None).await?)
}

/// `POST /operator/issue`
pub(super) async fn make(
    State(service): State<Arc<Service>>,
    who: Who,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (typed, _place) =
        Form::receive(&service, client, &headers, body, &NAMES, |form| Typed::of(&form, &NAMES)).await?;
    let (token, order, turn) = (who.token(), typed.clone(), service.orders.turn().await);
    let issue = move |vendor: &mut Vendor| {
        // It lasts until this is done, even if whoever sent it hangs up.
        let _turn = turn;
        issued_once(vendor, &token, &order, |vendor| issued(vendor, &order))
    };
    match service.office.lend(issue).await {
        Ok(id) => Ok(Redirect::to(&format!("/operator/licenses/{id}?done=issue")).into_response()),
        Err(refusal) if is_mistaken(&refusal) => {
            Ok(asked(&service, &who, &typed, Some(&trouble(&refusal))).await?)
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// The page with what was typed so far.
async fn asked(
    service: &Service,
    who: &Who,
    typed: &Typed,
    trouble: Option<&Trouble>,
) -> Result<Response, Refusal> {
    let policies = service.office.lend(policies).await?;
    let page = IssuePage {
        frame: &service.html.frame,
        who,
        policies: &policies,
        fields: &FIELDS,
        typed,
        once: &once::number()?,
        trouble,
    };
    Ok(show_asking(trouble, &page))
}

/// The policies with their products.
fn policies(vendor: &mut Vendor) -> Result<Vec<(String, String)>, Refusal> {
    let catalog = vendor.catalog()?;
    let named = catalog.policies.iter();
    Ok(named.map(|(name, (_, policy))| (name.to_string(), policy.product.to_string())).collect())
}

fn issued(vendor: &mut Vendor, typed: &Typed) -> Result<LicenseId, Refusal> {
    let named = |name: &str| match typed.word(name) {
        "" => Ok(None),
        word => Text::new(word).map(Some).ok_or_else(|| Refusal::new(Code::TextInvalid, name)),
    };
    let missing = |name| Refusal::new(Code::RequestInvalid, format!("{name} is missing"));
    let (policy, customer) = (named("policy")?.ok_or_else(|| missing("policy"))?, named("customer")?);
    let is_trial = !typed.word("trial").is_empty();
    if customer.is_none() && !is_trial {
        return Err(missing("customer"));
    }
    let overrides = typed.options()?;
    let order = IssueOrder {
        policy: &policy,
        customer: customer.as_ref(),
        is_trial,
        count: 1,
        overrides: &overrides,
    };
    let mut issued = None;
    vendor.issue_from(&order, &mut |license, _| {
        issued = Some(license.id);
        Ok(())
    })?;
    issued.ok_or_else(|| Code::Internal.into())
}
