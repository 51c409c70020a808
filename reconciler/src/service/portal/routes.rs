//! The steps of the portal, one function each.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use data_encoding::HEXLOWER;
use ledger::inspect::inspect;
use schemas::armor;
use schemas::bundle::Answer;
use schemas::codes::Code;
use schemas::container::FileKind;
use schemas::ids::ChainId;
use schemas::refusal::Refusal;
use sha2::{Digest as _, Sha256};

use super::answer::{self, Answered};
use super::page::{AnswerPage, Home, RequestPage, SeatsPage};
use super::reading::Reading;
use super::seats::Seats;
use super::trouble::trouble;
use crate::merging::{PORTAL, Submission};
use crate::service::Service;
use crate::service::client::Client;
use crate::service::exchange::{GRANT, take_in};
use crate::service::html::form::Form;
use crate::service::html::page::{show, show_refused};
use crate::service::html::trouble::Trouble;
use crate::service::problem::Problem;

/// Every field of a form of the portal.
pub(super) const FIELDS: [&str; 6] = ["file", "text", "digest", "chain", "key", "code"];
/// Bytes of a file that a page carries to the next step. A larger one is chosen again, so that pages that are read slowly
/// hold little memory.
const CARRIED: usize = 1024 * 1024;

/// `GET /`
pub(super) async fn home(State(service): State<Arc<Service>>) -> Response {
    show(StatusCode::OK, &Home::new(&service.html.frame))
}

/// A step that was opened by its address begins with the first one.
pub(super) async fn begin() -> Redirect {
    Redirect::to("/")
}

/// `POST /request`: what the file is and what it discloses.
pub(super) async fn request(
    State(service): State<Arc<Service>>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let pages = Arc::clone(&service);
    let read = move |form: Form| match form.into_file() {
        Ok(file) => told(&pages, &file),
        Err(refusal) => wrong_file(&pages, &trouble(&refusal)),
    };
    let (page, _place) = Form::receive(&service, client, &headers, body, &FIELDS, read).await?;
    Ok(page)
}

/// `POST /content`: all of a file that a page carries, in words.
pub(super) async fn content(
    State(service): State<Arc<Service>>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let read = |form: Form| match form.into_file()? {
        file if file.len() > CARRIED => Err(Code::TooLarge.into()),
        file => inspect(&file).map(|read| read.to_string()),
    };
    let (text, _place) = Form::receive(&service, client, &headers, body, &FIELDS, read).await?;
    Ok(attached("text/plain; charset=utf-8", "content.txt", text?.into_bytes()))
}

/// `POST /answer`: takes the bundle in and answers it.
pub(super) async fn answer(
    State(service): State<Arc<Service>>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let read = |form: Form| {
        let digest = form.word("digest").to_owned();
        let file = form.into_file()?;
        refuse_other(&digest, &file)?;
        Ok::<_, Refusal>(Submission::read(PORTAL, file))
    };
    let (submission, _place) = Form::receive(&service, client, &headers, body, &FIELDS, read).await?;
    let answers = take_in(&service, client, submission?).await?;
    Ok(answered(&service, &answers)?)
}

/// `POST /refresh`: the newest licence file of a device that is named by its whole reference, with new deadlines.
pub(super) async fn refresh(
    State(service): State<Arc<Service>>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (typed, _place) =
        Form::receive(&service, client, &headers, body, &FIELDS, |form| form.word("chain").to_owned())
            .await?;
    match renewed(&service, &typed).await {
        Ok(answer) => Ok(answered(&service, &[answer])?),
        Err(Renewal::Unknown(refusal)) => Ok(wrong_chain(&service, &trouble(&refusal), &typed)),
        Err(Renewal::Refused(problem)) => Err(problem),
    }
}

