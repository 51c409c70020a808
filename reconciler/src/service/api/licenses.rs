//! `/v1/licenses`

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use ledger::authority::Standing;
use schemas::codes::Code;
use schemas::ids::LicenseId;
use schemas::refusal::Refusal;
use schemas::text::Text;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::cursor::{self, Paging};
use super::terms::TermsOrder;
use crate::options::PolicyOptions;
use crate::service::Service;
use crate::service::auth::{Audit, May, Operate};
use crate::service::input::{Csv, Json, Path, Query};
use crate::service::problem::{Details, Problem, Refusals};
use crate::shown::activations::SilentSeats;
use crate::shown::history::{self, HistoryLine};
use crate::shown::licenses::{ChangedLicense, IssuedLine, LicenseDetails, LicenseLine, LicenseStanding};
use crate::vendor::Vendor;
use crate::vendor::licenses::{IssueOrder, LicenseVersion, PER_COMMIT, StandingChange, Wanted};
use crate::vendor::sheet::OfLine;

/// Which licences are listed.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::service) struct LicenseQuery {
    /// Only of this product.
    pub(in crate::service) product: Option<String>,
    /// Only issued from this policy.
    pub(in crate::service) policy: Option<String>,
    /// Only of this customer, by name or identifier.
    pub(in crate::service) customer: Option<String>,
    /// Only standing so: `active`, `suspended` or `revoked`.
    pub(in crate::service) status: Option<String>,
    /// At most so many, up to 500; 50 where nothing is said.
    limit: Option<u64>,
    /// Where the page before ended: its `next_cursor`.
    pub(in crate::service) cursor: Option<String>,
}

impl LicenseQuery {
    /// The same without what nobody filled in, which a form sends as empty.
    pub(in crate::service) fn filled_in(self) -> Self {
        let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        Self {
            product: filled(self.product),
            policy: filled(self.policy),
            customer: filled(self.customer),
            status: filled(self.status),
            limit: self.limit,
            cursor: filled(self.cursor),
        }
    }

    /// The page that is asked for.
    ///
    /// # Errors
    /// When it is not understood, or names what does not exist.
    pub(in crate::service) async fn page(self, service: &Service) -> Result<LicensePage, Refusal> {
        let (filter, size) = (self.filter(), cursor::size(self.limit)?);
        let wanted = self.wanted()?;
        service.office.lend(move |vendor| page(vendor, wanted, size, &filter)).await
    }

    /// The list that a cursor belongs to.
    fn filter(&self) -> String {
        format!("licenses {:?}", (&self.product, &self.policy, &self.customer, &self.status))
    }

    fn wanted(self) -> Result<Wanted, Refusal> {
        let after = self.cursor.as_ref().map(|cursor| cursor::read(cursor, &self.filter())).transpose()?;
        let name = |text: Option<String>, what| {
            text.map(|text| Text::new(&text).ok_or_else(|| Refusal::new(Code::TextInvalid, what))).transpose()
        };
        let is_standing = |word: &String| {
            [Standing::Active, Standing::Suspended, Standing::Revoked]
                .iter()
                .any(|standing| standing.word() == word)
        };
        if self.status.as_ref().is_some_and(|status| !is_standing(status)) {
            return Err(Refusal::new(Code::RequestInvalid, "status is active, suspended or revoked"));
        }
        Ok(Wanted {
            product: name(self.product, "product")?,
            policy: name(self.policy, "policy")?,
            customer: self.customer,
            standing: self.status,
            after: after.map(LicenseId),
            limit: None,
        })
    }
}

/// A page of licences.
#[derive(Default, Serialize, ToSchema)]
pub(in crate::service) struct LicensePage {
    /// In the order of their identifiers.
    pub(in crate::service) licenses: Vec<LicenseLine>,
    /// From where the next page goes on; absent: this is the last one.
    pub(in crate::service) next_cursor: Option<String>,
}

