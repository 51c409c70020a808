//! The operators' pages: whoever is signed in finds a licence and reads all that happened to it, and, with the role for it,
//! changes it.
//!
//! Each page says what the command line and `/v1` say, from the same values; each change is a form that asks why, and what
//! cannot be undone is shown before it is done. Which role a page needs is said here, where it gets its address.

mod activation;
mod bars;
mod change;
mod codes;
mod door;
mod event;
mod forks;
mod imports;
mod issue;
mod license;
mod licenses;
mod mistakes;
mod once;
mod quarantine;
mod reason;
mod session;
mod standing;
mod terms;
mod timeline;
mod trouble;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

pub(super) use self::once::Orders;
pub(super) use self::session::Sessions;
pub(super) use self::trouble::trouble;
use super::Service;
use super::auth::{Audit, Operate, Rule};
use super::html::origin;
use crate::vendor::licenses::StandingChange;

/// The first page.
pub(super) const FIRST: &str = "/operator";

/// The operators' routes. They answer with pages, so that they are no part of the API's description.
pub(super) fn router(service: &Arc<Service>) -> Router<Arc<Service>> {
    let door = Router::new()
        .route(door::SIGN_IN, get(door::page).post(door::sign_in))
        .route("/operator/sign-out", post(door::sign_out));
    door.merge(guarded::<Audit>(service, reading()))
        .merge(guarded::<Operate>(service, changing()))
        .layer(from_fn(origin::refuse_other_sites))
}

/// Pages for whoever may read.
fn reading() -> Router<Arc<Service>> {
    Router::new()
        .route(FIRST, get(licenses::search))
        .route("/operator/find", post(licenses::find))
        .route("/operator/licenses/{license}", get(license::page))
        .route("/operator/licenses/{license}/events/{chain}/{seq}", get(event::page))
        .route("/operator/activations/{chain}", get(activation::page))
        .route("/operator/quarantine", get(quarantine::list))
        .route("/operator/quarantine/{id}", get(quarantine::entry))
        .route("/operator/forks", get(forks::list))
        .route("/operator/imports", get(imports::list))
        .route("/operator/imports/{import}", get(imports::page))
        .route("/operator/webhooks", get(webhooks::list))
        .route("/operator/webhooks/{webhook}", get(webhooks::page))
        .route("/operator/webhooks/messages/{message}", get(webhooks::message))
}

/// Pages for whoever may change something.
fn changing() -> Router<Arc<Service>> {
    let mut routes = Router::new()
        .route("/operator/issue", get(issue::ask).post(issue::make))
        .route("/operator/codes", get(codes::ask).post(codes::make))
        .route("/operator/licenses/{license}/change", get(change::ask).post(change::make))
        .route("/operator/activations/{chain}/release", get(activation::ask).post(activation::release))
        .route("/operator/quarantine/{id}/retry", post(quarantine::retry))
        .route("/operator/quarantine/{id}/drop", get(quarantine::ask).post(quarantine::delete))
        .route("/operator/imports", post(imports::upload))
        .route("/operator/webhooks/{webhook}/replay", post(webhooks::replay_failed))
        .route("/operator/webhooks/messages/{message}/replay", post(webhooks::replay));
    for change in [StandingChange::Suspend, StandingChange::Resume, StandingChange::Revoke] {
        let address = format!("/operator/licenses/{{license}}/{}", standing::word(change));
        let ask = move |service, who, license| standing::ask(change, service, who, license);
        let make = move |service, who, license, client, headers, body| {
            standing::make(change, service, who, license, client, headers, body)
        };
        routes = routes.route(&address, get(ask).post(make));
    }
    routes
}

/// Routes that nobody reaches whose role does not suffice for `R`.
fn guarded<R: Rule + 'static>(service: &Arc<Service>, routes: Router<Arc<Service>>) -> Router<Arc<Service>> {
    routes.route_layer(from_fn_with_state(Arc::clone(service), door::guard::<R>))
}

/// Whether this is the address of one of the operators' pages.
pub(super) fn is_page(path: &str) -> bool {
    path.strip_prefix(FIRST).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