/// `POST /seats`: the seats of the licence whose key is typed.
pub(super) async fn seats(
    State(service): State<Arc<Service>>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (typed, _place) =
        Form::receive(&service, client, &headers, body, &FIELDS, |form| form.word("key").to_owned()).await?;
    let frame = &service.html.frame;
    match service.office.lend(move |vendor| Seats::of(vendor, &typed)).await {
        Ok(seats) => Ok(show(StatusCode::OK, &SeatsPage { frame, seats: &seats })),
        Err(refusal) if matches!(refusal.code(), Code::LicenseKeyMistyped | Code::LicenseNotFound) => {
            let trouble = trouble(&refusal);
            Ok(show_refused(&trouble, &Home { key: Some(&trouble), ..Home::new(frame) }))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// `POST /release`: takes back the seat of a device that is lost, for whoever types the licence key once more.
pub(super) async fn release(
    State(service): State<Arc<Service>>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let words = |form: Form| (form.word("key").to_owned(), form.word("chain").to_owned());
    let ((key, chain), _place) = Form::receive(&service, client, &headers, body, &FIELDS, words).await?;
    let seats = service.office.lend(move |vendor| Seats::release(vendor, &key, &chain)).await?;
    Ok(show(StatusCode::OK, &SeatsPage { frame: &service.html.frame, seats: &seats }))
}

/// `POST /licence-file`: the licence file that a page carries, to be saved.
pub(super) async fn licence_file(
    State(service): State<Arc<Service>>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let read = |form: Form| form.into_file().and_then(answer::licence_file);
    let (file, _place) = Form::receive(&service, client, &headers, body, &FIELDS, read).await?;
    Ok(attached(GRANT, "licence.cfgrant", file?))
}

/// Why a device was not refreshed.
enum Renewal {
    /// There is none of this name.
    Unknown(Refusal),
    /// For another reason.
    Refused(Problem),
}

impl From<Refusal> for Renewal {
    fn from(refusal: Refusal) -> Self {
        match refusal.code() {
            Code::ChainUnknown => Self::Unknown(refusal),
            _ => Self::Refused(refusal.into()),
        }
    }
}

/// A new grant for the device of exactly this reference: nobody finds devices by trying beginnings. It is counted against
/// the limit of its licence, because each one is an event.
async fn renewed(service: &Service, typed: &str) -> Result<Answer, Renewal> {
    let chain: ChainId = typed.parse().map_err(|_| Refusal::from(Code::ChainUnknown))?;
    let find = move |vendor: &mut crate::vendor::Vendor| {
        let (license, _) = vendor.find_chain(&chain.to_string())?;
        let key = vendor.find_license(&license.to_string())?.key;
        Ok((license, key))
    };
    let (license, key) = service.office.lend(find).await?;
    service.rates.take_refresh(key).map_err(|wait| Renewal::Refused(Problem::too_many(wait)))?;
    let grant = service.office.lend(move |vendor| vendor.refresh(&license, chain)).await?;
    Ok(Answer::Grant(Box::new(grant)))
}

fn told(service: &Service, file: &[u8]) -> Response {
    let reading = match Reading::of(file) {
        Ok(reading) => reading,
        Err(trouble) => return wrong_file(service, &trouble),
    };
    let carried = (file.len() <= CARRIED).then(|| armor::armor(FileKind::Bundle, file));
    let page = RequestPage {
        frame: &service.html.frame,
        reading: &reading,
        carried: carried.as_deref(),
        digest: &digest(file),
    };
    show(StatusCode::OK, &page)
}

fn answered(service: &Service, answers: &[Answer]) -> Result<Response, Refusal> {
    let answered = Answered::of(answers)?;
    let page = AnswerPage {
        frame: &service.html.frame,
        summary: &answer::summary(&answered.devices),
        devices: &answered.devices,
        text: &answered.text,
        picture: answered.picture.as_ref(),
    };
    Ok(show(StatusCode::OK, &page))
}

/// The first page, with what is wrong at the field where it can be mended.
fn wrong_file(service: &Service, trouble: &Trouble) -> Response {
    show_refused(trouble, &Home { file: Some(trouble), ..Home::new(&service.html.frame) })
}

fn wrong_chain(service: &Service, trouble: &Trouble, typed: &str) -> Response {
    show_refused(trouble, &Home { chain: Some(trouble), typed, ..Home::new(&service.html.frame) })
}

/// A file that is too large for a page is chosen again: it is the one that was read.
fn refuse_other(said: &str, file: &[u8]) -> Result<(), Refusal> {
    if said.is_empty() || said == digest(file) {
        return Ok(());
    }
    Err(Refusal::new(Code::RequestInvalid, "this is another file than the one that was read"))
}

fn digest(file: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(file))
}

/// A file to be saved under a name.
fn attached(kind: &'static str, name: &str, bytes: Vec<u8>) -> Response {
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}
