//! All routes, and their description in OpenAPI 3.1, which is made from the same declarations.

use std::any::Any;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use schemas::codes::Code;
use schemas::refusal::Refusal;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::Shared;
use super::html::page::as_pages;
use super::problem::Problem;
use super::{Service, api, exchange, guard, health, html, pages, portal};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Counterfoil",
        description = "The licence ledger over HTTP. Refusals are problem details (RFC 9457) with a stable `code`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "devices", description = "For devices: no token, the chains prove themselves"),
        (name = "catalog", description = "Products, policies and customers"),
        (name = "licenses", description = "Licences"),
        (name = "activations", description = "Devices and their seats"),
        (name = "quarantine", description = "What could not be merged"),
        (name = "forks", description = "Devices that were copied or set back"),
        (name = "imports", description = "Bundles that are uploaded to be merged"),
        (name = "tokens", description = "Who may use the management interface"),
        (name = "webhooks", description = "Endpoints that are told what happens"),
        (name = "operations", description = "For whoever keeps the service running"),
    ),
    modifiers(&Bearers),
)]
struct Api;

/// Tokens as the description tells of them.
struct Bearers;

impl Modify for Bearers {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        api.components.get_or_insert_default().add_security_scheme("bearer", scheme);
    }
}

fn described() -> (Router<Arc<Service>>, utoipa::openapi::OpenApi) {
    let (router, mut api) = routes();
    for item in
        api.paths.paths.iter_mut().filter(|(path, _)| api::repeat::is_kept(path)).map(|(_, item)| item)
    {
        let post = item.post.as_mut().filter(|operation| operation.security.is_some());
        if let Some(post) = post {
            post.parameters.get_or_insert_default().push(api::repeat::described().into());
        }
    }
    (router, api)
}

fn routes() -> (Router<Arc<Service>>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(exchange::exchange))
        .routes(routes!(exchange::newest_grant))
        .routes(routes!(api::catalog::list_products, api::catalog::create_product))
        .routes(routes!(api::catalog::show_product))
        .routes(routes!(api::catalog::list_policies, api::catalog::create_policy))
        .routes(routes!(api::catalog::show_policy))
        .routes(routes!(api::catalog::list_customers, api::catalog::create_customer))
        .routes(routes!(api::licenses::list, api::licenses::issue))
        .routes(routes!(api::licenses::import))
        .routes(routes!(api::licenses::show, api::licenses::change))
        .routes(routes!(api::licenses::suspend))
        .routes(routes!(api::licenses::resume))
        .routes(routes!(api::licenses::revoke))
        .routes(routes!(api::licenses::history))
        .routes(routes!(api::licenses::release_silent))
        .routes(routes!(api::activations::list))
        .routes(routes!(api::activations::show))
        .routes(routes!(api::activations::release))
        .routes(routes!(api::activations::write_off))
        .routes(routes!(api::activations::refresh))
        .routes(routes!(api::quarantine::list))
        .routes(routes!(api::quarantine::retry))
        .routes(routes!(api::quarantine::show, api::quarantine::discard))
        .routes(routes!(api::quarantine::content))
        .routes(routes!(api::forks::list))
        .routes(routes!(api::forks::proof))
        .routes(routes!(api::imports::list, api::imports::create))
        .routes(routes!(api::imports::show))
        .routes(routes!(api::imports::findings))
        .routes(routes!(api::imports::answers))
        .routes(routes!(api::tokens::list, api::tokens::create))
        .routes(routes!(api::tokens::revoke))
        .routes(routes!(api::webhooks::list, api::webhooks::create))
        .routes(routes!(api::webhooks::remove))
        .routes(routes!(api::webhooks::deliveries))
        .routes(routes!(api::webhooks::replay))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::version))
        .routes(routes!(health::metrics))
        .split_for_parts()
}

/// The description as `/openapi.json` gives it.
fn text(api: &utoipa::openapi::OpenApi) -> String {
    api.to_pretty_json().expect("the description is made of text and maps of text")
}

/// All routes of a service.
pub(super) fn router(service: Arc<Service>) -> Router {
    let (router, api) = described();
    let api = Bytes::from(text(&api));
    router
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&service), api::repeat::once))
        .merge(html::router())
        .merge(portal::router())
        .merge(pages::router(&service))
        .route(
            "/openapi.json",
            get(
                move || async move { (Extension(Shared), [(header::CONTENT_TYPE, "application/json")], api) },
            ),
        )
        .fallback(|| async { Problem::from(Code::RouteUnknown) })
        .method_not_allowed_fallback(|| async { Problem::from(Code::MethodNotAllowed) })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&service), guard::guard))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&service), as_pages))
        .with_state(service)
}

/// A fault of the program is a matter of the request that met it.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands the panic over")]
fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let said = panic.downcast_ref::<&str>().map(|said| (*said).to_owned());
    let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
    Problem::from(Refusal::new(Code::Internal, said.unwrap_or_default())).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;
    use utoipa::openapi::PathItem;
    use utoipa::openapi::path::Operation;

    use super::*;

    const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

    /// `UPDATE_DOCS=1 cargo test -p counterfoil-reconciler openapi` writes it anew.
    #[test]
    fn the_committed_description_is_what_the_code_says() {
        let text = text(&described().1) + "\n";
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(COMMITTED, &text).expect("writable");
        }
        let committed = std::fs::read_to_string(COMMITTED).expect("it is committed");
        assert_eq!(committed, text, "docs/openapi.json is not current");
    }

    /// Whoever adds a route says who may use it: here, or by a role in its description, which `tests/tests/api.rs` tries.
    const FOR_EVERYBODY: [&str; 6] = ["exchange", "newest_grant", "livez", "readyz", "version", "metrics"];

    #[test]
    fn every_route_has_a_rule() {
        let mut open = BTreeSet::new();
        for item in described().1.paths.paths.into_values() {
            for operation in operations(item) {
                let name = operation.operation_id.expect("every route has a name");
                let Some(security) = operation.security else {
                    open.insert(name);
                    continue;
                };
                let rule = serde_json::to_value(&security).expect("it is text");
                let roles: Vec<&str> =
                    rule[0]["bearer"].as_array().expect("roles").iter().filter_map(Value::as_str).collect();
                assert!(matches!(roles[..], ["admin" | "operator" | "auditor"]), "{name}: {rule}");
            }
        }
        assert_eq!(open, FOR_EVERYBODY.map(ToOwned::to_owned).into());
    }

    fn operations(item: PathItem) -> impl Iterator<Item = Operation> {
        [item.get, item.post, item.put, item.delete, item.patch].into_iter().flatten()
    }

    #[test]
    fn every_route_says_what_it_does_and_has_a_name() {
        for (path, item) in described().1.paths.paths {
            for operation in operations(item) {
                assert!(operation.summary.is_some() && operation.operation_id.is_some(), "{path}");
                assert!(!operation.responses.responses.is_empty(), "{path}");
            }
        }
    }
}
