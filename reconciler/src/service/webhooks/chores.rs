//! What is done beside sending, now and then: it is looked for devices that are past their check-in deadline, and old
//! messages are taken away. Page by page, so that nobody waits for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use schemas::ids::MessageId;
use schemas::numbers::Seconds;
use tokio::task::JoinSet;

use super::told;
use crate::service::Service;
use crate::wall_clock;

/// How long it is waited from one time to the next, at least; and how many times as long as it took, so that it is a small
/// part of the ledger's work however large that is.
const PAUSE: Duration = Duration::from_mins(1);
const REST: u32 = 20;
/// How long messages are kept that were delivered or given up.
const KEPT: Seconds = Seconds::days(30);

/// The chores of one service.
pub(super) struct Chores {
    service: Arc<Service>,
    next: Instant,
    running: JoinSet<Duration>,
}

impl Chores {
    /// Chores that are due at once. Where the service ends, they end between two pages.
    pub(super) fn new(service: Arc<Service>) -> Self {
        Self { service, next: wall_clock::instant(), running: JoinSet::new() }
    }

    /// Begins them where they are due.
    pub(super) fn begin_due(&mut self) {
        let now = wall_clock::instant();
        match self.running.try_join_next() {
            Some(Ok(took)) => self.next = now + PAUSE.max(took.saturating_mul(REST)),
            Some(Err(error)) => tracing::error!(%error, "chores of webhooks failed"),
            None => {}
        }
        if self.running.is_empty() && self.next <= now {
            self.next = now + PAUSE;
            self.running.spawn(work(Arc::clone(&self.service)));
        }
    }

    /// Waits for what is under way: one page.
    pub(super) async fn finish(mut self) {
        while self.running.join_next().await.is_some() {}
    }
}

/// Does them once; how long that took.
async fn work(service: Arc<Service>) -> Duration {
    let begun = wall_clock::instant();
    let now = wall_clock::now();
    let mut overdue = Some(None);
    while let Some(after) = overdue.take().filter(|_| !service.health.is_ending()) {
        let told_until = service.office.lend(move |vendor| Ok(vendor.store.tell_overdue(now, after)?)).await;
        overdue = told(told_until).flatten().map(Some);
    }
    let mut old = Some(MessageId([0; 16]));
    while let Some(after) = old.take().filter(|_| !service.health.is_ending()) {
        let forget =
            service.office.lend(move |vendor| Ok(vendor.store.forget_deliveries(&after, now - KEPT)?));
        old = told(forget.await).flatten();
    }
    begun.elapsed()
}