/// List licences
#[utoipa::path(
    get, path = "/v1/licenses", tag = "licenses", operation_id = "list_licenses", params(LicenseQuery),
    security(("bearer" = ["auditor"])),
    responses((status = 200, description = "A page of them", body = LicensePage), Refusals)
)]
pub(in crate::service) async fn list(
    State(service): State<Arc<Service>>,
    _may: May<Audit>,
    Query(query): Query<LicenseQuery>,
) -> Result<Answer<LicensePage>, Problem> {
    Ok(Answer(query.page(&service).await?))
}

/// The page of what is wanted that has `size` lines at most.
fn page(vendor: &mut Vendor, wanted: Wanted, size: u64, filter: &str) -> Result<LicensePage, Refusal> {
    // One more than the page holds tells whether another one follows.
    let asked = vendor.license_filter(Wanted { limit: Some(size + 1), ..wanted })?;
    let names = vendor.customer_names()?;
    let found = vendor.store.licenses(&asked)?;
    let (found, next_cursor) = cursor::page(found, size, filter, |license| license.id.as_bytes().to_vec());
    let licenses = found.into_iter().map(|license| LicenseLine::of(license, &names)).collect();
    Ok(LicensePage { licenses, next_cursor })
}

/// What is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct LicenseOrder {
    /// The policy that it is issued from.
    #[schema(value_type = String)]
    policy: Text,
    /// The customer, by name or identifier; a new name adds a customer. It may be left out for a trial.
    #[schema(value_type = Option<String>, max_length = 256)]
    customer: Option<Text>,
    /// Whether it is the product's trial: one licence for all devices that try the product.
    #[serde(default)]
    trial: bool,
    /// How many of the same, up to 500; 1 where nothing is said.
    #[schema(minimum = 1, maximum = 500)]
    count: Option<u32>,
    /// What departs from the policy, for this licence only.
    #[serde(default)]
    terms: TermsOrder,
}

/// Most licences that one request issues: one commit makes them all, or none.
const MOST_AT_ONCE: u32 = PER_COMMIT;

/// Licences that were issued.
#[derive(Serialize, ToSchema)]
pub(in crate::service) struct IssuedLicenses {
    /// In no order that means anything.
    licenses: Vec<IssuedLine>,
}

/// Issue licences
#[utoipa::path(
    post, path = "/v1/licenses", tag = "licenses", operation_id = "issue_licenses", request_body = LicenseOrder,
    security(("bearer" = ["operator"])),
    responses((status = 201, description = "The licences with their keys", body = IssuedLicenses), Refusals)
)]
pub(in crate::service) async fn issue(
    State(service): State<Arc<Service>>,
    _may: May<Operate>,
    Json(order): Json<LicenseOrder>,
) -> Result<(StatusCode, Answer<IssuedLicenses>), Problem> {
    let LicenseOrder { policy, customer, trial: is_trial, count, terms } = order;
    let count = count.unwrap_or(1);
    if !(1..=MOST_AT_ONCE).contains(&count) || (is_trial && count != 1) {
        return Err(Refusal::new(Code::RequestInvalid, "count is from 1 to 500, and 1 for a trial").into());
    }
    if customer.as_ref().map_or(!is_trial, |name| name.as_str().trim().is_empty()) {
        return Err(Refusal::new(Code::RequestInvalid, "customer is missing").into());
    }
    let overrides = terms.options()?;
    let licenses = service
        .office
        .lend(move |vendor| {
            let customer = customer.as_ref();
            let order = IssueOrder { policy: &policy, customer, is_trial, count, overrides: &overrides };
            let mut issued = Vec::new();
            vendor.issue_from(&order, &mut |license, customer| {
                issued.push(IssuedLine::of(&license, &policy, customer));
                Ok(())
            })?;
            Ok(issued)
        })
        .await?;
    Ok((StatusCode::CREATED, Answer(IssuedLicenses { licenses })))
}

