//! One device's activation, and taking its seat back.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use ledger::authority::License;
use ledger::seats;
use schemas::codes::Code;
use schemas::ids::ChainId;
use schemas::numbers::Micros;
use schemas::refusal::Refusal;

use super::door::Who;
use super::mistakes::is_mistaken;
use super::reason::reason;
use super::trouble::trouble;
use crate::commands::stranded;
use crate::service::Service;
use crate::service::client::Client;
use crate::service::html::form::Form;
use crate::service::html::frame::Frame;
use crate::service::html::list::List;
use crate::service::html::page::{moment, show, show_refused};
use crate::service::html::trouble::Trouble;
use crate::service::input::Path;
use crate::service::problem::Problem;
use crate::shown::activations::ActivationDetails;
use crate::shown::words;
use crate::vendor::Vendor;

/// The field that frees a seat at once.
const OVERRIDE: &str = "override";

/// An activation's page.
#[derive(Template)]
#[template(path = "operator/activation.html")]
struct ActivationPage<'a> {
    frame: &'a Frame,
    who: &'a Who,
    device: &'a Device,
}

/// What is about to be taken back.
#[derive(Template)]
#[template(path = "operator/release.html")]
struct ReleasePage<'a> {
    frame: &'a Frame,
    who: &'a Who,
    device: &'a Device,
    typed: &'a str,
    is_overridden: bool,
    trouble: Option<&'a Trouble>,
}

/// What is shown of an activation.
struct Device {
    chain: String,
    license: String,
    name: String,
    facts: Vec<(&'static str, String)>,
    quotas: List<QuotaRow>,
    variables: List<VariableRow>,
    /// What is out of order, in words.
    notes: List<String>,
    /// What becomes of its seat if it is taken back now.
    seat: Seat,
}

/// What becomes of a seat that is taken back.
enum Seat {
    /// It is free from this time on.
    FreeFrom(String),
    /// It is free only with an override: the device never has to check in.
    Never,
    /// It has none, or it is free already.
    None,
}

/// What the device holds of a quota.
struct QuotaRow {
    feature: String,
    period: String,
    units: [u64; 6],
}

/// A device variable.
struct VariableRow {
    name: String,
    value: Option<String>,
    set_at: String,
}

impl Device {
    fn read(vendor: &mut Vendor, chain: &str) -> Result<Self, Refusal> {
        let chain: ChainId = chain.parse().map_err(|_| Refusal::new(Code::ChainUnknown, chain))?;
        let (license, chain) = vendor.find_chain(&chain.to_string())?;
        let license = vendor.find_license(&license.to_string())?;
        let shown = ActivationDetails::read(vendor, &license, chain)?;
        let notes: Vec<String> = stranded::told(&shown.stranded).into_iter().chain(shown.notes()).collect();
        Ok(Self {
            chain: chain.to_string(),
            license: license.id.to_string(),
            name: words::or(shown.line.host.as_ref(), &words::short(&chain)),
            facts: shown.fields().into_lines(),
            quotas: List::of(shown.quotas.iter().map(|quota| QuotaRow {
                feature: quota.feature.clone(),
                period: quota.period.to_string(),
                units: [quota.granted, quota.used, quota.returned, quota.written_off, quota.held, quota.debt],
            })),
            variables: List::of(shown.variables.iter().map(|variable| VariableRow {
                name: variable.name.clone(),
                value: variable.value.as_ref().map(ToString::to_string),
                set_at: moment(variable.set_at),
            })),
            notes: List::of(notes.into_iter()),
            seat: Seat::of(&license, &chain, vendor.now()),
        })
    }
}

impl Seat {
    fn of(license: &License, chain: &ChainId, now: Micros) -> Self {
        match seats::free_at(license, chain, now, false) {
            Ok(free_at) => Self::FreeFrom(moment(free_at)),
            Err(Code::NoDeadline) => Self::Never,
            // One that was taken back and is not free yet can be freed.
            Err(_) if seats::free_at(license, chain, now, true).is_ok() => Self::Never,
            Err(_) => Self::None,
        }
    }

    fn is_taken(&self) -> bool {
        !matches!(self, Self::None)
    }
}

/// `GET /operator/activations/{chain}`
pub(super) async fn page(
    State(service): State<Arc<Service>>,
    who: Who,
    Path(chain): Path<String>,
) -> Result<Response, Problem> {
    let device = service.office.lend(move |vendor| Device::read(vendor, &chain)).await?;
    Ok(show(StatusCode::OK, &ActivationPage { frame: &service.html.frame, who: &who, device: &device }))
}

/// `GET /operator/activations/{chain}/release`: what it means.
pub(super) async fn ask(
    State(service): State<Arc<Service>>,
    who: Who,
    Path(chain): Path<String>,
) -> Result<Response, Problem> {
    let device = service.office.lend(move |vendor| Device::read(vendor, &chain)).await?;
    let page = ReleasePage {
        frame: &service.html.frame,
        who: &who,
        device: &device,
        typed: "",
        is_overridden: false,
        trouble: None,
    };
    Ok(show(StatusCode::OK, &page))
}

/// `POST /operator/activations/{chain}/release`
pub(super) async fn release(
    State(service): State<Arc<Service>>,
    who: Who,
    Path(chain): Path<String>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let read = |form: Form| (form.word("reason").to_owned(), !form.word(OVERRIDE).is_empty(), reason(&form));
    let ((typed, is_overridden, reason), _place) =
        Form::receive(&service, client, &headers, body, &["reason", OVERRIDE], read).await?;
    let (device, done) = service
        .office
        .lend(move |vendor| {
            let device = Device::read(vendor, &chain)?;
            let (license, chain) = vendor.find_chain(&device.chain)?;
            let done = reason
                .and_then(|reason| vendor.release(&license, chain, is_overridden, Some(reason.as_str())));
            Ok((device, done.map(|_| ())))
        })
        .await?;
    match done {
        Ok(()) => {
            let back = format!("/operator/licenses/{}?done=release", device.license);
            Ok(Redirect::to(&back).into_response())
        }
        Err(refusal) if is_mistaken(&refusal) => {
            let trouble = trouble(&refusal);
            let page = ReleasePage {
                frame: &service.html.frame,
                who: &who,
                device: &device,
                typed: &typed,
                is_overridden,
                trouble: Some(&trouble),
            };
            Ok(show_refused(&trouble, &page))
        }
        Err(refusal) => Err(refusal.into()),
    }
}
