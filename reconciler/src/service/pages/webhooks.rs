//! Endpoints of webhooks and the messages to them: what became of each, what it says, and having it sent again.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use schemas::codes::Code;
use schemas::ids::{HookId, MessageId};
use schemas::refusal::Refusal;
use serde::Deserialize;

use super::door::Who;
use super::mistakes::is_mistaken;
use super::trouble::trouble;
use crate::service::Service;
use crate::service::api::webhooks::{DeliveryPage, DeliveryQuery};
use crate::service::html::form::Pressed;
use crate::service::html::frame::Frame;
use crate::service::html::page::{in_query, moment, show, show_asking};
use crate::service::html::trouble::Trouble;
use crate::service::input::{Path, Query};
use crate::service::problem::Problem;
use crate::shown::webhooks::{DeliveryLine, WebhookLine};
use crate::shown::words;
use crate::vendor::Vendor;

/// Where the lists are.
const LIST: &str = "/operator/webhooks";

/// The endpoints, and the messages that are asked for.
#[derive(Template)]
#[template(path = "operator/webhooks.html")]
struct WebhooksPage<'a> {
    frame: &'a Frame,
    who: &'a Who,
    endpoints: &'a [Endpoint],
    messages: &'a [Message],
    query: &'a DeliveryQuery,
    /// Where the next page is.
    next: Option<&'a str>,
    /// What is wrong with the filter.
    filter: Option<&'a Trouble>,
}

impl WebhooksPage<'_> {
    fn is_chosen(&self, endpoint: &str) -> bool {
        self.query.webhook.as_ref().is_some_and(|wanted| wanted == endpoint)
    }
}

/// One endpoint.
#[derive(Template)]
#[template(path = "operator/webhook.html")]
struct WebhookPage<'a> {
    frame: &'a Frame,
    who: &'a Who,
    endpoint: &'a Endpoint,
    /// How many messages were just asked to be sent again.
    again: Option<u64>,
}

/// One message.
#[derive(Template)]
#[template(path = "operator/message.html")]
struct MessagePage<'a> {
    frame: &'a Frame,
    who: &'a Who,
    message: &'a Message,
    endpoint: &'a Endpoint,
    /// What is sent, byte by byte.
    body: &'a str,
    /// Whether it was just asked to be sent again.
    is_sent_again: bool,
}

/// An endpoint.
struct Endpoint {
    id: String,
    url: String,
    wanted: String,
    state: &'static str,
    created_at: String,
    facts: Vec<(&'static str, String)>,
}

impl Endpoint {
    fn of(line: &WebhookLine) -> Self {
        Self {
            id: line.webhook_id.to_string(),
            url: words::printable(&line.url),
            wanted: line.wanted(),
            state: line.state,
            created_at: moment(line.created_at),
            facts: line.fields().into_lines(),
        }
    }