/// Issue a licence for every line of a table
///
/// As `counterfoil license import`: the first line names the columns, `policy` and `customer`, and any option of
/// `license issue` without its hyphens in front; `count` makes several of one line. One commit issues them all, up to 500, or
/// none where a line is not valid. Customers that are new are there before.
#[utoipa::path(
    post, path = "/v1/licenses/import", tag = "licenses", operation_id = "import_licenses",
    security(("bearer" = ["operator"])),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 201, description = "The licences with their keys", body = IssuedLicenses), Refusals)
)]
pub(in crate::service) async fn import(
    State(service): State<Arc<Service>>,
    _may: May<Operate>,
    Csv(table): Csv,
) -> Result<(StatusCode, Answer<IssuedLicenses>), Problem> {
    let issue = move |vendor: &mut Vendor| {
        let sheet = vendor.read_sheet(&table, MOST_AT_ONCE as usize)?;
        let mut licenses = Vec::new();
        vendor.issue_sheet(&sheet, &mut |OfLine { issued, policy, customer }| {
            licenses.push(IssuedLine::of(&issued, policy, customer.as_str()));
            Ok(())
        })?;
        Ok(licenses)
    };
    let licenses = service.office.lend(issue).await?;
    Ok((StatusCode::CREATED, Answer(IssuedLicenses { licenses })))
}

/// Show a licence: its terms, its quotas, its activations
///
/// Its `ETag` is what a change of it names in `If-Match`. The key is there for operators.
#[utoipa::path(
    get, path = "/v1/licenses/{license}", tag = "licenses", operation_id = "show_license",
    security(("bearer" = ["auditor"])),
    params(("license" = String, Path, description = "The licence, by its identifier or key")),
    responses(
        (status = 200, description = "The licence", body = LicenseDetails, headers(("ETag" = String, description = "Which version of it this is"))),
        Refusals
    )
)]
pub(in crate::service) async fn show(
    State(service): State<Arc<Service>>,
    may: May<Audit>,
    Path(license): Path<String>,
) -> Result<Response, Problem> {
    let (version, mut shown) = service
        .office
        .lend(move |vendor| {
            let license = vendor.find_license(&license)?;
            Ok((LicenseVersion::of(&license), LicenseDetails::read(vendor, license)?))
        })
        .await?;
    if !may.also::<Operate>() {
        shown.license_key = None;
    }
    Ok(tagged(&version, shown))
}

/// What is to be changed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct LicenseChange {
    /// Why, for the record.
    #[schema(value_type = Option<String>, max_length = 256)]
    reason: Option<Text>,
    /// Features that it holds no longer, with their quotas.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    remove_feature: Vec<Text>,
    /// What changes. A feature that is named comes on top of those that it holds.
    #[serde(default)]
    terms: TermsOrder,
}

/// Change what a licence grants; its devices learn it with their next licence file
#[utoipa::path(
    patch, path = "/v1/licenses/{license}", tag = "licenses", operation_id = "change_license",
    security(("bearer" = ["operator"])), request_body = LicenseChange,
    params(
        ("license" = String, Path, description = "The licence, by its identifier or key"),
        ("If-Match" = String, Header, description = "The `ETag` that it had when it was read, or `*`"),
    ),
    responses(
        (status = 200, description = "Its terms afterwards", body = ChangedLicense, headers(("ETag" = String, description = "Which version of it this is"))),
        (status = 412, description = "It was changed meanwhile", content_type = "application/problem+json", body = Details),
        (status = 428, description = "`If-Match` is missing", content_type = "application/problem+json", body = Details),
        Refusals
    )
)]
pub(in crate::service) async fn change(
    State(service): State<Arc<Service>>,
    _may: May<Operate>,
    Path(license): Path<String>,
    headers: HeaderMap,
    Json(change): Json<LicenseChange>,
) -> Result<Response, Problem> {
    let saw = match seen(&headers)? {
        Seen::Unsaid => return Err(Code::PreconditionRequired.into()),
        said => said.version(),
    };
    let LicenseChange { reason, remove_feature, terms } = change;
    let changes = terms.options()?;
    if changes == PolicyOptions::default() && remove_feature.is_empty() {
        return Err(Refusal::new(Code::RequestInvalid, "nothing is to be changed").into());
    }
    let license = service
        .office
        .lend(move |vendor| {
            let license = vendor.find_license(&license)?;
            let reason = reason.as_ref().map(Text::as_str);
            vendor.change_by(&license, &remove_feature, &changes, reason, saw.as_ref())
        })
        .await?;
    let version = LicenseVersion::of(&license);
    let is_trial = license.is_trial();
    Ok(tagged(&version, ChangedLicense { license_id: license.id, is_trial, terms: license.terms }))
}

