//! `/v1/webhooks`

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use schemas::codes::Code;
use schemas::ids::{HookId, MessageId};
use schemas::refusal::Refusal;
use schemas::webhook::SignatureKind;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::cursor;
use crate::service::Service;
use crate::service::auth::{Administrate, Audit, May, Operate};
use crate::service::input::{Json, Path, Query};
use crate::service::problem::{Problem, Refusals};
use crate::shown::webhooks::{DeliveryLine, NewWebhook, WebhookLine, Webhooks};
use crate::vendor::Vendor;
use crate::vendor::webhooks::HookOrder;
use crate::webhooks::{DeliveryFilter, Topics};

/// What an endpoint is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct WebhookOrder {
    /// Where messages are sent: an https URL.
    #[schema(max_length = 2048)]
    url: String,
    /// What it wants to be told, such as `activation.activated`; all where nothing is named.
    #[serde(default)]
    on: Vec<String>,
    /// How messages are signed: `v1` (HMAC-SHA256), where nothing is said, or `v1a` (Ed25519).
    sign: Option<String>,
    /// Whether it may be on one's own network, and take messages without encryption.
    #[serde(default)]
    allow_private: bool,
}

impl WebhookOrder {
    fn order(self) -> Result<HookOrder, Refusal> {
        let Self { url, on, sign, allow_private } = self;
        let invalid = |what: &str, why: String| Refusal::new(Code::RequestInvalid, format!("{what}: {why}"));
        let topics = on.iter().map(|word| word.parse().map_err(|why| invalid("on", why)));
        let signature = sign.map(|word| word.parse().map_err(|why| invalid("sign", why))).transpose()?;
        Ok(HookOrder {
            url,
            topics: Topics::of(topics.collect::<Result<_, _>>()?),
            signature: signature.unwrap_or(SignatureKind::V1),
            allow_private,
            maker: None,
        })
    }
}

/// Have an endpoint told what happens; its secret is shown once
#[utoipa::path(
    post, path = "/v1/webhooks", tag = "webhooks", operation_id = "create_webhook", request_body = WebhookOrder,
    security(("bearer" = ["admin"])),
    responses(
        (status = 201, description = "The endpoint", body = NewWebhook),
        Refusals
    )
)]
pub(in crate::service) async fn create(
    State(service): State<Arc<Service>>,
    may: May<Administrate>,
    Json(order): Json<WebhookOrder>,
) -> Result<(StatusCode, Answer<NewWebhook>), Problem> {
    let order = HookOrder { maker: Some(may.operator()), ..order.order()? };
    let made = service.office.lend(move |vendor| vendor.create_webhook(order)).await?;
    Ok((StatusCode::CREATED, Answer(NewWebhook::of(made))))
}

/// List the endpoints
#[utoipa::path(
    get, path = "/v1/webhooks", tag = "webhooks", operation_id = "list_webhooks", security(("bearer" = ["auditor"])),
    responses(
        (status = 200, description = "All of them, the earliest first", body = Webhooks),
        Refusals
    )
)]
pub(in crate::service) async fn list(
    State(service): State<Arc<Service>>,
    _may: May<Audit>,
) -> Result<Answer<Webhooks>, Problem> {
    let hooks = service.office.lend(Vendor::webhooks).await?;
    Ok(Answer(Webhooks { webhooks: hooks.into_iter().map(WebhookLine::of).collect() }))
}

/// An endpoint that was taken away.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::service) struct RemovedWebhook {
    /// Names it.
    #[schema(value_type = String)]
    webhook_id: HookId,
}

/// Take an endpoint away, with all messages to it
#[utoipa::path(
    delete, path = "/v1/webhooks/{webhook}", tag = "webhooks", operation_id = "remove_webhook", security(("bearer" = ["admin"])),
    params(("webhook" = String, Path, description = "The endpoint")),
    responses(
        (status = 200, description = "It is", body = RemovedWebhook),
        Refusals
    )
)]
pub(in crate::service) async fn remove(
    State(service): State<Arc<Service>>,
    _may: May<Administrate>,
    Path(id): Path<String>,
) -> Result<Answer<RemovedWebhook>, Problem> {
    let id = HookId::parse(&id).ok_or_else(|| Refusal::new(Code::WebhookUnknown, id))?;
    let removed = service.office.lend(move |vendor| vendor.remove_webhook(&id)).await?;
    Ok(Answer(RemovedWebhook { webhook_id: removed.id }))
}

