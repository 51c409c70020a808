//! Endpoints of webhooks: made, listed and taken away; and messages that are sent again.

use std::net::{SocketAddr, ToSocketAddrs as _};

use schemas::codes::Code;
use schemas::ids::{Commitment, HookId, MessageId};
use schemas::refusal::Refusal;
use schemas::webhook::SignatureKind;

use super::Vendor;
use super::customers::name_of;
use crate::webhooks::signing::Signing;
use crate::webhooks::target::Target;
use crate::webhooks::{Delivery, DeliveryFilter, Hook, Topics};

/// Endpoints of one ledger, at most: each is told in the commit of what happens, and is sent to by itself.
const MOST: usize = 64;
/// Messages that are read at once to be sent again.
const PAGE: u64 = 200;

/// What an endpoint is to be.
#[derive(Clone, Debug)]
pub struct HookOrder {
    /// Where it is.
    pub url: String,
    /// What it wants to be told.
    pub topics: Topics,
    /// How messages to it are signed.
    pub signature: SignatureKind,
    /// Whether it may be on one's own network, and be spoken to without encryption.
    pub allow_private: bool,
    /// The operator whose token makes it; absent: it is made on the command line.
    pub maker: Option<Commitment>,
}

/// An endpoint with the name of who made it.
#[derive(Clone, Debug)]
pub struct NamedHook {
    /// The endpoint.
    pub hook: Hook,
    /// Who made it; nothing when that was on the command line, or when the name was erased.
    pub maker: Option<String>,
}

impl Vendor {
    /// Makes an endpoint. From the next commit on it is told what it wants to know.
    ///
    /// # Errors
    /// `webhook_url_invalid`; `webhook_address_refused` where the host is an address that no message is sent to, or its name
    /// stands for one; `webhooks_full`.
    pub fn create_webhook(&mut self, order: HookOrder) -> Result<NamedHook, Refusal> {
        let HookOrder { url, topics, signature, allow_private, maker } = order;
        let target = Target::parse(&url, allow_private)?;
        // A name that stands for nothing now may later: what it stands for is judged again whenever a message is sent.
        let found = (target.host(), target.port()).to_socket_addrs();
        target.admit_all(&found.map(Iterator::collect::<Vec<SocketAddr>>).unwrap_or_default())?;
        let hook = Hook {
            id: HookId(uuid::Uuid::now_v7().into_bytes()),
            url: target.url().to_owned(),
            topics,
            signing: Signing::generate(signature)?,
            allow_private,
            maker,
            created_at: self.now,
            disabled_at: None,
        };
        if !self.store.add_hook(&hook, MOST)? {
            return Err(Code::WebhooksFull.into());
        }
        self.named(hook)
    }

    /// Every endpoint, the earliest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn webhooks(&mut self) -> Result<Vec<NamedHook>, Refusal> {
        self.store.hooks()?.into_iter().map(|hook| self.named(hook)).collect()
    }

    /// One endpoint.
    ///
    /// # Errors
    /// `webhook_unknown`.
    pub fn find_webhook(&mut self, id: &HookId) -> Result<NamedHook, Refusal> {
        let hook = self.webhook(id)?;
        self.named(hook)
    }

    /// One message.
    ///
    /// # Errors
    /// `delivery_unknown`.
    pub fn find_delivery(&mut self, message: &MessageId) -> Result<Delivery, Refusal> {
        let found = self.store.delivery(message)?;
        found.ok_or_else(|| Refusal::new(Code::DeliveryUnknown, message.to_string()))
    }

    /// Takes an endpoint away with all messages to it. Nothing is sent to it any more.
    ///
    /// # Errors
    /// `webhook_unknown`.
    pub fn remove_webhook(&mut self, id: &HookId) -> Result<Hook, Refusal> {
        let hook = self.webhook(id)?;
        self.store.disable_hook(id, self.now)?;
        while !self.store.remove_hook(id)? {}
        Ok(hook)
    }

    /// Lets one message be sent again, whatever became of it.
    ///
    /// # Errors
    /// `delivery_unknown`; `webhook_unknown`, `webhook_disabled`.
    pub fn replay(&mut self, message: &MessageId) -> Result<Delivery, Refusal> {
        let delivery = self.find_delivery(message)?;
        self.takes_messages(&delivery.hook)?;
        self.store.replay_deliveries(std::slice::from_ref(&delivery), self.now)?;
        Ok(delivery)
    }

    /// Lets all messages be sent again that were given up, to one endpoint or to all that take messages; how many.
    ///
    /// # Errors
    /// `webhook_unknown`, `webhook_disabled` where one is named.
    pub fn replay_failed(&mut self, hook: Option<&HookId>) -> Result<u64, Refusal> {
        let hooks = match hook {
            Some(id) => vec![self.takes_messages(id)?],
            None => self.store.hooks()?,
        };
        let mut replayed = 0;
        for hook in hooks.iter().filter(|hook| hook.disabled_at.is_none()) {
            let mut before = None;
            loop {
                let filter = DeliveryFilter { hook: Some(hook.id), failed: true, before, limit: PAGE };
                let page = self.store.deliveries(&filter)?;
                let Some(last) = page.last() else { break };
                before = Some(last.message);
                self.store.replay_deliveries(&page, self.now)?;
                replayed += page.len() as u64;
            }
        }
        Ok(replayed)
    }

    fn takes_messages(&mut self, id: &HookId) -> Result<Hook, Refusal> {
        let hook = self.webhook(id)?;
        if hook.disabled_at.is_some() {
            return Err(Refusal::new(Code::WebhookDisabled, id.to_string()));
        }
        Ok(hook)
    }

    fn webhook(&mut self, id: &HookId) -> Result<Hook, Refusal> {
        let found = self.store.hooks()?.into_iter().find(|hook| hook.id == *id);
        found.ok_or_else(|| Refusal::new(Code::WebhookUnknown, id.to_string()))
    }

    fn named(&mut self, hook: Hook) -> Result<NamedHook, Refusal> {
        let maker = hook.maker.as_ref().map(|maker| name_of(self.store.as_mut(), maker)).transpose()?;
        Ok(NamedHook { hook, maker: maker.flatten() })
    }
}
