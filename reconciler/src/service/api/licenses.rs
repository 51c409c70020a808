//! `/v1/licenses`

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use ledger::authority::Standing;
use schemas::codes::Code;
use schemas::ids::LicenseId;
use schemas::refusal::Refusal;
use schemas::text::Text;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::cursor;
use crate::service::Service;
use crate::service::auth::{Audit, May};
use crate::service::input::Query;
use crate::service::problem::{Details, Problem};
use crate::shown::licenses::LicenseLine;
use crate::vendor::Vendor;
use crate::vendor::licenses::Wanted;

/// Which licences are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::service) struct LicenseQuery {
    /// Only of this product.
    product: Option<String>,
    /// Only issued from this policy.
    policy: Option<String>,
    /// Only of this customer, by name or identifier.
    customer: Option<String>,
    /// Only standing so: `active`, `suspended` or `revoked`.
    status: Option<String>,
    /// At most so many, up to 500; 50 where nothing is said.
    limit: Option<u64>,
    /// Where the page before ended: its `next_cursor`.
    cursor: Option<String>,
}

impl LicenseQuery {
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
#[derive(Serialize, ToSchema)]
pub(in crate::service) struct LicensePage {
    /// In the order of their identifiers.
    licenses: Vec<LicenseLine>,
    /// From where the next page goes on; absent: this is the last one.
    next_cursor: Option<String>,
}

/// List licences
#[utoipa::path(
    get, path = "/v1/licenses", tag = "licenses", operation_id = "list_licenses", params(LicenseQuery),
    security(("bearer" = ["auditor"])),
    responses(
        (status = 200, description = "A page of them", body = LicensePage),
        (status = 400, description = "It is not understood", content_type = "application/problem+json", body = Details),
        (status = 401, description = "A token is needed", content_type = "application/problem+json", body = Details),
        (status = 403, description = "The token does not allow this", content_type = "application/problem+json", body = Details),
        (status = 404, description = "It names what does not exist", content_type = "application/problem+json", body = Details),
    )
)]
pub(in crate::service) async fn list(
    State(service): State<Arc<Service>>,
    _may: May<Audit>,
    Query(query): Query<LicenseQuery>,
) -> Result<Answer<LicensePage>, Problem> {
    let (filter, size) = (query.filter(), cursor::size(query.limit)?);
    let wanted = query.wanted()?;
    let page = service.office.lend(move |vendor| page(vendor, wanted, size, &filter)).await?;
    Ok(Answer(page))
}

/// The page of what is wanted that has `size` lines at most.
fn page(vendor: &mut Vendor, wanted: Wanted, size: u64, filter: &str) -> Result<LicensePage, Refusal> {
    // One more than the page holds tells whether another one follows.
    let asked = vendor.license_filter(Wanted { limit: Some(size + 1), ..wanted })?;
    let names = vendor.customer_names()?;
    let mut found = vendor.store.licenses(&asked)?;
    let is_last = found.len() as u64 <= size;
    found.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    let last = found.last().filter(|_| !is_last);
    let next_cursor = last.map(|license| cursor::after(license.id.as_bytes(), filter));
    let licenses = found.into_iter().map(|license| LicenseLine::of(license, &names)).collect();
    Ok(LicensePage { licenses, next_cursor })
}
