//! Whether the service lives, whether it is ready, and what it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use schemas::codes::Code;
use schemas::numbers::{Micros, Seconds};
use schemas::refusal::Refusal;
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use super::Service;
use super::office::Office;
use super::problem::{Details, Problem};
use crate::vendor::Vendor;
use crate::wall_clock;

/// How far the clock may go back before the service is not ready: about what clocks of servers are set by.
const BACK: Seconds = Seconds(60);
/// How long it is believed that the ledger can be written.
const LOOK: Duration = Duration::from_secs(1);

/// How long somebody may take to look whether it can.
const PATIENCE: Duration = Duration::from_secs(10);

/// What readiness depends on beside the ledger.
#[derive(Debug)]
pub(super) struct Health {
    not_before: Micros,
    not_after: Micros,
    /// The latest time that was seen.
    seen: AtomicU64,
    is_ending: AtomicBool,
    /// Whether the ledger could be written, and when it was looked.
    writable: Mutex<Option<(Instant, Result<(), Refusal>)>>,
}

impl Health {
    /// That of a service of this vendor's.
    pub(super) fn of(vendor: &Vendor) -> Self {
        let certificate = &vendor.home.trusted_issuer().body;
        Self {
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            seen: AtomicU64::new(vendor.now().get()),
            is_ending: AtomicBool::new(false),
            writable: Mutex::new(None),
        }
    }

    /// From now on it is not ready: it ends.
    pub(super) fn end(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }

    /// Whether the ledger can be written. However many ask, it is looked once at a time, and not more often than is of use.
    async fn writable(&self, office: &Office) -> Result<(), Refusal> {
        let mut known = self.writable.lock().await;
        if let Some((at, writable)) = &*known
            && at.elapsed() < LOOK
        {
            return writable.clone();
        }
        let looked = office.lend(|vendor| Ok(vendor.store.check_writable()?));
        let writable = match tokio::time::timeout(PATIENCE, looked).await {
            Ok(writable) => writable,
            Err(_) => Err(Refusal::new(Code::NotReady, "nobody was free to look at the ledger")),
        };
        let writable = writable.map_err(|refusal| Refusal::new(Code::NotReady, refusal.to_string()));
        *known = Some((wall_clock::instant(), writable.clone()));
        writable
    }

    /// Whether it ends: nothing new is begun.
    pub(super) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }

    /// Why it is not ready at the time `now`, the ledger aside.
    fn judge(&self, now: Micros) -> Result<(), Refusal> {
        let seen = Micros::new(self.seen.fetch_max(now.get(), Ordering::Relaxed));
        let why = if self.is_ending() {
            "the service is ending".to_owned()
        } else if now + BACK < seen {
            format!("the clock went back from {seen} to {now}")
        } else if now < self.not_before || now >= self.not_after {
            format!("the issuer's certificate is valid from {} until {}", self.not_before, self.not_after)
        } else {
            return Ok(());
        };
        Err(Refusal::new(Code::NotReady, why))
    }
}

/// Whether the process lives
#[utoipa::path(get, path = "/livez", tag = "operations", operation_id = "livez",
    responses((status = 200, description = "It does", body = String, content_type = "text/plain")))]
pub(super) async fn live() -> &'static str {
    "alive\n"
}

/// Whether requests can be served: the ledger can be written, the keys are valid, the clock is sane
#[utoipa::path(get, path = "/readyz", tag = "operations", operation_id = "readyz",
    responses(
        (status = 200, description = "They can", body = String, content_type = "text/plain"),
        (status = 503, description = "Why not", body = Details, content_type = "application/problem+json"),
    ))]
pub(super) async fn ready(State(service): State<Arc<Service>>) -> Result<&'static str, Problem> {
    service.health.judge(wall_clock::now())?;
    service.health.writable(&service.office).await?;
    Ok("ready\n")
}

/// What this is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Version {
    /// The program's version.
    #[serde(rename = "version")]
    program: &'static str,
    /// The database that keeps the ledger, with its version.
    store: String,
    /// The environment that grants and packs name.
    environment: String,
}

/// The versions of the program and of its database
#[utoipa::path(get, path = "/version", tag = "operations", operation_id = "version",
    responses((status = 200, description = "The versions", body = Version)))]
pub(super) async fn version(State(service): State<Arc<Service>>) -> Result<Json<Version>, Problem> {
    let version = service
        .office
        .lend(|vendor| {
            let environment = vendor.home.environment().to_string();
            Ok(Version { program: env!("CARGO_PKG_VERSION"), store: vendor.store.version()?, environment })
        })
        .await?;
    Ok(Json(version))
}

/// What monitoring reads
#[utoipa::path(get, path = "/metrics", tag = "operations", operation_id = "metrics",
    responses((status = 200, description = "Metrics as Prometheus reads them", body = String, content_type = "text/plain")))]
pub(super) async fn metrics(State(service): State<Arc<Service>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], service.metrics.render()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_while_its_certificate_is_valid_and_its_clock_goes_on() {
        let at = |seconds: u64| Micros::new(seconds * 1_000_000);
        let health = Health {
            not_before: at(100),
            not_after: at(1_000),
            seen: AtomicU64::new(0),
            is_ending: AtomicBool::new(false),
            writable: Mutex::new(None),
        };
        assert!(health.judge(at(99)).is_err());
        assert!(health.judge(at(500)).is_ok());
        assert!(health.judge(at(440)).is_ok(), "set a little");
        assert!(health.judge(at(439)).is_err(), "the clock went back");
        assert!(health.judge(at(999)).is_ok());
        assert!(health.judge(at(1_000)).is_err());
        let other = Health { seen: AtomicU64::new(0), is_ending: AtomicBool::new(false), ..health };
        other.end();
        assert!(other.judge(at(500)).is_err());
    }
}
