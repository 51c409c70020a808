//! `/v1/imports`

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;

use axum::Json as Answer;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use schemas::codes::Code;
use schemas::refusal::Refusal;
use schemas::text::Text;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::spawn_blocking;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::cursor::{self, Paging};
use crate::merging::MergeFinding;
use crate::service::Service;
use crate::service::auth::{Audit, May, Operate};
use crate::service::client::Client;
use crate::service::input::{Path, Query};
use crate::service::problem::{Details, Problem, Refusals};
use crate::shown::imports::Import;

/// Bytes that are sent at once.
const PIECE: usize = 256 * 1024;

/// What is uploaded.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::service) struct UploadQuery {
    /// What the file is called, for the record.
    #[param(value_type = Option<String>, max_length = 256)]
    name: Option<Text>,
}

/// Upload a bundle, or an archive of bundles, to be merged
///
/// Archives are .tar, .tar.zst and .zip. When the answer comes, all of it is on the disk and will be merged.
#[utoipa::path(
    post, path = "/v1/imports", tag = "imports", operation_id = "create_import", params(UploadQuery),
    security(("bearer" = ["operator"])),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 202, description = "It will be merged", body = Import, headers(("Location" = String, description = "Where it is"))),
        (status = 408, description = "It came too slowly", content_type = "application/problem+json", body = Details),
        Refusals
    )
)]
pub(in crate::service) async fn create(
    State(service): State<Arc<Service>>,
    _may: May<Operate>,
    client: Client,
    Query(UploadQuery { name }): Query<UploadQuery>,
    body: Body,
) -> Result<Response, Problem> {
    let name = name.map_or_else(|| "upload".to_owned(), |name| name.to_string());
    let import = service.imports.upload(client.0, name, body).await?;
    let place = format!("/v1/imports/{}", import.import_id);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, place)], Answer(import)).into_response())
}

/// A page of imports.
#[derive(Serialize, ToSchema)]
pub(in crate::service) struct ImportPage {
    /// The newest first.
    imports: Vec<Import>,
    /// From where the next page goes on; absent: this is the last one.
    next_cursor: Option<String>,
}

/// List imports
#[utoipa::path(
    get, path = "/v1/imports", tag = "imports", operation_id = "list_imports", params(Paging),
    security(("bearer" = ["auditor"])),
    responses((status = 200, description = "A page of them", body = ImportPage), Refusals)
)]
pub(in crate::service) async fn list(
    State(service): State<Arc<Service>>,
    _may: May<Audit>,
    Query(paging): Query<Paging>,
) -> Result<Answer<ImportPage>, Problem> {
    let all = service.imports.list().await?;
    let newest_first = |import: &Import| import.import_id.as_bytes().iter().map(|byte| !byte).collect();
    let (imports, next_cursor) = cursor::page_of(all, &paging, "imports", newest_first)?;
    Ok(Answer(ImportPage { imports, next_cursor }))
}

/// Show an import and how far it has come
#[utoipa::path(
    get, path = "/v1/imports/{import}", tag = "imports", operation_id = "show_import",
    security(("bearer" = ["auditor"])), params(("import" = String, Path, description = "The import")),
    responses((status = 200, description = "The import", body = Import), Refusals)
)]
pub(in crate::service) async fn show(
    State(service): State<Arc<Service>>,
    _may: May<Audit>,
    Path(import): Path<String>,
) -> Result<Answer<Import>, Problem> {
    Ok(Answer(service.imports.show(named(&import)?).await?))
}

/// A page of findings.
#[derive(Serialize, ToSchema)]
pub(in crate::service) struct FindingPage {
    /// In the order of the files.
    #[schema(value_type = Vec<MergeFinding>)]
    findings: Vec<Value>,
    /// From where the next page goes on; absent: this is the last one.
    next_cursor: Option<String>,
}

/// What of an import was not simply taken in, file by file
#[utoipa::path(
    get, path = "/v1/imports/{import}/findings", tag = "imports", operation_id = "import_findings",
    security(("bearer" = ["auditor"])), params(("import" = String, Path, description = "The import"), Paging),
    responses((status = 200, description = "A page of it", body = FindingPage), Refusals)
)]
pub(in crate::service) async fn findings(
    State(service): State<Arc<Service>>,
    _may: May<Audit>,
    Path(import): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Answer<FindingPage>, Problem> {
    let id = named(&import)?;
    let (size, list) = (cursor::size(paging.limit)?, format!("findings {id}"));
    let from = paging.cursor.map_or(Ok([0; 8]), |cursor| cursor::read(&cursor, &list))?;
    let found = service.imports.findings(id, u64::from_be_bytes(from), size + 1).await?;
    let (page, next_cursor) = cursor::page(found, size, &list, |(place, _)| place.to_be_bytes().to_vec());
    let findings = page.into_iter().map(|(_, finding)| finding).collect();
    Ok(Answer(FindingPage { findings, next_cursor }))
}

/// The answers to an import: a .tar of licence files
#[utoipa::path(
    get, path = "/v1/imports/{import}/answers", tag = "imports", operation_id = "import_answers",
    security(("bearer" = ["auditor"])), params(("import" = String, Path, description = "The import")),
    responses((status = 200, description = "The archive", content_type = "application/x-tar", body = Vec<u8>), Refusals)
)]
pub(in crate::service) async fn answers(
    State(service): State<Arc<Service>>,
    _may: May<Audit>,
    Path(import): Path<String>,
) -> Result<Response, Problem> {
    let (file, size) = service.imports.answers(named(&import)?).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-tar".to_owned()),
        (header::CONTENT_LENGTH, size.to_string()),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"answers.tar\"".to_owned()),
    ];
    Ok((headers, Body::from_stream(pieces(file, size))).into_response())
}

/// The bytes of a file, piece by piece, as they are taken.
fn pieces(file: File, size: u64) -> impl stream::Stream<Item = std::io::Result<Bytes>> {
    stream::try_unfold((file, size), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let read = move || {
            let mut piece = Vec::with_capacity(PIECE);
            (&mut file).take(left.min(PIECE as u64)).read_to_end(&mut piece)?;
            Ok::<_, std::io::Error>((file, piece))
        };
        let (file, piece) = spawn_blocking(read).await.map_err(std::io::Error::other)??;
        if piece.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let left = left - piece.len() as u64;
        Ok(Some((Bytes::from(piece), (file, left))))
    })
}

fn named(text: &str) -> Result<Uuid, Refusal> {
    text.parse().map_err(|_| Refusal::new(Code::ImportUnknown, text))
}
