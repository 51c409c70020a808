//! `/v1/tokens`

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use schemas::codes::Code;
use schemas::event::authority::Role;
use schemas::refusal::Refusal;
use schemas::text::Text;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::options::SpanOrNever;
use crate::service::Service;
use crate::service::auth::{Administrate, Founder, May};
use crate::service::input::{Json, Path};
use crate::service::problem::{Problem, Refusals};
use crate::shown::tokens::{NewToken, TokenLine, Tokens};
use crate::vendor::tokens::VALID;

/// What is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct TokenOrder {
    /// Who is to hold it.
    #[schema(max_length = 256)]
    operator: String,
    /// `admin`, `operator` or `auditor`.
    role: String,
    /// How long it is of use, such as `90d`, or `never`; 365 days where nothing is said.
    valid: Option<String>,
}

/// Make a token; it is shown once
///
/// The first one is made with the token that the service prints when it begins without any, and is an admin's.
#[utoipa::path(
    post, path = "/v1/tokens", tag = "tokens", operation_id = "create_token", request_body = TokenOrder,
    security(("bearer" = ["admin"])),
    responses(
        (status = 201, description = "The token", body = NewToken),
        Refusals
    )
)]
pub(in crate::service) async fn create(
    State(service): State<Arc<Service>>,
    founder: Founder,
    Json(order): Json<TokenOrder>,
) -> Result<(StatusCode, Answer<NewToken>), Problem> {
    let TokenOrder { operator, role, valid } = order;
    let operator = Text::new(&operator).filter(|operator| !operator.as_str().trim().is_empty());
    let operator = operator.ok_or_else(|| Refusal::new(Code::TextInvalid, "operator"))?;
    let role: Role =
        role.parse().map_err(|why| Refusal::new(Code::RequestInvalid, format!("role: {why}")))?;
    let valid = match valid {
        Some(text) => {
            text.parse::<SpanOrNever>()
                .map_err(|why| Refusal::new(Code::RequestInvalid, format!("valid: {why}")))?
                .0
        }
        None => Some(VALID),
    };
    let is_first = matches!(founder, Founder::SetUp(_));
    if is_first && role != Role::Admin {
        return Err(Refusal::new(Code::Forbidden, "the first token is an admin's").into());
    }
    let made = service
        .office
        .lend(move |vendor| {
            let (bearer, token) = if is_first {
                vendor.create_first_token(&operator, valid)?
            } else {
                vendor.create_token(&operator, role, valid)?
            };
            Ok(NewToken::of(&bearer, token, operator.to_string(), vendor.now()))
        })
        .await?;
    if let Founder::SetUp(shown) = founder {
        service.setup.spend(&shown);
    }
    Ok((StatusCode::CREATED, Answer(made)))
}

/// List the tokens
#[utoipa::path(
    get, path = "/v1/tokens", tag = "tokens", operation_id = "list_tokens", security(("bearer" = ["admin"])),
    responses(
        (status = 200, description = "All of them, the earliest first", body = Tokens),
        Refusals
    )
)]
pub(in crate::service) async fn list(
    State(service): State<Arc<Service>>,
    _may: May<Administrate>,
) -> Result<Answer<Tokens>, Problem> {
    let tokens = service
        .office
        .lend(|vendor| {
            let now = vendor.now();
            Ok(vendor.tokens()?.into_iter().map(|named| TokenLine::of(named, now)).collect())
        })
        .await?;
    Ok(Answer(Tokens { tokens }))
}

/// A token that was revoked.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::service) struct RevokedToken {
    /// What it is called.
    name: String,
}

/// Make a token useless, at once and for good
#[utoipa::path(
    delete, path = "/v1/tokens/{name}", tag = "tokens", operation_id = "revoke_token", security(("bearer" = ["admin"])),
    params(("name" = String, Path, description = "What it is called")),
    responses(
        (status = 200, description = "It is", body = RevokedToken),
        Refusals
    )
)]
pub(in crate::service) async fn revoke(
    State(service): State<Arc<Service>>,
    _may: May<Administrate>,
    Path(name): Path<String>,
) -> Result<Answer<RevokedToken>, Problem> {
    let revoked =
        service.office.lend(move |vendor| vendor.revoke_token(&name).map(|_| RevokedToken { name })).await?;
    Ok(Answer(revoked))
}
