//! `/v1/activations`

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::Response;
use schemas::bundle::Answer as Told;
use schemas::codes::Code;
use schemas::grant::GrantStatus;
use schemas::ids::{ChainId, LicenseId};
use schemas::refusal::Refusal;
use schemas::text::Text;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::cursor;
use crate::service::Service;
use crate::service::auth::{Audit, May, Operate};
use crate::service::exchange::grants;
use crate::service::input::{Json, Path, Query};
use crate::service::problem::{Problem, Refusals};
use crate::shown::activations::{ActivationDetails, ActivationLine, ReleasedSeat, WriteOff};
use crate::store::ActivationFilter;
use crate::vendor::Vendor;

/// Which activations are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::service) struct ActivationQuery {
    /// Only of this licence, by its identifier or key.
    license: Option<String>,
    /// Only of this product.
    #[param(value_type = Option<String>)]
    product: Option<Text>,
    /// Only with this status: `active`, `denied`, `suspended`, `revoked` or `released`.
    status: Option<String>,
    /// At most so many, up to 500; 50 where nothing is said.
    limit: Option<u64>,
    /// Where the page before ended: its `next_cursor`.
    cursor: Option<String>,
}

/// A page of activations.
#[derive(Serialize, ToSchema)]
pub(in crate::service) struct ActivationPage {
    /// In the order of licence and chain.
    activations: Vec<ActivationLine>,
    /// From where the next page goes on; absent: this is the last one.
    next_cursor: Option<String>,
}

/// List activations
#[utoipa::path(
    get, path = "/v1/activations", tag = "activations", operation_id = "list_activations", params(ActivationQuery),
    security(("bearer" = ["auditor"])),
    responses((status = 200, description = "A page of them", body = ActivationPage), Refusals)
)]
pub(in crate::service) async fn list(
    State(service): State<Arc<Service>>,
    _may: May<Audit>,
    Query(query): Query<ActivationQuery>,
) -> Result<Answer<ActivationPage>, Problem> {
    let size = cursor::size(query.limit)?;
    Ok(Answer(service.office.lend(move |vendor| page(vendor, query, size)).await?))
}

fn page(vendor: &mut Vendor, query: ActivationQuery, size: u64) -> Result<ActivationPage, Refusal> {
    let ActivationQuery { license, product, status, cursor: at, .. } = query;
    let list = format!("activations {:?}", (&license, &product, &status));
    let license = license.map(|license| vendor.find_license(&license)).transpose()?;
    if let Some(product) = &product {
        vendor.product(product)?;
    }
    let is_no_status = |why| Refusal::new(Code::RequestInvalid, format!("status: {why}"));
    let status = status.map(|word| word.parse::<GrantStatus>()).transpose().map_err(is_no_status)?;
    let after = at.map(|at| cursor::read::<48>(&at, &list)).transpose()?.map(|key| {
        let (license, chain) = key.split_at(16);
        let license = LicenseId(license.try_into().expect("16 bytes"));
        (license, ChainId(chain.try_into().expect("32 bytes")))
    });
    let filter = ActivationFilter {
        license: license.map(|license| license.id),
        chain: None,
        product: product.map(|product| product.to_string()),
        status,
        after,
        limit: Some(size + 1),
    };
    let found = ActivationLine::read(vendor, &filter)?;
    let key = |line: &ActivationLine| [line.license_id.as_bytes(), line.chain.as_bytes()].concat();
    let (activations, next_cursor) = cursor::page(found, size, &list, key);
    Ok(ActivationPage { activations, next_cursor })
}

/// Show an activation: its device, its grant, its quotas
#[utoipa::path(
    get, path = "/v1/activations/{chain}", tag = "activations", operation_id = "show_activation",
    security(("bearer" = ["auditor"])),
    params(("chain" = String, Path, description = "The device chain, or enough of its beginning")),
    responses((status = 200, description = "The activation", body = ActivationDetails), Refusals)
)]
pub(in crate::service) async fn show(
    State(service): State<Arc<Service>>,
    _may: May<Audit>,
    Path(chain): Path<String>,
) -> Result<Answer<ActivationDetails>, Problem> {
    let read = move |vendor: &mut Vendor| {
        let (license, chain) = vendor.find_chain(&chain)?;
        let license = vendor.find_license(&license.to_string())?;
        ActivationDetails::read(vendor, &license, chain)
    };
    Ok(Answer(service.office.lend(read).await?))
}

