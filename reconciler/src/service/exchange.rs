//! The devices' routes: a bundle in, grants out, in the same bytes as by file. They need no token: the chains prove
//! themselves.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use schemas::bundle::{Answer, encode_answers};
use schemas::codes::Code;
use schemas::ids::{ChainId, KeyReference};
use schemas::refusal::Refusal;

use super::Service;
use super::client::Client;
use super::input::{Path, refuse_other_content};
use super::problem::{Details, Problem};
use crate::merging::{EXCHANGE, Submission};

/// A bundle.
pub(super) const BUNDLE: &str = "application/vnd.counterfoil.bundle";
/// Grants.
pub(super) const GRANT: &str = "application/vnd.counterfoil.grant";

/// Take in a bundle and answer it
///
/// The body is a bundle as a file holds it, binary or as text. The answer holds the newest grant of each of its chains, or a
/// signed notice, as a licence file does. The same bundle again gets the same answer; when it comes, all that it says is
/// durable.
#[utoipa::path(
    post, path = "/v1/exchange", tag = "devices", operation_id = "exchange",
    request_body(content = Vec<u8>, content_type = "application/vnd.counterfoil.bundle"),
    responses(
        (status = 200, description = "Grants", content_type = "application/vnd.counterfoil.grant", body = Vec<u8>),
        (status = 408, description = "It came too slowly", content_type = "application/problem+json", body = Details),
        (status = 413, description = "It is too large", content_type = "application/problem+json", body = Details),
        (status = 415, description = "It is no bundle", content_type = "application/problem+json", body = Details),
        (status = 422, description = "It is damaged; it is kept in quarantine", content_type = "application/problem+json", body = Details),
        (status = 429, description = "Too many requests", content_type = "application/problem+json", body = Details),
        (status = 503, description = "Too much to do", content_type = "application/problem+json", body = Details),
    )
)]
pub(super) async fn exchange(
    State(service): State<Arc<Service>>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    // A form that somebody's browser was made to send is no bundle.
    refuse_other_content(&headers, |kind| matches!(kind, BUNDLE | "application/octet-stream"))?;
    let received = service.bodies.receive(client.0, body).await?;
    let (submission, _place) = service.desk.read(EXCHANGE, received).await?;
    let answers = take_in(&service, client, submission).await?;
    Ok(grants(&answers))
}

/// Takes a bundle in, within the limits of its licences, and returns what it is answered.
///
/// # Errors
/// `unknown_file`, `rate_limited`; as [`super::desk::Desk::hand_in`].
pub(super) async fn take_in(
    service: &Service,
    client: Client,
    submission: Submission,
) -> Result<Vec<Answer>, Problem> {
    // What is no bundle at all is nobody's evidence.
    if let Some(refusal) = submission.refusal().filter(|refusal| refusal.code() == Code::UnknownFile) {
        return Err(refusal.clone().into());
    }
    let references = submission.references();
    for reference in references.iter().flatten() {
        service.rates.take_for(*reference, client.0).map_err(Problem::too_many)?;
    }
    let answers = service.desk.hand_in(submission).await?;
    // Each licence counts once, and only where one of its own devices was given a grant.
    if answers.len() == references.len() {
        let granted =
            references.into_iter().zip(&answers).filter(|(_, answer)| matches!(answer, Answer::Grant(_)));
        let granted: BTreeSet<KeyReference> = granted.filter_map(|(reference, _)| reference).collect();
        for reference in granted {
            service.rates.answered(reference);
        }
    }
    Ok(answers)
}

/// The newest grant of a device chain
#[utoipa::path(
    get, path = "/v1/grants/{chain}", tag = "devices", operation_id = "newest_grant",
    params(("chain" = String, Path, description = "The device chain, 64 hexadecimal digits")),
    responses(
        (status = 200, description = "The grant", content_type = "application/vnd.counterfoil.grant", body = Vec<u8>),
        (status = 403, description = "There is none yet", content_type = "application/problem+json", body = Details),
        (status = 404, description = "The chain is not known", content_type = "application/problem+json", body = Details),
    )
)]
pub(super) async fn newest_grant(
    State(service): State<Arc<Service>>,
    Path(chain): Path<String>,
) -> Result<Response, Problem> {
    let unknown = |_| Refusal::from(Code::ChainUnknown);
    let chain: ChainId = chain.parse().map_err(unknown)?;
    let grant = service
        .office
        .lend(move |vendor| {
            let license = vendor.store.license_of_chain(&chain)?.ok_or(Code::ChainUnknown)?;
            vendor.grant(&license, &chain)
        })
        .await?;
    Ok(grants(&[Answer::Grant(Box::new(grant))]))
}

/// Answers as a licence file holds them.
pub(super) fn grants(answers: &[Answer]) -> Response {
    ([(header::CONTENT_TYPE, GRANT)], encode_answers(answers)).into_response()
}
