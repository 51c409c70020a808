//! Answering the code of a device to which no file goes, for somebody at the telephone: as on the portal, with terms that only
//! the vendor may set.
//!
//! A code is answered once, however often it is sent: the ledger gives the same answer again. So the form has no number of its
//! own. It does not count what is wrong either, as the portal does: whoever is signed in may read every key.

use std::num::NonZeroU16;
use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use schemas::codes::Code;
use schemas::limits;
use schemas::refusal::Refusal;

use super::door::Who;
use super::mistakes::is_mistaken;
use super::trouble::trouble;
use crate::service::Service;
use crate::service::client::Client;
use crate::service::codes::{CodeForm, Mistake, Typed, Unlocked};
use crate::service::html::form::Form;
use crate::service::html::frame::Frame;
use crate::service::html::page::{show, show_refused};
use crate::service::html::trouble::Trouble;
use crate::service::problem::Problem;
use crate::vendor::codes::{AnsweredCode, CodeTerms};

/// Every field of the form.
const FIELDS: [&str; 4] = ["code", "key", "policy", "days"];

/// What is asked for.
#[derive(Template)]
#[template(path = "operator/codes.html")]
struct CodesPage<'a> {
    frame: &'a Frame,
    who: &'a Who,
    code: CodeForm<'a>,
    terms: &'a TypedTerms,
    /// What is wrong with something else than the code and the key.
    trouble: Option<&'a Trouble>,
}

impl CodesPage<'_> {
    fn is_refused(&self) -> bool {
        [self.trouble, self.code.code, self.code.key].iter().any(Option::is_some)
    }

    fn most_policies() -> u16 {
        limits::AIR_GAPPED_POLICIES
    }
}

/// The answer.
#[derive(Template)]
#[template(path = "operator/unlock.html")]
struct UnlockPage<'a> {
    frame: &'a Frame,
    who: &'a Who,
    unlocked: &'a Unlocked,
    /// Why the device may not work.
    trouble: Option<&'a Trouble>,
}

/// The terms as they were typed.
#[derive(Default)]
struct TypedTerms {
    policy: String,
    days: String,
}

impl TypedTerms {
    fn of(form: &Form) -> Self {
        Self { policy: form.word("policy").to_owned(), days: form.word("days").to_owned() }
    }

    /// Whether any was given.
    fn is_given(&self) -> bool {
        !self.policy.is_empty() || !self.days.is_empty()
    }

    fn read(&self) -> Result<CodeTerms, Refusal> {
        let invalid = |what: String| Refusal::new(Code::RequestInvalid, what);
        let given = |text: &str| Some(text).filter(|text| !text.is_empty()).map(str::parse::<NonZeroU16>);
        let most = limits::AIR_GAPPED_POLICIES;
        let policy = given(&self.policy)
            .transpose()
            .ok()
            .filter(|policy| policy.is_none_or(|policy| policy.get() <= most))
            .ok_or_else(|| invalid(format!("the policy’s number is one from 1 to {most}")))?;
        let valid_days = given(&self.days)
            .transpose()
            .map_err(|_| invalid(format!("the days of validity are a number from 1 to {}", u16::MAX)))?;
        Ok(CodeTerms { policy: policy.map(NonZeroU16::get), valid_days })
    }
}

/// `GET /operator/codes`
pub(super) async fn ask(State(service): State<Arc<Service>>, who: Who) -> Response {
    let page = CodesPage {
        frame: &service.html.frame,
        who: &who,
        code: CodeForm::default(),
        terms: &TypedTerms::default(),
        trouble: None,
    };
    show(StatusCode::OK, &page)
}

/// `POST /operator/codes`
pub(super) async fn make(
    State(service): State<Arc<Service>>,
    who: Who,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let read = |form: Form| (Typed::of(&form), TypedTerms::of(&form));
    let ((typed, terms), _place) = Form::receive(&service, client, &headers, body, &FIELDS, read).await?;
    let refusal = match answered(&service, &typed, &terms).await {
        Ok(answered) => return Ok(unlocked(&service, &who, &answered)),
        Err(Unanswered::Mistaken(mistake)) => return Ok(wrong(&service, &who, &typed, &terms, &mistake)),
        Err(Unanswered::Refused(refusal)) => refusal,
    };
    if !is_mistaken(&refusal) {
        return Err(refusal.into());
    }
    let trouble = trouble(&refusal);
    let code = CodeForm { typed: &typed.code, ..CodeForm::default() };
    let page =
        CodesPage { frame: &service.html.frame, who: &who, code, terms: &terms, trouble: Some(&trouble) };
    Ok(show_refused(&trouble, &page))
}

/// Why a code was not answered.
enum Unanswered {
    /// It can be mended in one of the fields that the portal has as well.
    Mistaken(Mistake),
    /// For another reason.
    Refused(Refusal),
}

impl From<Refusal> for Unanswered {
    fn from(refusal: Refusal) -> Self {
        Mistake::of(refusal).map_or_else(Self::Refused, Self::Mistaken)
    }
}

async fn answered(service: &Service, typed: &Typed, terms: &TypedTerms) -> Result<AnsweredCode, Unanswered> {
    let given = typed.read().map_err(Unanswered::Mistaken)?;
    let terms = terms.read()?;
    // One that is sent again meanwhile, by a double click, waits for the first, and gets the same answer.
    let turn = service.orders.turn().await;
    let answer = move |vendor: &mut crate::vendor::Vendor| {
        let _turn = turn;
        given.answered(vendor, terms)
    };
    Ok(service.office.lend(answer).await?)
}

fn unlocked(service: &Service, who: &Who, answered: &AnsweredCode) -> Response {
    let unlocked = Unlocked::of(answered);
    let trouble = unlocked.why_not.map(|code| trouble(&code.into()));
    let page = UnlockPage { frame: &service.html.frame, who, unlocked: &unlocked, trouble: trouble.as_ref() };
    show(StatusCode::OK, &page)
}

/// The form again, with what is wrong at the field where it is mended.
fn wrong(service: &Service, who: &Who, typed: &Typed, terms: &TypedTerms, mistake: &Mistake) -> Response {
    let trouble = trouble(mistake.refusal());
    let code = typed.form(mistake, &trouble);
    let page = CodesPage { frame: &service.html.frame, who, code, terms, trouble: None };
    show_refused(&trouble, &page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_read_as_numbers_and_left_out_where_nothing_is_typed() {
        let read = |policy: &str, days: &str| {
            let terms = TypedTerms { policy: policy.to_owned(), days: days.to_owned() };
            terms.read().map(|terms| (terms.policy, terms.valid_days.map(NonZeroU16::get)))
        };
        assert_eq!(read("", "").ok(), Some((None, None)));
        assert_eq!(read("63", "365").ok(), Some((Some(63), Some(365))));
        for (policy, days) in [("0", ""), ("64", ""), ("one", ""), ("", "0"), ("", "-1"), ("", "65536")] {
            let refusal = read(policy, days).expect_err("no such number");
            assert_eq!(refusal.code(), Code::RequestInvalid, "{policy} {days}");
        }
    }
}
