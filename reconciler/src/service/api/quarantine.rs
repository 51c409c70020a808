//! `/v1/quarantine`

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use schemas::codes::Code;
use schemas::refusal::Refusal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::cursor;
use crate::merging::{MergeReport, retry_quarantine};
use crate::service::Service;
use crate::service::auth::{Audit, May, Operate};
use crate::service::input::{Json, Path, Query};
use crate::service::problem::{Problem, Refusals};
use crate::shown::quarantine::{Dropped, QuarantineDetails, QuarantineLine};

/// Which entries are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::service) struct QuarantineQuery {
    /// Only with this code.
    code: Option<String>,
    /// At most so many, up to 500; 50 where nothing is said.
    limit: Option<u64>,
    /// Where the page before ended: its `next_cursor`.
    cursor: Option<String>,
}

/// A page of entries.
#[derive(Serialize, ToSchema)]
pub(in crate::service) struct QuarantinePage {
    /// In the order of arrival.
    entries: Vec<QuarantineLine>,
    /// From where the next page goes on; absent: this is the last one.
    next_cursor: Option<String>,
}

/// List what waits in quarantine, with the code that says why
#[utoipa::path(
    get, path = "/v1/quarantine", tag = "quarantine", operation_id = "list_quarantine", params(QuarantineQuery),
    security(("bearer" = ["auditor"])),
    responses((status = 200, description = "A page of it", body = QuarantinePage), Refusals)
)]
pub(in crate::service) async fn list(
    State(service): State<Arc<Service>>,
    _may: May<Audit>,
    Query(query): Query<QuarantineQuery>,
) -> Result<Answer<QuarantinePage>, Problem> {
    let QuarantineQuery { code, limit, cursor: at } = query;
    let size = cursor::size(limit)?;
    let list = format!("quarantine {code:?}");
    let is_no_code = |_| Refusal::new(Code::RequestInvalid, "code is one that `counterfoil explain` knows");
    let code = code.map(|word| word.parse::<Code>()).transpose().map_err(is_no_code)?;
    let after = at.map(|at| cursor::read::<8>(&at, &list)).transpose()?;
    let after = after.map_or(0, i64::from_be_bytes);
    let found = service
        .office
        .lend(move |vendor| Ok(vendor.store.quarantine_after(after, code.map(Code::word), size + 1)?))
        .await?;
    let (found, next_cursor) = cursor::page(found, size, &list, |entry| entry.id.to_be_bytes().to_vec());
    let entries = found.into_iter().map(QuarantineLine::of).collect();
    Ok(Answer(QuarantinePage { entries, next_cursor }))
}

/// Show an entry, and what its bytes say
#[utoipa::path(
    get, path = "/v1/quarantine/{entry}", tag = "quarantine", operation_id = "show_quarantine_entry",
    security(("bearer" = ["auditor"])), params(("entry" = i64, Path, description = "The entry's number")),
    responses((status = 200, description = "The entry", body = QuarantineDetails), Refusals)
)]
pub(in crate::service) async fn show(
    State(service): State<Arc<Service>>,
    _may: May<Audit>,
    Path(id): Path<String>,
) -> Result<Answer<QuarantineDetails>, Problem> {
    let id = number(&id)?;
    let read = move |vendor: &mut crate::vendor::Vendor| {
        let (entry, bytes) = vendor.quarantined(id)?;
        Ok(QuarantineDetails::of(entry, &bytes))
    };
    Ok(Answer(service.office.lend(read).await?))
}

/// The bytes of an entry, as they came
#[utoipa::path(
    get, path = "/v1/quarantine/{entry}/content", tag = "quarantine", operation_id = "quarantine_content",
    security(("bearer" = ["auditor"])), params(("entry" = i64, Path, description = "The entry's number")),
    responses(
        (status = 200, description = "The bytes", content_type = "application/octet-stream", body = Vec<u8>),
        Refusals
    )
)]
pub(in crate::service) async fn content(
    State(service): State<Arc<Service>>,
    _may: May<Audit>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = number(&id)?;
    let (_, bytes) = service.office.lend(move |vendor| vendor.quarantined(id)).await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

/// Delete an entry for good
#[utoipa::path(
    delete, path = "/v1/quarantine/{entry}", tag = "quarantine", operation_id = "drop_quarantine_entry",
    security(("bearer" = ["operator"])), params(("entry" = i64, Path, description = "The entry's number")),
    responses((status = 200, description = "It is deleted", body = Dropped), Refusals)
)]
pub(in crate::service) async fn discard(
    State(service): State<Arc<Service>>,
    _may: May<Operate>,
    Path(id): Path<String>,
) -> Result<Answer<Dropped>, Problem> {
    let id = number(&id)?;
    let dropped = service.office.lend(move |vendor| vendor.drop_entries(&[id].into())).await?;
    Ok(Answer(Dropped { dropped }))
}

/// Which entries are merged again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct Retry {
    /// The entries' numbers; all where nothing is said.
    ids: Option<BTreeSet<i64>>,
}

/// Merge entries again; those that go in leave the quarantine
#[utoipa::path(
    post, path = "/v1/quarantine/retry", tag = "quarantine", operation_id = "retry_quarantine",
    security(("bearer" = ["operator"])), request_body = Retry,
    responses((status = 200, description = "What became of them", body = MergeReport), Refusals)
)]
pub(in crate::service) async fn retry(
    State(service): State<Arc<Service>>,
    _may: May<Operate>,
    Json(Retry { ids }): Json<Retry>,
) -> Result<Answer<MergeReport>, Problem> {
    let retry = move |vendor: &mut crate::vendor::Vendor| {
        let Some(ids) = ids else { return retry_quarantine(vendor, None) };
        vendor.refuse_unknown_entries(&ids)?;
        retry_quarantine(vendor, Some(&ids.into_iter().collect::<Vec<_>>()))
    };
    Ok(Answer(service.office.lend(retry).await?))
}

fn number(text: &str) -> Result<i64, Refusal> {
    text.parse().map_err(|_| Refusal::new(Code::QuarantineUnknown, text))
}
