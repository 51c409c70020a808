//! Endpoints of webhooks, and messages to them.

use schemas::ids::{HookId, LicenseId, MessageId};
use schemas::numbers::Micros;
use schemas::webhook::{SignatureKind, Topic};
use serde::Serialize;
use utoipa::ToSchema;

use crate::vendor::webhooks::NamedHook;
use crate::webhooks::{Delivery, Hook, State};

/// An endpoint that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewWebhook {
    /// What whoever receives messages verifies them with: the secret (`whsec_…`), which is not shown again, or the public
    /// key (`whpk_…`).
    pub(crate) key: String,
    #[serde(flatten)]
    pub(crate) line: WebhookLine,
}

impl NewWebhook {
    pub(crate) fn of(named: NamedHook) -> Self {
        Self { key: named.hook.signing.reveal(), line: WebhookLine::of(named) }
    }
}

/// Endpoints, the earliest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Webhooks {
    pub(crate) webhooks: Vec<WebhookLine>,
}

/// An endpoint as lists show it.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookLine {
    /// Names it.
    #[schema(value_type = String)]
    pub(crate) webhook_id: HookId,
    /// Where messages are sent.
    pub(crate) url: String,
    /// What it wants to be told; empty: whatever there is.
    #[schema(value_type = Vec<String>)]
    pub(crate) on: Vec<Topic>,
    /// How messages are signed: `v1` (HMAC-SHA256) or `v1a` (Ed25519).
    #[schema(value_type = String)]
    pub(crate) sign: SignatureKind,
    /// The public key (`whpk_…`) with which messages are verified, where one is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) public_key: Option<String>,
    /// Whether it may be on one's own network, and be spoken to without encryption.
    pub(crate) allow_private: bool,
    /// `active`, or `disabled` after it answered that it is gone.
    pub(crate) state: &'static str,
    /// The operator whose token made it; absent: it was made on the command line, or the name was erased.
    pub(crate) created_by: Option<String>,
    /// When it was made (RFC 3339).
    #[schema(value_type = String)]
    pub(crate) created_at: Micros,
    /// Since when nothing is sent to it any more.
    #[schema(value_type = Option<String>)]
    pub(crate) disabled_at: Option<Micros>,
}

impl WebhookLine {
    pub(crate) fn of(NamedHook { hook, maker }: NamedHook) -> Self {
        let Hook { id, url, topics, signing, allow_private, created_at, disabled_at, .. } = hook;
        Self {
            webhook_id: id,
            url,
            on: topics.named().to_vec(),
            sign: signing.kind(),
            public_key: signing.public(),
            allow_private,
            state: if disabled_at.is_some() { "disabled" } else { "active" },
            created_by: maker,
            created_at,
            disabled_at,
        }
    }
}

/// A message to an endpoint as lists show it.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveryLine {
    /// Names the message, however often it is sent: its `webhook-id`.
    #[schema(value_type = String)]
    pub(crate) message_id: MessageId,
    /// The endpoint.
    #[schema(value_type = String)]
    pub(crate) webhook_id: HookId,
    /// The licence that it is about.
    #[schema(value_type = String)]
    pub(crate) license_id: LicenseId,
    /// What it tells, such as `activation.activated`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub(crate) topic: Topic,
    /// `pending`, `delivered` or `failed`.
    pub(crate) state: &'static str,
    /// How often it was sent.
    pub(crate) attempts: u32,
    /// When it was written (RFC 3339).
    #[schema(value_type = String)]
    pub(crate) created_at: Micros,
    /// When it is sent next.
    #[schema(value_type = Option<String>)]
    pub(crate) due_at: Option<Micros>,
    /// When it was taken.
    #[schema(value_type = Option<String>)]
    pub(crate) delivered_at: Option<Micros>,
    /// When it was given up.
    #[schema(value_type = Option<String>)]
    pub(crate) failed_at: Option<Micros>,
    /// The HTTP status of the last answer.
    pub(crate) status: Option<u16>,
    /// How the last answer begins, or why there was none.
    pub(crate) answer: Option<String>,
}

impl DeliveryLine {
    pub(crate) fn of(delivery: Delivery) -> Self {
        let Delivery { license, message, hook, topic, created_at, attempts, state, last, .. } = delivery;
        let (mut due_at, mut delivered_at, mut failed_at) = (None, None, None);
        match state {
            State::Due(at) => due_at = Some(at),
            State::Delivered(at) => delivered_at = Some(at),
            State::Failed(at) => failed_at = Some(at),
        }
        Self {
            message_id: message,
            webhook_id: hook,
            license_id: license,
            topic,
            state: state.word(),
            attempts,
            created_at,
            due_at,
            delivered_at,
            failed_at,
            status: last.status,
            answer: last.answer,
        }
    }
}
