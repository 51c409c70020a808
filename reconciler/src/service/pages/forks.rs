//! Device chains that were continued twice.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::door::Who;
use crate::service::Service;
use crate::service::html::frame::Frame;
use crate::service::html::list::List;
use crate::service::html::page::{moment, show};
use crate::service::problem::Problem;
use crate::shown::forks::{ForkLine, Forks};
use crate::shown::words;

/// The list.
#[derive(Template)]
#[template(path = "operator/forks.html")]
struct ForksPage<'a> {
    frame: &'a Frame,
    who: &'a Who,
    forks: &'a List<Fork>,
}

/// A fork.
struct Fork {
    short: String,
    chain: String,
    license: String,
    seq: u64,
    verdict: &'static str,
    branches: u64,
    policy: String,
    found_at: String,
}

impl Fork {
    fn of(fork: ForkLine) -> Self {
        Self {
            short: fork.fork,
            chain: fork.chain.to_string(),
            license: fork.license_id.to_string(),
            seq: fork.seq.0,
            verdict: fork.verdict.word(),
            branches: fork.branches,
            policy: fork.policy.to_string(),
            found_at: words::or(fork.found_at.map(moment), "without a short proof"),
        }
    }
}

/// `GET /operator/forks`
pub(super) async fn list(State(service): State<Arc<Service>>, who: Who) -> Result<Response, Problem> {
    let forks = service
        .office
        .lend(|vendor| Ok(List::of(Forks::read(vendor, None)?.forks.into_iter().map(Fork::of))))
        .await?;
    Ok(show(StatusCode::OK, &ForksPage { frame: &service.html.frame, who: &who, forks: &forks }))
}