/// How a seat is taken back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct Release {
    /// Free the seat at once, without waiting for the deadline; that is recorded.
    #[serde(default, rename = "override")]
    overridden: bool,
    /// Why, for the record.
    #[schema(value_type = Option<String>, max_length = 256)]
    reason: Option<Text>,
}

/// Take an activation's seat back, for a device that is lost or broken
#[utoipa::path(
    post, path = "/v1/activations/{chain}/release", tag = "activations", operation_id = "release_activation",
    security(("bearer" = ["operator"])), request_body = Release,
    params(("chain" = String, Path, description = "The device chain, or enough of its beginning")),
    responses((status = 200, description = "The seat", body = ReleasedSeat), Refusals)
)]
pub(in crate::service) async fn release(
    State(service): State<Arc<Service>>,
    _may: May<Operate>,
    Path(chain): Path<String>,
    Json(Release { overridden, reason }): Json<Release>,
) -> Result<Answer<ReleasedSeat>, Problem> {
    let release = move |vendor: &mut Vendor| {
        let (license_id, chain) = vendor.find_chain(&chain)?;
        let done = vendor.release(&license_id, chain, overridden, reason.as_ref().map(Text::as_str))?;
        Ok(ReleasedSeat::of(license_id, chain, &done, overridden))
    };
    Ok(Answer(service.office.lend(release).await?))
}

/// What is written off.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct WriteOffOrder {
    /// Only of this feature; of all where nothing is said.
    #[schema(value_type = Option<String>)]
    feature: Option<Text>,
    /// Do not wait for the deadline; that is recorded.
    #[serde(default, rename = "override")]
    overridden: bool,
}

/// Write off the units that a silent device holds and has not used
#[utoipa::path(
    post, path = "/v1/activations/{chain}/write-off", tag = "activations", operation_id = "write_off",
    security(("bearer" = ["operator"])), request_body = WriteOffOrder,
    params(("chain" = String, Path, description = "The device chain, or enough of its beginning")),
    responses((status = 200, description = "The units", body = WriteOff), Refusals)
)]
pub(in crate::service) async fn write_off(
    State(service): State<Arc<Service>>,
    _may: May<Operate>,
    Path(chain): Path<String>,
    Json(WriteOffOrder { feature, overridden }): Json<WriteOffOrder>,
) -> Result<Answer<WriteOff>, Problem> {
    let write_off = move |vendor: &mut Vendor| {
        let (license, chain) = vendor.find_chain(&chain)?;
        WriteOff::carry_out(vendor, license, chain, feature.as_ref(), overridden)
    };
    Ok(Answer(service.office.lend(write_off).await?))
}

/// Write a new licence file for a device without a request
#[utoipa::path(
    post, path = "/v1/activations/{chain}/refresh", tag = "activations", operation_id = "refresh_activation",
    security(("bearer" = ["operator"])),
    params(("chain" = String, Path, description = "The device chain, or enough of its beginning")),
    responses(
        (status = 200, description = "The licence file", content_type = "application/vnd.counterfoil.grant", body = Vec<u8>),
        Refusals
    )
)]
pub(in crate::service) async fn refresh(
    State(service): State<Arc<Service>>,
    _may: May<Operate>,
    Path(chain): Path<String>,
) -> Result<Response, Problem> {
    let refresh = move |vendor: &mut Vendor| {
        let (license, chain) = vendor.find_chain(&chain)?;
        vendor.refresh(&license, chain)
    };
    Ok(grants(&[Told::Grant(Box::new(service.office.lend(refresh).await?))]))
}
