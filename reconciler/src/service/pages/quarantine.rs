//! What waits in quarantine and why; trying it again, and deleting it for good.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use schemas::codes::Code;
use schemas::refusal::Refusal;
use serde::Deserialize;

use super::door::Who;
use crate::merging;
use crate::service::Service;
use crate::service::html::form::Pressed;
use crate::service::html::frame::Frame;
use crate::service::html::list::ROWS;
use crate::service::html::page::{moment, show};
use crate::service::html::trouble::in_parts;
use crate::service::input::{Path, Query};
use crate::service::problem::Problem;
use crate::shown::quarantine::{QuarantineDetails, QuarantineLine};
use crate::shown::words;
use crate::vendor::Vendor;

/// Where the list is.
const LIST: &str = "/operator/quarantine";
/// Most bytes of an entry's content on a page.
const CONTENT_BYTES: usize = 64 * 1024;

/// The list.
#[derive(Template)]
#[template(path = "operator/quarantine.html")]
struct QuarantinePage<'a> {
    frame: &'a Frame,
    who: &'a Who,
    entries: &'a [Entry],
    /// The entry after which the next page begins.
    next: Option<i64>,
    is_continued: bool,
    done: Option<&'a str>,
}

/// One entry.
#[derive(Template)]
#[template(path = "operator/quarantined.html")]
struct EntryPage<'a> {
    frame: &'a Frame,
    who: &'a Who,
    entry: &'a Entry,
    meaning: &'a str,
    hint: &'a str,
    /// What the bytes say, or why they cannot be read.
    content: &'a str,
    is_cut: bool,
    done: Option<&'a str>,
}

/// Whether an entry is really to be deleted.
#[derive(Template)]
#[template(path = "operator/drop.html")]
struct DropPage<'a> {
    frame: &'a Frame,
    who: &'a Who,
    entry: &'a Entry,
}

/// An entry as it is listed.
struct Entry {
    id: i64,
    code: String,
    title: &'static str,
    source: String,
    chain: Option<String>,
    received_at: String,
    size: u64,
    digest: String,
}

impl Entry {
    fn of(line: &QuarantineLine) -> Self {
        let title = line.code.parse::<Code>().map_or("", |code| code.entry().title);
        Self {
            id: line.id,
            code: line.code.clone(),
            title,
            source: words::printable(&line.source),
            chain: line.chain.map(|chain| chain.to_string()),
            received_at: moment(line.received_at),
            size: line.size,
            digest: line.digest.to_string(),
        }
    }
}

/// Where a page of the list begins, and what was just done.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    after: Option<i64>,
    done: Option<String>,
}

/// `GET /operator/quarantine`
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    who: Who,
    Query(ListQuery { after, done }): Query<ListQuery>,
) -> Result<Response, Problem> {
    let read = move |vendor: &mut Vendor| {
        Ok(vendor.store.quarantine_after(after.unwrap_or_default(), None, ROWS as u64 + 1)?)
    };
    let entries = service.office.lend(read).await?.into_iter().map(QuarantineLine::of);
    let mut entries: Vec<Entry> = entries.map(|line| Entry::of(&line)).collect();
    let is_last = entries.len() <= ROWS;
    entries.truncate(ROWS);
    let page = QuarantinePage {
        frame: &service.html.frame,
        who: &who,
        entries: &entries,
        next: entries.last().filter(|_| !is_last).map(|entry| entry.id),
        is_continued: after.is_some(),
        done: done.as_deref().and_then(told),
    };
    Ok(show(StatusCode::OK, &page))
}

/// What was just done, in words; nothing for what is no word of ours.
fn told(done: &str) -> Option<&'static str> {
    Some(match done {
        "retry" => "The entry was taken in: it is no longer in quarantine.",
        "waits" => "The entry was tried again, and is refused as before.",
        "drop" => "The entry is deleted.",
        _ => return None,
    })
}

/// `GET /operator/quarantine/{id}`
pub(super) async fn entry(
    State(service): State<Arc<Service>>,
    who: Who,
    Path(id): Path<i64>,
    Query(ListQuery { done, .. }): Query<ListQuery>,
) -> Result<Response, Problem> {
    let shown = service.office.lend(move |vendor| read(vendor, id)).await?;
    let mut content = match (&shown.content, &shown.unreadable) {
        (Some(content), _) => content.to_string(),
        (None, Some(refusal)) => format!("The bytes cannot be read: {refusal}"),
        (None, None) => String::new(),
    };
    let is_cut = content.len() > CONTENT_BYTES;
    content.truncate(content.floor_char_boundary(CONTENT_BYTES));
    let page = EntryPage {
        frame: &service.html.frame,
        who: &who,
        entry: &Entry::of(&shown.entry),
        meaning: shown.entry.code.parse::<Code>().map_or("", |code| code.entry().meaning),
        hint: shown.hint.unwrap_or_default(),
        content: &content,
        is_cut,
        done: done.as_deref().and_then(told),
    };
    Ok(show(StatusCode::OK, &page))
}

/// `POST /operator/quarantine/{id}/retry`
pub(super) async fn retry(
    State(service): State<Arc<Service>>,
    Path(id): Path<i64>,
    _pressed: Pressed,
) -> Result<Redirect, Problem> {
    let retried = move |vendor: &mut Vendor| {
        vendor.refuse_unknown_entries(&[id].into())?;
        merging::retry_quarantine(vendor, Some(&[id]))?;
        Ok(vendor.refuse_unknown_entries(&[id].into()).is_ok())
    };
    let waits = service.office.lend(retried).await?;
    Ok(Redirect::to(&if waits { format!("{LIST}/{id}?done=waits") } else { format!("{LIST}?done=retry") }))
}

/// `GET /operator/quarantine/{id}/drop`: whether it is really to be deleted.
pub(super) async fn ask(
    State(service): State<Arc<Service>>,
    who: Who,
    Path(id): Path<i64>,
) -> Result<Response, Problem> {
    let shown = service.office.lend(move |vendor| read(vendor, id)).await?;
    let page = DropPage { frame: &service.html.frame, who: &who, entry: &Entry::of(&shown.entry) };
    Ok(show(StatusCode::OK, &page))
}

/// `POST /operator/quarantine/{id}/drop`
pub(super) async fn delete(
    State(service): State<Arc<Service>>,
    Path(id): Path<i64>,
    _pressed: Pressed,
) -> Result<Response, Problem> {
    service.office.lend(move |vendor| vendor.drop_entries(&[id].into())).await?;
    Ok(Redirect::to(&format!("{LIST}?done=drop")).into_response())
}

fn read(vendor: &mut Vendor, id: i64) -> Result<QuarantineDetails, Refusal> {
    let (entry, bytes) = vendor.quarantined(id)?;
    Ok(QuarantineDetails::of(entry, &bytes))
}
