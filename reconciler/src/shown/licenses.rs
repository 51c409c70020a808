//! Licences.

use std::collections::BTreeMap;

use schemas::ids::{CustomerId, LicenseId};
use schemas::numbers::{Micros, Seconds};
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::LicenseSummary;

/// A licence as lists show it.
#[derive(Serialize, ToSchema)]
pub(crate) struct LicenseLine {
    /// Names it: a UUID.
    #[schema(value_type = String)]
    pub(crate) license_id: LicenseId,
    /// The product.
    pub(crate) product: String,
    /// The policy that it was issued from.
    pub(crate) policy: String,
    /// The customer; absent when the name was erased.
    pub(crate) customer: Option<String>,
    /// Names the customer: a UUID.
    #[schema(value_type = String)]
    pub(crate) customer_id: CustomerId,
    /// `active`, `suspended` or `revoked`.
    pub(crate) status: String,
    /// When it was issued (RFC 3339).
    #[schema(value_type = String)]
    pub(crate) issued_at: Micros,
    /// Whether it is the product's trial, which all devices that try the product share.
    pub(crate) is_trial: bool,
    /// Seconds that it is valid from its first activation, while that has not come; of a trial, from each activation.
    #[schema(value_type = Option<u64>)]
    pub(crate) valid_from_activation: Option<Seconds>,
    /// Until when it is valid; absent: without end.
    #[schema(value_type = Option<String>)]
    pub(crate) valid_until: Option<Micros>,
    /// Seats that are taken.
    pub(crate) activations: u64,
    /// Seats that there are.
    pub(crate) max_activations: u32,
}

impl LicenseLine {
    /// With the customer's name, if it is among `names`.
    pub(crate) fn of(license: LicenseSummary, names: &BTreeMap<CustomerId, String>) -> Self {
        Self {
            license_id: license.id,
            product: license.product,
            policy: license.policy,
            customer: names.get(&license.customer).cloned(),
            customer_id: license.customer,
            status: license.standing,
            issued_at: license.issued_at,
            is_trial: license.is_trial,
            valid_from_activation: license.valid_from_activation,
            valid_until: license.valid_until,
            activations: license.activations,
            max_activations: license.max_activations,
        }
    }
}