/// Why something is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct Reason {
    /// Why, for the record.
    #[schema(value_type = Option<String>, max_length = 256)]
    reason: Option<Text>,
}

/// Suspend a licence until it is resumed
#[utoipa::path(
    post, path = "/v1/licenses/{license}/suspend", tag = "licenses", operation_id = "suspend_license",
    security(("bearer" = ["operator"])), request_body = Reason,
    params(
        ("license" = String, Path, description = "The licence, by its identifier or key"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that it had when it was read"),
    ),
    responses(
        (status = 200, description = "How it stands", body = LicenseStanding, headers(("ETag" = String, description = "Which version of it this is"))),
        (status = 412, description = "It was changed meanwhile", content_type = "application/problem+json", body = Details),
        Refusals
    )
)]
pub(in crate::service) async fn suspend(
    State(service): State<Arc<Service>>,
    _may: May<Operate>,
    Path(license): Path<String>,
    headers: HeaderMap,
    Json(reason): Json<Reason>,
) -> Result<Response, Problem> {
    stand(&service, license, StandingChange::Suspend, &headers, reason).await
}

/// Let a suspended licence stand again
#[utoipa::path(
    post, path = "/v1/licenses/{license}/resume", tag = "licenses", operation_id = "resume_license",
    security(("bearer" = ["operator"])), request_body = Reason,
    params(
        ("license" = String, Path, description = "The licence, by its identifier or key"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that it had when it was read"),
    ),
    responses(
        (status = 200, description = "How it stands", body = LicenseStanding, headers(("ETag" = String, description = "Which version of it this is"))),
        (status = 412, description = "It was changed meanwhile", content_type = "application/problem+json", body = Details),
        Refusals
    )
)]
pub(in crate::service) async fn resume(
    State(service): State<Arc<Service>>,
    _may: May<Operate>,
    Path(license): Path<String>,
    headers: HeaderMap,
    Json(reason): Json<Reason>,
) -> Result<Response, Problem> {
    stand(&service, license, StandingChange::Resume, &headers, reason).await
}

/// End a licence for good
#[utoipa::path(
    post, path = "/v1/licenses/{license}/revoke", tag = "licenses", operation_id = "revoke_license",
    security(("bearer" = ["operator"])), request_body = Reason,
    params(
        ("license" = String, Path, description = "The licence, by its identifier or key"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that it had when it was read"),
    ),
    responses(
        (status = 200, description = "How it stands", body = LicenseStanding, headers(("ETag" = String, description = "Which version of it this is"))),
        (status = 412, description = "It was changed meanwhile", content_type = "application/problem+json", body = Details),
        Refusals
    )
)]
pub(in crate::service) async fn revoke(
    State(service): State<Arc<Service>>,
    _may: May<Operate>,
    Path(license): Path<String>,
    headers: HeaderMap,
    Json(reason): Json<Reason>,
) -> Result<Response, Problem> {
    stand(&service, license, StandingChange::Revoke, &headers, reason).await
}

async fn stand(
    service: &Service,
    license: String,
    change: StandingChange,
    headers: &HeaderMap,
    Reason { reason }: Reason,
) -> Result<Response, Problem> {
    let saw = seen(headers)?.version();
    let license = service
        .office
        .lend(move |vendor| {
            let license = vendor.find_license(&license)?.id;
            vendor.change_standing(&license, change, reason.as_ref().map(Text::as_str), saw.as_ref())
        })
        .await?;
    let (license_id, status) = (license.id, license.standing.word());
    Ok(tagged(&LicenseVersion::of(&license), LicenseStanding { license_id, status }))
}

/// A page of what happened to a licence.
#[derive(Serialize, ToSchema)]
pub(in crate::service) struct HistoryPage {
    /// The licence.
    #[schema(value_type = String)]
    license_id: LicenseId,
    /// In order of time, without single consumptions.
    events: Vec<HistoryLine>,
    /// From where the next page goes on; absent: this is the last one.
    next_cursor: Option<String>,
}

