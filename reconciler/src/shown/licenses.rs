//! Licences.

use std::collections::BTreeMap;

use ledger::authority::License;
use ledger::{quotas, recovery, seats};
use schemas::ids::{ChainId, CustomerId, LicenseId};
use schemas::numbers::{Micros, Seconds, Total};
use schemas::pack::ProductFeature;
use schemas::period::Period;
use schemas::refusal::Refusal;
use schemas::terms::{Entitlement, FeatureGrant, Mode, Rules, Terms};
use schemas::text::Text;
use serde::Serialize;
use utoipa::ToSchema;

use super::activations::ActivationLine;
use super::debts::Debt;
use super::stranded::Stranded;
use crate::store::{ActivationFilter, LicenseSummary};
use crate::vendor::Vendor;
use crate::vendor::customers::customer_name;
use crate::vendor::licenses::IssuedLicense;
use crate::vendor::products::known_product;

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

/// A licence: its terms, its key, its quotas, its activations.
#[derive(Serialize, ToSchema)]
pub(crate) struct LicenseDetails {
    #[schema(value_type = String)]
    pub(crate) license_id: LicenseId,
    /// Absent for whoever may only read.
    pub(crate) license_key: Option<String>,
    #[schema(value_type = String)]
    pub(crate) product: Text,
    #[schema(value_type = String)]
    pub(crate) environment: Text,
    #[schema(value_type = String)]
    pub(crate) policy: Text,
    /// Absent when the name was erased.
    pub(crate) customer: Option<String>,
    #[schema(value_type = String)]
    pub(crate) customer_id: CustomerId,
    pub(crate) status: &'static str,
    #[schema(value_type = String)]
    pub(crate) issued_at: Micros,
    /// Whether it is the product's trial, which all devices that try the product share.
    pub(crate) is_trial: bool,
    /// How long it is valid from its first activation, while that has not come; of a trial, from each activation.
    #[schema(value_type = Option<u64>)]
    pub(crate) valid_from_activation: Option<Seconds>,
    #[schema(value_type = Vec<Object>)]
    pub(crate) features: Vec<FeatureGrant>,
    #[schema(value_type = Object)]
    pub(crate) entitlement: Entitlement,
    #[schema(value_type = Object)]
    pub(crate) rules: Rules,
    pub(crate) quotas: Vec<LicenseQuota>,
    /// Units that stay out with devices whose activations ended.
    pub(crate) stranded: Vec<Stranded>,
    /// Quotas of which more is out than may be, because of licence files that a restore had lost.
    pub(crate) debts: Vec<Debt>,
    /// Trials that one device was given twice, because a restore had lost the first.
    pub(crate) tried_twice: Vec<TriedTwice>,
    pub(crate) seats: LicenseSeats,
    pub(crate) activations: Vec<ActivationLine>,
}

/// The quota of one feature in one period that is not final, all devices together.
#[derive(Serialize, ToSchema)]
pub(crate) struct LicenseQuota {
    #[schema(value_type = String)]
    pub(crate) feature: Text,
    #[schema(value_type = String)]
    pub(crate) mode: Mode,
    #[schema(value_type = String)]
    pub(crate) period: Period,
    #[schema(value_type = u64)]
    pub(crate) limit: Total,
    #[schema(value_type = u64)]
    pub(crate) overage: Total,
    /// Units that one device holds ahead of its use.
    #[schema(value_type = u64)]
    pub(crate) share: Total,
    /// Units that the next activation would be given.
    pub(crate) next_share: u64,
    /// Units that were granted and did not come back.
    pub(crate) out: u64,
    pub(crate) used: u64,
    /// Units that devices hold and have not used.
    pub(crate) held: u64,
    /// Units used beyond what was granted.
    pub(crate) debt: u64,
    /// Units that can still be granted, or, where nothing is granted ahead, used; negative is too much out.
    pub(crate) free: i64,
    /// Units used beyond the limit, which are charged.
    pub(crate) charged: u64,
}

/// Two trials of one device.
#[derive(Serialize, ToSchema)]
pub(crate) struct TriedTwice {
    #[schema(value_type = String)]
    pub(crate) first: ChainId,
    #[schema(value_type = String)]
    pub(crate) second: ChainId,
}

impl TriedTwice {
    fn of(license: &License) -> Vec<Self> {
        let twice = recovery::tried_twice(license).into_iter();
        twice.map(|recovery::TriedTwice { first, second }| Self { first, second }).collect()
    }
}