    /// Whether messages are sent to it.
    fn is_active(&self) -> bool {
        self.state == "active"
    }
}

/// A message.
struct Message {
    id: String,
    endpoint: String,
    license: String,
    topic: &'static str,
    state: &'static str,
    attempts: u32,
    created_at: String,
    next_at: String,
    answered: String,
    facts: Vec<(&'static str, String)>,
}

impl Message {
    fn of(line: &DeliveryLine) -> Self {
        Self {
            id: line.message_id.to_string(),
            endpoint: line.webhook_id.to_string(),
            license: line.license_id.to_string(),
            topic: line.topic.word(),
            state: line.state,
            attempts: line.attempts,
            created_at: moment(line.created_at),
            next_at: words::or(line.due_at.map(moment), ""),
            answered: line.answered(),
            facts: line.fields().into_lines(),
        }
    }
}

/// `GET /operator/webhooks`
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    who: Who,
    Query(query): Query<DeliveryQuery>,
) -> Result<Response, Problem> {
    let query = query.filled_in();
    let hooks = service.office.lend(Vendor::webhooks).await?;
    let endpoints: Vec<_> = hooks.into_iter().map(|hook| Endpoint::of(&WebhookLine::of(hook))).collect();
    let (page, filter) = match query.clone().page(&service).await {
        Ok(page) => (page, None),
        Err(refusal) if is_mistaken(&refusal) => (DeliveryPage::default(), Some(trouble(&refusal))),
        Err(refusal) => return Err(refusal.into()),
    };
    let messages: Vec<_> = page.deliveries.iter().map(Message::of).collect();
    let next = page.next_cursor.map(|cursor| address(&query, &cursor));
    let shown = WebhooksPage {
        frame: &service.html.frame,
        who: &who,
        endpoints: &endpoints,
        messages: &messages,
        query: &query,
        next: next.as_deref(),
        filter: filter.as_ref(),
    };
    Ok(show_asking(filter.as_ref(), &shown))
}

/// Where the page of the same filter is that goes on at a cursor.
fn address(query: &DeliveryQuery, cursor: &str) -> String {
    let endpoint = query.webhook.as_ref().map(|id| format!("webhook={}&", in_query(id)));
    let failed = query.failed.map(|failed| format!("failed={failed}&"));
    format!("{LIST}?{}{}cursor={}", words::or(endpoint, ""), words::or(failed, ""), in_query(cursor))
}

/// How many messages were just asked to be sent again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Again {
    again: Option<u64>,
}

/// `GET /operator/webhooks/{webhook}`
pub(super) async fn page(
    State(service): State<Arc<Service>>,
    who: Who,
    Path(id): Path<String>,
    Query(Again { again }): Query<Again>,
) -> Result<Response, Problem> {
    let id = endpoint_id(&id)?;
    let hook = service.office.lend(move |vendor| vendor.find_webhook(&id)).await?;
    let endpoint = Endpoint::of(&WebhookLine::of(hook));
    let page = WebhookPage { frame: &service.html.frame, who: &who, endpoint: &endpoint, again };
    Ok(show(StatusCode::OK, &page))
}

/// `GET /operator/webhooks/messages/{message}`
pub(super) async fn message(
    State(service): State<Arc<Service>>,
    who: Who,
    Path(id): Path<String>,
    Query(Again { again }): Query<Again>,
) -> Result<Response, Problem> {
    let id = message_id(&id)?;
    let read = move |vendor: &mut Vendor| {
        let delivery = vendor.find_delivery(&id)?;
        Ok((vendor.find_webhook(&delivery.hook)?, delivery))
    };
    let (hook, delivery) = service.office.lend(read).await?;
    let body = delivery.body.clone();
    let page = MessagePage {
        frame: &service.html.frame,
        who: &who,
        message: &Message::of(&DeliveryLine::of(delivery)),
        endpoint: &Endpoint::of(&WebhookLine::of(hook)),
        body: &body,
        is_sent_again: again.is_some(),
    };
    Ok(show(StatusCode::OK, &page))
}

/// `POST /operator/webhooks/messages/{message}/replay`
pub(super) async fn replay(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    _pressed: Pressed,
) -> Result<Redirect, Problem> {
    let id = message_id(&id)?;
    service.office.lend(move |vendor| vendor.replay(&id)).await?;
    Ok(Redirect::to(&format!("{LIST}/messages/{id}?again=1")))
}

/// `POST /operator/webhooks/{webhook}/replay`: all that were given up.
pub(super) async fn replay_failed(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    _pressed: Pressed,
) -> Result<Redirect, Problem> {
    let id = endpoint_id(&id)?;
    let again = service.office.lend(move |vendor| vendor.replay_failed(Some(&id))).await?;
    Ok(Redirect::to(&format!("{LIST}/{id}?again={again}")))
}

fn endpoint_id(text: &str) -> Result<HookId, Refusal> {
    HookId::parse(text).ok_or_else(|| Refusal::new(Code::WebhookUnknown, text))
}

fn message_id(text: &str) -> Result<MessageId, Refusal> {
    MessageId::parse(text).ok_or_else(|| Refusal::new(Code::DeliveryUnknown, text))
}
