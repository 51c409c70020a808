//! Suspending, resuming and revoking a licence: first what it means, then, with a reason, done.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use schemas::ids::LicenseId;
use schemas::refusal::Refusal;

use super::door::Who;
use super::mistakes::is_mistaken;
use super::reason::{SAW, license_id, reason};
use super::trouble::trouble;
use crate::service::Service;
use crate::service::client::Client;
use crate::service::html::form::Form;
use crate::service::html::frame::Frame;
use crate::service::html::page::{show, show_refused};
use crate::service::html::trouble::Trouble;
use crate::service::input::Path;
use crate::service::problem::Problem;
use crate::vendor::Vendor;
use crate::vendor::customers::customer_name;
use crate::vendor::licenses::{LicenseVersion, StandingChange};

/// The last part of a change's address, which is its word as well.
pub(super) fn word(change: StandingChange) -> &'static str {
    match change {
        StandingChange::Suspend => "suspend",
        StandingChange::Resume => "resume",
        StandingChange::Revoke => "revoke",
    }
}

/// What is about to be done.
#[derive(Template)]
#[template(path = "operator/standing.html")]
struct StandingPage<'a> {
    frame: &'a Frame,
    who: &'a Who,
    change: StandingChange,
    license: &'a Concerned,
    typed: &'a str,
    trouble: Option<&'a Trouble>,
}

impl StandingPage<'_> {
    fn heading(&self) -> &'static str {
        match self.change {
            StandingChange::Suspend => "Suspend a licence",
            StandingChange::Resume => "Resume a licence",
            StandingChange::Revoke => "Revoke a licence",
        }
    }

    fn button(&self) -> &'static str {
        match self.change {
            StandingChange::Suspend => "Suspend it",
            StandingChange::Resume => "Resume it",
            StandingChange::Revoke => "Revoke it for good",
        }
    }

    fn word(&self) -> &'static str {
        word(self.change)
    }

    fn is_final(&self) -> bool {
        self.change == StandingChange::Revoke
    }
}

/// The licence that is about to be changed.
#[derive(Clone, Debug)]
struct Concerned {
    id: LicenseId,
    /// Which version of it this is.
    version: String,
    customer: Option<String>,
    product: String,
    standing: &'static str,
    seats: usize,
}

impl Concerned {
    fn read(vendor: &mut Vendor, id: LicenseId) -> Result<Self, Refusal> {
        let license = vendor.find_license(&id.to_string())?;
        let catalog = vendor.catalog()?;
        Ok(Self {
            id,
            version: LicenseVersion::of(&license).as_str().to_owned(),
            customer: customer_name(vendor.store.as_mut(), &catalog, &license.customer)?,
            product: license.product.to_string(),
            standing: license.standing.word(),
            seats: license.seats_taken(vendor.now()),
        })
    }
}

/// `GET /operator/licenses/{license}/suspend`, `resume` or `revoke`: what it means.
pub(super) async fn ask(
    change: StandingChange,
    State(service): State<Arc<Service>>,
    who: Who,
    Path(license): Path<String>,
) -> Result<Response, Problem> {
    let id = license_id(&license)?;
    let license = service.office.lend(move |vendor| Concerned::read(vendor, id)).await?;
    let page = StandingPage {
        frame: &service.html.frame,
        who: &who,
        change,
        license: &license,
        typed: "",
        trouble: None,
    };
    Ok(show(StatusCode::OK, &page))
}

/// `POST` to the same address: it is done.
pub(super) async fn make(
    change: StandingChange,
    State(service): State<Arc<Service>>,
    who: Who,
    Path(license): Path<String>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let id = license_id(&license)?;
    let read = |form: Form| {
        let saw = LicenseVersion::seen(form.word(SAW));
        (form.word("reason").to_owned(), reason(&form).map(|reason| (reason, saw)))
    };
    let ((typed, order), _place) =
        Form::receive(&service, client, &headers, body, &["reason", SAW], read).await?;
    let (license, done) = service
        .office
        .lend(move |vendor| {
            let license = Concerned::read(vendor, id)?;
            let done = order.and_then(|(reason, saw)| {
                vendor.change_standing(&id, change, Some(reason.as_str()), Some(&saw))
            });
            Ok((license, done.map(|_| ())))
        })
        .await?;
    match done {
        Ok(()) => {
            let back = format!("/operator/licenses/{id}?done={}", word(change));
            Ok(Redirect::to(&back).into_response())
        }
        Err(refusal) if is_mistaken(&refusal) => {
            let trouble = trouble(&refusal);
            let page = StandingPage {
                frame: &service.html.frame,
                who: &who,
                change,
                license: &license,
                typed: &typed,
                trouble: Some(&trouble),
            };
            Ok(show_refused(&trouble, &page))
        }
        Err(refusal) => Err(refusal.into()),
    }
}
