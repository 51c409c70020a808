//! `/v1/forks`

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::cursor::{self, Paging};
use crate::service::Service;
use crate::service::auth::{Audit, May};
use crate::service::exchange::BUNDLE;
use crate::service::input::{Path, Query};
use crate::service::problem::{Problem, Refusals};
use crate::shown::forks::{ForkLine, Forks};
use crate::vendor::Vendor;

/// Which forks are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::service) struct ForkQuery {
    /// Only of this licence, by its identifier or key.
    license: Option<String>,
    /// At most so many, up to 500; 50 where nothing is said.
    limit: Option<u64>,
    /// Where the page before ended: its `next_cursor`.
    cursor: Option<String>,
}

/// A page of forks.
#[derive(Serialize, ToSchema)]
pub(in crate::service) struct ForkPage {
    /// In the order of licence and chain.
    forks: Vec<ForkLine>,
    /// From where the next page goes on; absent: this is the last one.
    next_cursor: Option<String>,
}

/// List the device chains that were continued twice: copied, or set back to an older state
#[utoipa::path(
    get, path = "/v1/forks", tag = "forks", operation_id = "list_forks", params(ForkQuery),
    security(("bearer" = ["auditor"])),
    responses((status = 200, description = "A page of them", body = ForkPage), Refusals)
)]
pub(in crate::service) async fn list(
    State(service): State<Arc<Service>>,
    _may: May<Audit>,
    Query(ForkQuery { license, limit, cursor: at }): Query<ForkQuery>,
) -> Result<Answer<ForkPage>, Problem> {
    let list = format!("forks {license:?}");
    let read = move |vendor: &mut Vendor| {
        let license = license.map(|license| vendor.find_license(&license)).transpose()?;
        Forks::read(vendor, license.map(|license| license.id).as_ref())
    };
    let all = service.office.lend(read).await?.forks;
    let key = |fork: &ForkLine| [fork.license_id.as_bytes(), fork.chain.as_bytes()].concat();
    let (forks, next_cursor) = cursor::page_of(all, &Paging { limit, cursor: at }, &list, key)?;
    Ok(Answer(ForkPage { forks, next_cursor }))
}

/// The proof that a device's chain has two histories
///
/// Whoever has it can check it with `counterfoil verify`, with the device's public key, which it names, and nothing else.
#[utoipa::path(
    get, path = "/v1/forks/{fork}/proof", tag = "forks", operation_id = "fork_proof",
    security(("bearer" = ["auditor"])),
    params(("fork" = String, Path, description = "The fork, or the beginning of its chain")),
    responses(
        (status = 200, description = "Two signed runs that contradict each other", content_type = "application/vnd.counterfoil.bundle", body = Vec<u8>),
        Refusals
    )
)]
pub(in crate::service) async fn proof(
    State(service): State<Arc<Service>>,
    _may: May<Audit>,
    Path(fork): Path<String>,
) -> Result<Response, Problem> {
    let proof = service.office.lend(move |vendor| vendor.fork_proof(&fork)).await?.proof;
    Ok(([(header::CONTENT_TYPE, BUNDLE)], proof).into_response())
}
