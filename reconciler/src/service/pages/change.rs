//! Changing what a licence grants.

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
use super::license::Details;
use super::mistakes::is_mistaken;
use super::reason::{SAW, license_id, reason};
use super::terms::{FIELDS, Field, Typed};
use super::trouble::trouble;
use crate::options::PolicyOptions;
use crate::service::Service;
use crate::service::client::Client;
use crate::service::html::form::Form;
use crate::service::html::frame::Frame;
use crate::service::html::page::show_asking;
use crate::service::html::trouble::Trouble;
use crate::service::input::Path;
use crate::service::problem::Problem;
use crate::vendor::Vendor;
use crate::vendor::licenses::LicenseVersion;

/// Every field of the form.
static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    ["reason", SAW, "remove-feature"]
        .into_iter()
        .chain(FIELDS.iter().map(|field| field.name.as_str()))
        .collect()
});

/// What is asked for.
#[derive(Template)]
#[template(path = "operator/change.html")]
struct ChangePage<'a> {
    frame: &'a Frame,
    who: &'a Who,
    license: &'a Details,
    fields: &'a [Field],
    typed: &'a Typed,
    trouble: Option<&'a Trouble>,
}

/// `GET /operator/licenses/{license}/change`
pub(super) async fn ask(
    State(service): State<Arc<Service>>,
    who: Who,
    Path(license): Path<String>,
) -> Result<Response, Problem> {
    Ok(asked(&service, &who, license, &Typed::default(), None).await?)
}

/// `POST /operator/licenses/{license}/change`
pub(super) async fn make(
    State(service): State<Arc<Service>>,
    who: Who,
    Path(license): Path<String>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let id = license_id(&license)?;
    let read = |form: Form| (Typed::of(&form, &NAMES), reason(&form));
    let ((typed, reason), _place) = Form::receive(&service, client, &headers, body, &NAMES, read).await?;
    let order = typed.clone();
    let change = move |vendor: &mut Vendor| changed(vendor, &id, &order, reason?.as_str());
    match service.office.lend(change).await {
        Ok(()) => Ok(Redirect::to(&format!("/operator/licenses/{id}?done=change")).into_response()),
        Err(refusal) if is_mistaken(&refusal) && refusal.code() != Code::LicenseNotFound => {
            Ok(asked(&service, &who, license, &typed, Some(&trouble(&refusal))).await?)
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// The page with what was typed so far.
async fn asked(
    service: &Service,
    who: &Who,
    license: String,
    typed: &Typed,
    trouble: Option<&Trouble>,
) -> Result<Response, Refusal> {
    let license = service.office.lend(move |vendor| Details::read(vendor, &license, None, false)).await?;
    let page =
        ChangePage { frame: &service.html.frame, who, license: &license, fields: &FIELDS, typed, trouble };
    Ok(show_asking(trouble, &page))
}

fn changed(vendor: &mut Vendor, id: &LicenseId, typed: &Typed, reason: &str) -> Result<(), Refusal> {
    let license = vendor.find_license(&id.to_string())?;
    let name = |name| Text::new(name).ok_or_else(|| Refusal::new(Code::TextInvalid, "a feature"));
    let let_go = typed.lines("remove-feature").map(name).collect::<Result<Vec<_>, _>>()?;
    let changes = typed.options()?;
    if changes == PolicyOptions::default() && let_go.is_empty() {
        return Err(Refusal::new(Code::RequestInvalid, "nothing is to be changed"));
    }
    let saw = LicenseVersion::seen(typed.word(SAW));
    vendor.change_by(&license, &let_go, &changes, Some(reason), Some(&saw)).map(|_| ())
}
