//! Endpoints of webhooks, and messages to them.

use schemas::ids::{HookId, LicenseId, MessageId};
use schemas::numbers::Micros;
use schemas::webhook::{SignatureKind, Topic};
use serde::Serialize;
use utoipa::ToSchema;

use crate::output::Fields;
use crate::shown::words;
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

    /// What it wants to be told, in words.
    pub(crate) fn wanted(&self) -> String {
        if self.on.is_empty() {
            return "all".to_owned();
        }
        self.on.iter().map(|topic| topic.word()).collect::<Vec<_>>().join(", ")
    }

    /// What is known of it, for people.
    pub(crate) fn fields(&self) -> Fields {
        let fields = Fields::default()
            .with("endpoint", self.webhook_id)
            .with("URL", words::printable(&self.url))
            .with("told", self.wanted())
            .with("signed", self.sign);
        let key = self.public_key.iter().fold(fields, |fields, key| fields.with("public key", key));
        let known = key
            .with("own network", if self.allow_private { "allowed" } else { "refused" })
            .with("state", self.state)
            .with("created by", words::or(self.created_by.as_ref(), "not known"))
            .with("created at", words::second(self.created_at));
        let disabled_at = self.disabled_at.map(words::second);
        disabled_at.into_iter().fold(known, |fields, at| fields.with("disabled at", at))
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

    /// What the last attempt came to, in words.
    pub(crate) fn answered(&self) -> String {
        let said = self.answer.as_deref().map(words::printable).unwrap_or_default();
        match self.status {
            Some(status) => format!("{status} {said}").trim_end().to_owned(),
            None => said,
        }
    }

    /// What is known of it, for people.
    pub(crate) fn fields(&self) -> Fields {
        let known = Fields::default()
            .with("message", self.message_id)
            .with("type", self.topic)
            .with("state", self.state)
            .with("attempts", self.attempts)
            .with("created at", words::second(self.created_at));
        let ends = [
            ("next attempt", self.due_at),
            ("delivered at", self.delivered_at),
            ("given up at", self.failed_at),
        ];
        let ended = ends.into_iter().filter_map(|(label, at)| Some((label, words::second(at?))));
        let fields = ended.fold(known, |fields, (label, at)| fields.with(label, at));
        match self.answered() {
            answered if answered.is_empty() => fields,
            answered => fields.with("last answer", answered),
        }
    }
}
