//! What monitoring reads, by the conventions of Prometheus: no label holds what a device or a customer could be known by.

use std::time::Duration;

use ::metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use schemas::codes::Code;
use schemas::refusal::Refusal;

use crate::merging::MergeReport;

/// Bounds of the buckets for the time of a request, in seconds.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

const REQUESTS: &str = "counterfoil_http_requests_total";
const REQUEST_SECONDS: &str = "counterfoil_http_request_duration_seconds";
const CONNECTIONS: &str = "counterfoil_http_connections";
const CHAINS: &str = "counterfoil_merged_chains_total";
const EVENTS: &str = "counterfoil_merged_events_total";
const WEBHOOKS: &str = "counterfoil_webhook_attempts_total";
const BUILD: &str = "counterfoil_build_info";

/// What was counted so far.
pub(super) struct Metrics(PrometheusHandle);

impl Metrics {
    /// Begins to count.
    ///
    /// # Errors
    /// `internal` where this process counts for somebody else already.
    pub(super) fn install() -> Result<Self, Refusal> {
        let failed = |error: &dyn std::error::Error| Refusal::from_error(Code::Internal, error);
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(REQUEST_SECONDS.to_owned()), &SECONDS)
            .map_err(|error| failed(&error))?
            .build_recorder();
        let handle = recorder.handle();
        ::metrics::set_global_recorder(recorder).map_err(|error| failed(&error))?;
        describe_counter!(REQUESTS, "Requests that were answered, by route, method and status");
        describe_histogram!(REQUEST_SECONDS, "Seconds from a request's head to its answer, by route");
        describe_gauge!(CONNECTIONS, "Connections that are open");
        describe_counter!(CHAINS, "Chains of bundles that were handed in, by what became of them");
        describe_counter!(EVENTS, "Events that were new");
        describe_counter!(WEBHOOKS, "Webhooks that were sent, by where the message stands afterwards");
        describe_gauge!(BUILD, "1, with the version");
        gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        Ok(Self(handle))
    }

    /// As Prometheus reads it.
    pub(super) fn render(&self) -> String {
        self.0.render()
    }

    /// Moves what was observed into buckets; called now and then, so that memory stays bounded while nobody reads.
    pub(super) fn tidy(&self) {
        self.0.run_upkeep();
    }
}

/// A request was answered.
pub(super) fn answered(route: &str, method: &'static str, status: u16, took: Duration) {
    let route = route.to_owned();
    counter!(REQUESTS, "route" => route.clone(), "method" => method, "status" => status.to_string())
        .increment(1);
    histogram!(REQUEST_SECONDS, "route" => route).record(took.as_secs_f64());
}

/// A connection was opened; it is closed when what is returned is dropped.
pub(super) fn connected() -> impl Drop {
    struct Open;
    impl Drop for Open {
        fn drop(&mut self) {
            gauge!(CONNECTIONS).decrement(1.0);
        }
    }
    gauge!(CONNECTIONS).increment(1.0);
    Open
}

/// What became of bundles that were handed in.
pub(super) fn merged(report: &MergeReport) {
    let outcomes = [
        ("merged", report.merged),
        ("known", report.known),
        ("parked", report.parked),
        ("forked", report.forked),
        ("refused", report.refused),
        ("denied", report.denied),
    ];
    for (outcome, count) in outcomes {
        counter!(CHAINS, "outcome" => outcome).increment(count);
    }
    counter!(EVENTS).increment(report.events);
}

/// A webhook was sent; `state` says where its message stands now.
pub(super) fn sent(state: &'static str) {
    counter!(WEBHOOKS, "state" => state).increment(1);
}