/// Which messages are listed.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::service) struct DeliveryQuery {
    /// Only those that were given up.
    pub(in crate::service) failed: Option<bool>,
    /// Only to this endpoint.
    pub(in crate::service) webhook: Option<String>,
    /// At most so many, up to 500; 50 where nothing is said.
    limit: Option<u64>,
    /// Where the page before ended: its `next_cursor`.
    pub(in crate::service) cursor: Option<String>,
}

impl DeliveryQuery {
    /// The same without what a form left empty.
    pub(in crate::service) fn filled_in(self) -> Self {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        Self { webhook: filled(self.webhook), cursor: filled(self.cursor), ..self }
    }

    /// The page that is asked for.
    ///
    /// # Errors
    /// `webhook_unknown` for what is no identifier, `cursor_invalid`, `request_invalid`.
    pub(in crate::service) async fn page(self, service: &Service) -> Result<DeliveryPage, Refusal> {
        let (listed, size) = (self.list(), cursor::size(self.limit)?);
        // One more than the page holds tells whether another one follows.
        let filter = self.filter(size + 1)?;
        let found = service.office.lend(move |vendor| Ok(vendor.store.deliveries(&filter)?)).await?;
        let (found, next_cursor) =
            cursor::page(found, size, &listed, |delivery| delivery.message.as_bytes().to_vec());
        Ok(DeliveryPage { deliveries: found.into_iter().map(DeliveryLine::of).collect(), next_cursor })
    }

    /// The list that a cursor belongs to.
    fn list(&self) -> String {
        format!("deliveries {:?}", (self.failed.unwrap_or_default(), &self.webhook))
    }

    fn filter(&self, limit: u64) -> Result<DeliveryFilter, Refusal> {
        let hook = self.webhook.as_deref();
        let before = self.cursor.as_ref().map(|cursor| cursor::read(cursor, &self.list())).transpose()?;
        Ok(DeliveryFilter {
            hook: hook
                .map(|hook| HookId::parse(hook).ok_or_else(|| Refusal::new(Code::WebhookUnknown, hook)))
                .transpose()?,
            failed: self.failed.unwrap_or_default(),
            before: before.map(MessageId),
            limit,
        })
    }
}

/// A page of messages.
#[derive(Default, Serialize, ToSchema)]
pub(in crate::service) struct DeliveryPage {
    /// The latest first.
    pub(in crate::service) deliveries: Vec<DeliveryLine>,
    /// From where the next page goes on; absent: this is the last one.
    pub(in crate::service) next_cursor: Option<String>,
}

/// List messages to endpoints, and what became of them
#[utoipa::path(
    get, path = "/v1/webhooks/deliveries", tag = "webhooks", operation_id = "list_deliveries", params(DeliveryQuery),
    security(("bearer" = ["auditor"])),
    responses(
        (status = 200, description = "A page of them", body = DeliveryPage),
        Refusals
    )
)]
pub(in crate::service) async fn deliveries(
    State(service): State<Arc<Service>>,
    _may: May<Audit>,
    Query(query): Query<DeliveryQuery>,
) -> Result<Answer<DeliveryPage>, Problem> {
    Ok(Answer(query.page(&service).await?))
}

/// A message that is sent again.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::service) struct ReplayedDelivery {
    /// Names it, as before.
    #[schema(value_type = String)]
    message_id: MessageId,
}

/// Have a message sent again, whatever became of it
#[utoipa::path(
    post, path = "/v1/webhooks/deliveries/{message}/replay", tag = "webhooks", operation_id = "replay_delivery",
    security(("bearer" = ["operator"])),
    params(("message" = String, Path, description = "The message")),
    responses(
        (status = 200, description = "It is", body = ReplayedDelivery),
        Refusals
    )
)]
pub(in crate::service) async fn replay(
    State(service): State<Arc<Service>>,
    _may: May<Operate>,
    Path(id): Path<String>,
) -> Result<Answer<ReplayedDelivery>, Problem> {
    let id = MessageId::parse(&id).ok_or_else(|| Refusal::new(Code::DeliveryUnknown, id))?;
    let replayed = service.office.lend(move |vendor| vendor.replay(&id)).await?;
    Ok(Answer(ReplayedDelivery { message_id: replayed.message }))
}