/// Seats that activations take.
#[derive(Serialize, ToSchema)]
pub(crate) struct LicenseSeats {
    pub(crate) taken: usize,
    pub(crate) max: u32,
    /// Seats that moved to another device in the policy's window, or ever where there is none.
    pub(crate) transfers: usize,
    /// Transfers that are still possible now; absent: without limit.
    pub(crate) transfers_left: Option<usize>,
}

impl LicenseSeats {
    fn of(license: &License, now: Micros) -> Self {
        let moved = seats::transfers(license, now);
        Self {
            taken: license.seats_taken(now),
            max: license.terms.rules.max_activations,
            transfers: moved.recent,
            transfers_left: moved.left,
        }
    }
}

impl LicenseDetails {
    /// Reads that of a licence.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) fn read(vendor: &mut Vendor, license: License) -> Result<Self, Refusal> {
        let now = vendor.now();
        let filter = ActivationFilter { license: Some(license.id), ..ActivationFilter::default() };
        let activations = ActivationLine::read(vendor, &filter)?;
        let catalog = vendor.catalog()?;
        let customer = customer_name(vendor.store.as_mut(), &catalog, &license.customer)?;
        let features = &known_product(&catalog, &license.product)?.features;
        Ok(Self {
            license_id: license.id,
            license_key: Some(vendor.license_key(&license).reveal()),
            customer,
            customer_id: license.customer,
            status: license.standing.word(),
            issued_at: license.issued_at,
            quotas: quotas(&license, now),
            stranded: stranded_units(&license, features, now),
            debts: Debt::of(&license, now),
            tried_twice: TriedTwice::of(&license),
            seats: LicenseSeats::of(&license, now),
            is_trial: license.is_trial(),
            activations,
            valid_from_activation: license.terms.valid_from_activation,
            features: license.terms.entitlement.features.clone(),
            entitlement: license.terms.entitlement,
            rules: license.terms.rules,
            product: license.product,
            environment: license.environment,
            policy: license.policy,
        })
    }
}

fn quotas(license: &License, now: Micros) -> Vec<LicenseQuota> {
    let features = &license.terms.entitlement.features;
    let named = quotas::overview(license, now).into_iter().filter_map(|quota| {
        let feature = features.iter().find(|feature| feature.number == quota.feature)?;
        Some(LicenseQuota {
            feature: feature.name.clone(),
            mode: quota.mode,
            period: quota.period,
            limit: quota.limit,
            overage: quota.overage,
            share: quota.share,
            next_share: quota.next_share,
            out: quota.out,
            used: quota.used,
            held: quota.held,
            debt: quota.debt,
            free: quota.free,
            charged: quota.charged,
        })
    });
    named.collect()
}

fn stranded_units(license: &License, features: &[ProductFeature], now: Micros) -> Vec<Stranded> {
    quotas::stranded(license, now).iter().map(|units| Stranded::of(units, features, now)).collect()
}

/// A licence that was issued. The key is shown here, and by `license show`.
#[derive(Serialize, ToSchema)]
pub(crate) struct IssuedLine {
    #[schema(value_type = String)]
    pub(crate) license_id: LicenseId,
    pub(crate) license_key: String,
    #[schema(value_type = String)]
    pub(crate) customer_id: CustomerId,
    pub(crate) customer: String,
    #[schema(value_type = String)]
    pub(crate) policy: Text,
    pub(crate) is_trial: bool,
}

impl IssuedLine {
    pub(crate) fn of(issued: &IssuedLicense, policy: &Text, customer: &str) -> Self {
        let IssuedLicense { id, key, customer: customer_id, is_trial } = issued;
        let (license_key, is_trial) = (key.reveal(), *is_trial);
        let (policy, customer) = (policy.clone(), customer.to_owned());
        Self { license_id: *id, license_key, customer_id: *customer_id, customer, policy, is_trial }
    }
}

/// The terms of a licence after a change.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChangedLicense {
    #[schema(value_type = String)]
    pub(crate) license_id: LicenseId,
    pub(crate) is_trial: bool,
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub(crate) terms: Terms,
}

/// How a licence stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct LicenseStanding {
    #[schema(value_type = String)]
    pub(crate) license_id: LicenseId,
    pub(crate) status: &'static str,
}
