//! The door: who may see a page, signing in and out.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use schemas::codes::Code;
use schemas::event::authority::Role;
use schemas::ids::Digest;
use schemas::refusal::Refusal;
use serde::Deserialize;

use super::FIRST;
use super::session::{self, Session};
use super::trouble::trouble;
use crate::service::Service;
use crate::service::auth::{Operate, Rule};
use crate::service::client::Client;
use crate::service::html::form::Form;
use crate::service::html::frame::Frame;
use crate::service::html::page::{in_query, show, show_refused};
use crate::service::html::trouble::Trouble;
use crate::service::input::Query;
use crate::service::problem::Problem;
use crate::vendor::Vendor;
use crate::vendor::tokens::{Named, digest, token_name};
use crate::wall_clock;

/// Where the door is.
pub(super) const SIGN_IN: &str = "/operator/sign-in";
/// Longest address to which one goes on after signing in.
const THEN_BYTES: usize = 512;

/// Who is signed in.
#[derive(Clone, Debug)]
pub(super) struct Who {
    /// The operator, or what the token is called where the name was erased.
    pub(super) name: String,
    pub(super) role: Role,
    session: Session,
}

impl Who {
    /// What is kept of the token that was shown.
    pub(super) fn token(&self) -> Digest {
        self.session.token
    }

    /// Whether the role suffices for `R`.
    fn may<R: Rule>(&self) -> bool {
        self.role.number() <= R::ROLE.number()
    }

    /// Whether forms that change something are shown.
    pub(super) fn may_operate(&self) -> bool {
        self.may::<Operate>()
    }
}

/// Of a request that came through [`guard`].
impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Code::Unauthorized.into())
    }
}

/// Passes a request on whose session's token has a role that suffices for `R`; whoever is not signed in is led to the door.
pub(super) async fn guard<R: Rule>(
    State(service): State<Arc<Service>>,
    mut request: Request,
    next: Next,
) -> Response {
    let who = match who(&service, request.headers()).await {
        Ok(Some(who)) => who,
        Ok(None) => return to_the_door(&request),
        Err(refusal) => return Problem::from(refusal).into_response(),
    };
    if !who.may::<R>() {
        let detail = format!("the role {} is needed, and yours is {}", R::ROLE, who.role);
        return Problem::from(Refusal::new(Code::Forbidden, detail)).into_response();
    }
    let session = who.session;
    request.extensions_mut().insert(who);
    let mut response = next.run(request).await;
    if let Some(cookie) = service.sessions.renew(&session, wall_clock::now()) {
        response.headers_mut().entry(header::SET_COOKIE).or_insert(cookie);
    }
    response
}

/// Who made a request, if the cookie is good and its token still is.
async fn who(service: &Service, headers: &HeaderMap) -> Result<Option<Who>, Refusal> {
    let Some(session) = service.sessions.open(headers, wall_clock::now()) else { return Ok(None) };
    let find = move |vendor: &mut Vendor| valid(vendor, &session.token);
    let found = service.office.lend(find).await?;
    Ok(found.map(|Named { token, operator }| Who {
        name: operator.unwrap_or_else(|| token_name(&token.digest)),
        role: token.role,
        session,
    }))
}

fn valid(vendor: &mut Vendor, token: &Digest) -> Result<Option<Named>, Refusal> {
    let now = vendor.now();
    Ok(vendor.find_token(token)?.filter(|named| named.token.is_valid(now)))
}

/// To the door, and from there to the page that was asked for.
fn to_the_door(request: &Request) -> Response {
    let asked = request.uri().path_and_query().map_or(FIRST, |asked| asked.as_str());
    let location = match *request.method() {
        Method::GET if asked != FIRST && asked.len() <= THEN_BYTES => {
            format!("{SIGN_IN}?then={}", in_query(asked))
        }
        _ => SIGN_IN.to_owned(),
    };
    Redirect::to(&location).into_response()
}

/// The page on which one signs in.
#[derive(Template)]
#[template(path = "operator/sign_in.html")]
struct SignInPage<'a> {
    frame: &'a Frame,
    /// Where one goes on.
    then: &'a str,
    trouble: Option<&'a Trouble>,
}

/// Where one goes on after signing in.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Then {
    #[serde(default)]
    then: String,
}

/// `GET /operator/sign-in`
pub(super) async fn page(State(service): State<Arc<Service>>, Query(Then { then }): Query<Then>) -> Response {
    let page = SignInPage { frame: &service.html.frame, then: onward(&then), trouble: None };
    show(StatusCode::OK, &page)
}

/// `POST /operator/sign-in`
pub(super) async fn sign_in(
    State(service): State<Arc<Service>>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let read = |form: Form| (digest(form.word("token")), form.word("then").to_owned());
    let ((token, then), _place) =
        Form::receive(&service, client, &headers, body, &["token", "then"], read).await?;
    let then = onward(&then);
    let Some(named) = service.office.lend(move |vendor| valid(vendor, &token)).await? else {
        let trouble = trouble(&Code::Unauthorized.into());
        let page = SignInPage { frame: &service.html.frame, then, trouble: Some(&trouble) };
        return Ok(show_refused(&trouble, &page));
    };
    let cookie = service.sessions.begin(named.token.digest, wall_clock::now())?;
    Ok(with_cookie(Redirect::to(then), cookie))
}

/// `POST /operator/sign-out`
pub(super) async fn sign_out(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response {
    let now = wall_clock::now();
    let cookie = match service.sessions.open(&headers, now) {
        Some(session) => service.sessions.end(&session, now),
        None => session::none(),
    };
    with_cookie(Redirect::to(SIGN_IN), cookie)
}

fn with_cookie(redirect: Redirect, cookie: HeaderValue) -> Response {
    ([(header::SET_COOKIE, cookie)], redirect).into_response()
}

/// Where one goes on: a page of these, whatever was asked for.
fn onward(then: &str) -> &str {
    let is_ours =
        then.strip_prefix(FIRST).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    let is_plain =
        then.len() <= THEN_BYTES && then.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_ours && is_plain { then } else { FIRST }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_elsewhere() {
        for own in ["/operator", "/operator/licenses/1?before=x#timeline", "/operator?status=active"] {
            assert_eq!(onward(own), own);
        }
        for other in [
            "",
            "/",
            "//elsewhere.example",
            "https://elsewhere.example",
            "/operator.example",
            "/operator//\\x\u{e4}",
            "/operator/\r\nset-cookie: x=y",
            "operator",
        ] {
            assert_eq!(onward(other), FIRST, "{other}");
        }
    }
}
