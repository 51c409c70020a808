//! Imports that were uploaded: how far each has come, and what of it was not simply taken in.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use schemas::codes::Code;
use schemas::refusal::Refusal;
use serde_json::Value;
use uuid::Uuid;

use super::door::Who;
use super::mistakes::is_mistaken;
use super::trouble::trouble;
use crate::service::Service;
use crate::service::client::Client;
use crate::service::html::form::boundary;
use crate::service::html::frame::Frame;
use crate::service::html::list::{List, ROWS};
use crate::service::html::page::{moment, show, show_asking};
use crate::service::html::trouble::Trouble;
use crate::service::input::Path;
use crate::service::problem::Problem;
use crate::shown::imports::{Import, ImportState};
use crate::shown::words::printable;

/// The list, the newest first.
#[derive(Template)]
#[template(path = "operator/imports.html")]
struct ImportsPage<'a> {
    frame: &'a Frame,
    who: &'a Who,
    imports: &'a List<Row>,
    /// What is wrong with what was to be uploaded.
    trouble: Option<&'a Trouble>,
}

/// One import.
#[derive(Template)]
#[template(path = "operator/import.html")]
struct ImportPage<'a> {
    frame: &'a Frame,
    who: &'a Who,
    import: &'a Row,
    counts: &'a [(&'static str, u64)],
    findings: &'a List<Finding>,
    /// Why it failed.
    trouble: Option<&'a Trouble>,
}

/// An import as it is listed.
struct Row {
    id: String,
    name: String,
    state: &'static str,
    is_unfinished: bool,
    percent: u64,
    bytes: u64,
    files: u64,
    events: u64,
    created_at: String,
    updated_at: String,
}

/// What of an import was not simply taken in.
struct Finding {
    source: String,
    chain: String,
    code: String,
    detail: String,
}

impl Row {
    fn of(import: &Import) -> Self {
        Self {
            id: import.import_id.to_string(),
            name: printable(&import.name),
            state: match import.state {
                ImportState::Waiting => "waiting",
                ImportState::Running => "running",
                ImportState::Done => "done",
                ImportState::Failed => "failed",
            },
            is_unfinished: import.is_unfinished(),
            percent: import.percent(),
            bytes: import.bytes,
            files: import.files,
            events: import.events,
            created_at: moment(import.created_at),
            updated_at: moment(import.updated_at),
        }
    }
}

impl Finding {
    fn of(finding: &Value) -> Self {
        let word = |key: &str| printable(finding[key].as_str().unwrap_or_default());
        Self { source: word("source"), chain: word("chain"), code: word("code"), detail: word("detail") }
    }
}

/// `GET /operator/imports`
pub(super) async fn list(State(service): State<Arc<Service>>, who: Who) -> Result<Response, Problem> {
    Ok(listed(&service, &who, None).await?)
}

/// `POST /operator/imports`: files that were chosen, which are one import.
pub(super) async fn upload(
    State(service): State<Arc<Service>>,
    who: Who,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let uploaded = match boundary(&headers) {
        Ok(boundary) => service.imports.gather(client.0, body, boundary).await,
        Err(refusal) => Err(refusal),
    };
    match uploaded {
        Ok(import) => Ok(Redirect::to(&format!("/operator/imports/{}", import.import_id)).into_response()),
        Err(refusal) if is_mistaken(&refusal) => Ok(listed(&service, &who, Some(&trouble(&refusal))).await?),
        Err(refusal) => Err(refusal.into()),
    }
}

/// The list, and what can be uploaded.
async fn listed(service: &Service, who: &Who, trouble: Option<&Trouble>) -> Result<Response, Refusal> {
    let all = service.imports.list().await?;
    let imports = List::of(all.iter().map(Row::of));
    let page = ImportsPage { frame: &service.html.frame, who, imports: &imports, trouble };
    Ok(show_asking(trouble, &page))
}

/// `GET /operator/imports/{import}`
pub(super) async fn page(
    State(service): State<Arc<Service>>,
    who: Who,
    Path(import): Path<String>,
) -> Result<Response, Problem> {
    let id: Uuid = import.parse().map_err(|_| Refusal::new(Code::ImportUnknown, import.as_str()))?;
    let import = service.imports.show(id).await?;
    let all = import.counts.map_or(0, |counts| counts.findings);
    let found = if all > 0 { service.imports.findings(id, 0, ROWS as u64).await? } else { Vec::new() };
    let rows: Vec<Finding> = found.iter().map(|(_, finding)| Finding::of(finding)).collect();
    let more = usize::try_from(all).unwrap_or(usize::MAX).saturating_sub(rows.len());
    let trouble = import.code.map(|code| trouble(&Refusal::new(code, import.detail.clone())));
    let page = ImportPage {
        frame: &service.html.frame,
        who: &who,
        import: &Row::of(&import),
        counts: &counts(&import),
        findings: &List { rows, more },
        trouble: trouble.as_ref(),
    };
    Ok(show(StatusCode::OK, &page))
}

/// What became of it.
fn counts(import: &Import) -> Vec<(&'static str, u64)> {
    let Some(counts) = import.counts else { return Vec::new() };
    vec![
        ("Brought something new", counts.merged),
        ("Held nothing new", counts.known),
        ("Wait for events before them", counts.parked),
        ("Contradict a known history", counts.forked),
        ("Refused, in quarantine", counts.refused),
        ("Denied an activation", counts.denied),
    ]
}
