//! Sends what the ledger has for endpoints, as long as the service runs and while there are any: each endpoint by itself, so
//! that none waits for another. Whoever sends a message has put it off before, durably; where the process ends meanwhile,
//! another one sends it when that time has passed.

mod chores;
mod connection;
mod post;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rustls::ClientConfig;
use schemas::ids::HookId;
use schemas::numbers::Seconds;
use schemas::refusal::Refusal;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use self::chores::Chores;
use super::{Service, metrics};
use crate::wall_clock;
use crate::webhooks::{Delivery, Hook, Last, Settled, State, back_off};

/// How often it is looked for messages that are due.
const LOOK: Duration = Duration::from_secs(1);
/// Messages that one process sends to one endpoint at the same time.
const AT_ONCE: u64 = 8;
/// How long messages are put off that are being sent: longer than an attempt takes.
const PUT_OFF: Seconds = Seconds(30);

/// Sends until the service ends, at the latest when that has `ended` otherwise; what is being sent then is answered, or takes
/// too long.
pub(super) async fn until(service: Arc<Service>, ended: &Notify) {
    let mut chores = Chores::new(Arc::clone(&service));
    let mut sending = Sending { service, tls: None, tasks: JoinSet::new(), hooks: BTreeSet::new() };
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            () = ended.notified() => break,
        }
        if sending.service.health.is_ending() {
            break;
        }
        let hooks = told(sending.service.office.lend(|vendor| Ok(vendor.store.hooks()?)).await);
        let Some(hooks) = hooks.filter(|hooks| !hooks.is_empty()) else { continue };
        chores.begin_due();
        sending.begin(hooks);
    }
    chores.finish().await;
    sending.finish().await;
}

/// What is being sent: each endpoint by a task of its own.
struct Sending {
    service: Arc<Service>,
    /// Made when it is first needed.
    tls: Option<Arc<ClientConfig>>,
    tasks: JoinSet<HookId>,
    hooks: BTreeSet<HookId>,
}

impl Sending {
    /// Begins with those endpoints that are not sent to yet.
    fn begin(&mut self, hooks: Vec<Hook>) {
        while let Some(ended) = self.tasks.try_join_next() {
            match ended {
                Ok(hook) => _ = self.hooks.remove(&hook),
                // Which one it was is not known; what it put off is sent later.
                Err(error) => tracing::error!(%error, "sending to an endpoint failed"),
            }
        }
        if self.tasks.is_empty() {
            self.hooks.clear();
        }
        self.tls = self.tls.take().or_else(|| told(connection::trusting_the_system()));
        let Some(tls) = &self.tls else { return };
        for hook in hooks.into_iter().filter(|hook| self.hooks.insert(hook.id)) {
            let (service, tls) = (Arc::clone(&self.service), Arc::clone(tls));
            self.tasks.spawn(async move {
                let id = hook.id;
                drain(&service, &tls, hook).await;
                id
            });
        }
    }

    /// Waits for what is under way: for an attempt's time at most.
    async fn finish(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// What a unit of work gave; why it failed is written down, and it is tried again at the next look.
fn told<T>(done: Result<T, Refusal>) -> Option<T> {
    done.inspect_err(|refusal| {
        tracing::warn!(code = refusal.code().word(), detail = refusal.detail(), "webhooks have to wait");
    })
    .ok()
}

/// Sends to one endpoint until nothing is due or nothing was taken.
async fn drain(service: &Service, tls: &Arc<ClientConfig>, hook: Hook) {
    while !service.health.is_ending() {
        let due = service.office.lend(move |vendor| {
            let now = vendor.now();
            Ok(vendor.store.put_off_deliveries(&hook.id, now, now + PUT_OFF, AT_ONCE)?)
        });
        let Some(due) = told(due.await).filter(|due| !due.is_empty()) else { return };
        let sent = due.into_iter().map(|delivery| attempt(tls, &hook, delivery));
        let settled: Vec<Attempt> = join_all(sent).await;
        let is_gone = settled.iter().any(|attempt| attempt.is_gone);
        let is_taken = settled.iter().any(|attempt| matches!(attempt.settled.state, State::Delivered(_)));
        let settled: Vec<Settled> = settled.into_iter().map(|attempt| attempt.settled).collect();
        let id = hook.id;
        let noted = service.office.lend(move |vendor| {
            if is_gone {
                vendor.store.disable_hook(&id, vendor.now)?;
            }
            Ok(vendor.store.settle_deliveries(&settled)?)
        });
        if told(noted.await).is_none() || is_gone || !is_taken {
            return;
        }
    }
}

/// What one attempt came to.
struct Attempt {
    settled: Settled,
    /// Whether the endpoint says that it is gone for good.
    is_gone: bool,
}

/// Sends one message. An endpoint that is disabled is sent nothing: what was written for it is given up.
async fn attempt(tls: &Arc<ClientConfig>, hook: &Hook, delivery: Delivery) -> Attempt {
    let State::Due(put_off_to) = delivery.state else { unreachable!("what is put off is due") };
    let (license, message, topic) = (delivery.license, delivery.message, delivery.topic);
    let settle = |attempts, state, last| Settled { license, message, put_off_to, attempts, state, last };
    if hook.disabled_at.is_some() {
        let last = Last { status: None, answer: Some("the endpoint is disabled".to_owned()) };
        let settled = settle(delivery.attempts, State::Failed(wall_clock::now()), last);
        return Attempt { settled, is_gone: false };
    }
    let outcome = post::post(tls, hook, &delivery).await;
    let (now, attempts) = (wall_clock::now(), delivery.attempts.saturating_add(1));
    let (status, is_gone) = (outcome.status, outcome.status == Some(410));
    let state = if outcome.is_taken() {
        State::Delivered(now)
    } else {
        let again_at = back_off::again_at(attempts, now, outcome.again_in, chance()).filter(|_| !is_gone);
        again_at.map_or(State::Failed(now), State::Due)
    };
    tracing::info!(hook = %hook.id, %message, %topic, attempts, status, state = state.word(), "sent");
    metrics::sent(state.word());
    Attempt { settled: settle(attempts, state, Last { status, answer: outcome.said }), is_gone }
}

/// Any number; where the system has no randomness, all wait the same.
fn chance() -> u16 {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).map_or(0, |()| u16::from_be_bytes(bytes))
}
