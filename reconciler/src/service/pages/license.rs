//! One licence: what it grants, how much of it is used, which devices have it, and all that happened to it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use schemas::refusal::Refusal;
use serde::Deserialize;

use super::bars::QuotaRow;
use super::door::Who;
use super::reason::license_id;
use super::timeline::Timeline;
use crate::output::Fields;
use crate::service::Service;
use crate::service::html::frame::Frame;
use crate::service::html::list::List;
use crate::service::html::page::{moment, show};
use crate::service::input::{Path, Query};
use crate::service::problem::Problem;
use crate::shown::activations::ActivationLine;
use crate::shown::licenses::LicenseDetails;
use crate::shown::words;
use crate::vendor::Vendor;
use crate::vendor::licenses::LicenseVersion;

/// A licence's page.
#[derive(Template)]
#[template(path = "operator/license.html")]
struct LicensePage<'a> {
    frame: &'a Frame,
    who: &'a Who,
    license: &'a Details,
    done: Option<&'a str>,
}

/// Which part of the timeline is shown, and what was just done.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LicenseQuery {
    before: Option<String>,
    done: Option<String>,
}

/// What is shown of a licence.
pub(super) struct Details {
    pub(super) id: String,
    /// Which version of it this is.
    pub(super) version: String,
    pub(super) customer: String,
    pub(super) product: String,
    pub(super) status: &'static str,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) conditions: Vec<(&'static str, String)>,
    /// Of the periods that have begun and are not final.
    pub(super) quotas: List<QuotaRow>,
    /// Of those that devices were granted units for ahead of time.
    pub(super) quotas_ahead: List<QuotaRow>,
    pub(super) devices: List<DeviceRow>,
    /// What is out of order, in words.
    pub(super) notes: Vec<String>,
    pub(super) timeline: Timeline,
}

/// A device that asked for the licence.
pub(super) struct DeviceRow {
    chain: String,
    short: String,
    host: Option<String>,
    state: String,
    events: u64,
    last_event: String,
    check_in: String,
}

impl DeviceRow {
    fn of(line: &ActivationLine) -> Self {
        Self {
            chain: line.chain.to_string(),
            short: words::short(&line.chain),
            host: line.host.as_ref().map(ToString::to_string),
            state: line.state_in_words(),
            events: line.events,
            last_event: words::or(line.last_event_at.map(moment), ""),
            check_in: words::or(line.sync_by.map(moment), "never"),
        }
    }
}

/// The label of the one fact that is secret.
const KEY: &str = "licence key";

impl Details {
    pub(super) fn read(
        vendor: &mut Vendor,
        id: &str,
        before: Option<&str>,
        with_key: bool,
    ) -> Result<Self, Refusal> {
        let license = vendor.find_license(&license_id(id)?.to_string())?;
        let version = LicenseVersion::of(&license).as_str().to_owned();
        let timeline = Timeline::read(vendor, &license, before)?;
        let shown = LicenseDetails::read(vendor, license)?;
        let now = vendor.now();
        let (begun, ahead): (Vec<_>, Vec<_>) =
            shown.quotas.iter().partition(|quota| quota.period.start() <= now);
        let mut facts = shown.fields().into_lines();
        facts.retain(|(label, _)| with_key || *label != KEY);
        let conditions = words::conditions(Fields::default(), &shown.rules, &shown.features);
        Ok(Self {
            id: shown.license_id.to_string(),
            version,
            customer: words::or(shown.customer.as_ref(), "a customer whose name was erased"),
            product: shown.product.to_string(),
            status: shown.status,
            facts,
            conditions: conditions.into_lines(),
            quotas: List::of(begun.into_iter().map(QuotaRow::of)),
            quotas_ahead: List::of(ahead.into_iter().map(QuotaRow::of)),
            devices: List::of(shown.activations.iter().map(DeviceRow::of)),
            notes: shown.notes(),
            timeline,
        })
    }
}

/// `GET /operator/licenses/{license}`
pub(super) async fn page(
    State(service): State<Arc<Service>>,
    who: Who,
    Path(license): Path<String>,
    Query(LicenseQuery { before, done }): Query<LicenseQuery>,
) -> Result<Response, Problem> {
    let with_key = who.may_operate();
    let read = move |vendor: &mut Vendor| Details::read(vendor, &license, before.as_deref(), with_key);
    let license = service.office.lend(read).await?;
    let done = done.as_deref().and_then(told);
    Ok(show(StatusCode::OK, &LicensePage { frame: &service.html.frame, who: &who, license: &license, done }))
}

/// What was just done, in words; nothing for what is no word of ours.
fn told(done: &str) -> Option<&'static str> {
    Some(match done {
        "issue" => "The licence is issued.",
        "change" => "The licence is changed. Its devices learn it with their next licence file.",
        "suspend" => "The licence is suspended. Its devices learn it with their next licence file.",
        "resume" => "The licence stands again. Its devices learn it with their next licence file.",
        "revoke" => "The licence is revoked. Its devices learn it with their next licence file.",
        "release" => "The seat is taken back. The device learns it with its next licence file.",
        _ => return None,
    })
}
