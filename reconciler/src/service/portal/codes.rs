//! The way of a code through the portal: what it is, then what the vendor answers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use schemas::refusal::Refusal;

use super::page::{CodePage, Home, UnlockPage};
use super::routes::FIELDS;
use super::trouble::trouble;
use crate::service::Service;
use crate::service::client::Client;
use crate::service::codes::{Given, Mistake, Typed, Unlocked, is_wrong, lines};
use crate::service::html::form::Form;
use crate::service::html::page::{show, show_refused};
use crate::service::problem::Problem;
use crate::service::rates::Against;
use crate::vendor::codes::{AnsweredCode, CodeTerms};

/// `POST /code`: what a code says, from itself alone.
pub(super) async fn code(
    State(service): State<Arc<Service>>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let pages = Arc::clone(&service);
    let read = move |form: Form| {
        let typed = Typed::of(&form);
        match typed.read() {
            Ok(given) => told(&pages, &given),
            Err(mistake) => wrong(&pages, &typed, &mistake),
        }
    };
    let (page, _place) = Form::receive(&service, client, &headers, body, &FIELDS, read).await?;
    Ok(page)
}

/// `POST /unlock`: has the vendor answer it.
pub(super) async fn unlock(
    State(service): State<Arc<Service>>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let read = |form: Form| {
        let typed = Typed::of(&form);
        let given = typed.read();
        (typed, given)
    };
    let ((typed, given), _place) = Form::receive(&service, client, &headers, body, &FIELDS, read).await?;
    let answered = match given {
        Ok(given) => answered(&service, client, given).await,
        Err(mistake) => Err(Unanswered::Mistaken(mistake)),
    };
    match answered {
        Ok(answered) => Ok(unlocked(&service, &answered)),
        Err(Unanswered::Mistaken(mistake)) => Ok(wrong(&service, &typed, &mistake)),
        Err(Unanswered::Refused(problem)) => Err(problem),
    }
}

/// Why a code was not answered.
enum Unanswered {
    /// It can be mended in the form.
    Mistaken(Mistake),
    /// For another reason.
    Refused(Problem),
}

impl From<Refusal> for Unanswered {
    fn from(refusal: Refusal) -> Self {
        Mistake::of(refusal).map_or_else(|refusal| Self::Refused(refusal.into()), Self::Mistaken)
    }
}

/// Has a code answered, as often as strangers may try.
async fn answered(service: &Service, client: Client, given: Given) -> Result<AnsweredCode, Unanswered> {
    let (codes, against) = (&service.rates.codes, given.against());
    let too_many = |what, wait| Unanswered::Refused(Problem::too_many_of(what, wait));
    codes.take_from(client.0).map_err(|wait| too_many("codes from this network", wait))?;
    let attempt = codes.attempt(against, client.0).map_err(|wait| too_many(wrong_ones(against), wait))?;
    let answered = service.office.lend(move |vendor| given.answered(vendor, CodeTerms::default())).await;
    if !answered.as_ref().is_err_and(is_wrong) {
        attempt.does_not_count();
    }
    Ok(answered?)
}

fn wrong_ones(against: Against) -> &'static str {
    match against {
        Against::Key(_) => "wrong codes or keys for this licence key",
        Against::Chain(_) => "wrong codes for this device",
    }
}

fn told(service: &Service, given: &Given) -> Response {
    let lines = lines(given.code());
    show(StatusCode::OK, &CodePage { frame: &service.html.frame, given, lines: &lines })
}

fn unlocked(service: &Service, answered: &AnsweredCode) -> Response {
    let unlocked = Unlocked::of(answered);
    let trouble = unlocked.why_not.map(|code| trouble(&code.into()));
    let page = UnlockPage { frame: &service.html.frame, unlocked: &unlocked, trouble: trouble.as_ref() };
    show(StatusCode::OK, &page)
}

/// The first page, with what is wrong at the field where it is mended.
fn wrong(service: &Service, typed: &Typed, mistake: &Mistake) -> Response {
    let trouble = trouble(mistake.refusal());
    let code = typed.form(mistake, &trouble);
    show_refused(&trouble, &Home { code, ..Home::new(&service.html.frame) })
}