/// Tell what happened to a licence, in order of time
#[utoipa::path(
    get, path = "/v1/licenses/{license}/history", tag = "licenses", operation_id = "license_history",
    security(("bearer" = ["auditor"])),
    params(("license" = String, Path, description = "The licence, by its identifier or key"), Paging),
    responses((status = 200, description = "A page of its events", body = HistoryPage), Refusals)
)]
pub(in crate::service) async fn history(
    State(service): State<Arc<Service>>,
    _may: May<Audit>,
    Path(license): Path<String>,
    Query(Paging { limit, cursor }): Query<Paging>,
) -> Result<Answer<HistoryPage>, Problem> {
    let size = cursor::size(limit)?;
    let read = move |vendor: &mut Vendor| {
        let license_id = vendor.find_license(&license)?.id;
        let list = format!("history {license_id}");
        let mut entries = vendor.store.history(&license_id)?;
        if let Some(cursor) = cursor {
            let before: [u8; history::PLACE] = cursor::read(&cursor, &list)?;
            let known = entries.iter().position(|entry| history::place(entry) == before);
            entries.drain(..=known.ok_or(Code::CursorInvalid)?);
        }
        let (page, next_cursor) = cursor::page(entries, size, &list, |entry| history::place(entry).to_vec());
        let known = vendor.store.known(&license_id)?;
        let events = page.iter().map(|entry| HistoryLine::read(vendor, &license_id, entry, &known));
        Ok(HistoryPage { license_id, events: events.collect::<Result<_, _>>()?, next_cursor })
    };
    Ok(Answer(service.office.lend(read).await?))
}

/// Take back the seats of a licence's devices that were silent past their deadlines
#[utoipa::path(
    post, path = "/v1/licenses/{license}/release-silent", tag = "licenses", operation_id = "release_silent",
    security(("bearer" = ["operator"])),
    params(("license" = String, Path, description = "The licence, by its identifier or key")),
    responses((status = 200, description = "The seats", body = SilentSeats), Refusals)
)]
pub(in crate::service) async fn release_silent(
    State(service): State<Arc<Service>>,
    _may: May<Operate>,
    Path(license): Path<String>,
) -> Result<Answer<SilentSeats>, Problem> {
    let release = move |vendor: &mut Vendor| {
        let license = vendor.find_license(&license)?.id;
        vendor.release_silent(Some(license))
    };
    Ok(Answer(SilentSeats::of(service.office.lend(release).await?)))
}

/// What a request says that it saw of a licence.
#[derive(Debug, Eq, PartialEq)]
enum Seen {
    /// Nothing is said.
    Unsaid,
    /// Whatever there is.
    Anything,
    /// This version.
    Version(LicenseVersion),
}

impl Seen {
    fn version(self) -> Option<LicenseVersion> {
        match self {
            Self::Unsaid | Self::Anything => None,
            Self::Version(version) => Some(version),
        }
    }
}

/// What a request says that it saw; `*` is anything.
fn seen(headers: &HeaderMap) -> Result<Seen, Refusal> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(Seen::Unsaid) };
    let invalid = || Refusal::new(Code::RequestInvalid, "If-Match is one ETag, or *");
    let value = value.to_str().map_err(|_| invalid())?.trim();
    if value == "*" {
        return Ok(Seen::Anything);
    }
    let text = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(invalid)?;
    Ok(Seen::Version(LicenseVersion::seen(text)))
}

fn tagged(version: &LicenseVersion, content: impl Serialize) -> Response {
    let tag = format!("\"{}\"", version.as_str());
    ([(header::ETAG, tag)], Answer(content)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_it_saw_or_that_it_does_not_matter() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, value.parse().expect("ASCII"));
            seen(&headers).map_err(|refusal| refusal.code())
        };
        assert_eq!(of("*"), Ok(Seen::Anything));
        assert_eq!(of("\"3-active\""), Ok(Seen::Version(LicenseVersion::seen("3-active"))));
        for value in ["", "3-active", "\"", "W/\"3-active\""] {
            assert_eq!(of(value), Err(Code::RequestInvalid), "{value}");
        }
        assert_eq!(seen(&HeaderMap::new()), Ok(Seen::Unsaid));
    }
}
