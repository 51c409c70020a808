//! Units that stay out with a device whose activation ended.

use ledger::quotas;
use schemas::event::authority::ReleaseReason;
use schemas::ids::ChainId;
use schemas::numbers::Micros;
use schemas::pack::ProductFeature;
use schemas::period::Period;
use serde::Serialize;
use utoipa::ToSchema;

use super::values::feature_name;

/// Units that a device holds although its activation was released.
#[derive(Serialize, ToSchema)]
pub(crate) struct Stranded {
    #[schema(value_type = String)]
    pub(crate) chain: ChainId,
    pub(crate) feature: String,
    #[schema(value_type = String)]
    pub(crate) period: Period,
    pub(crate) units: u64,
    /// Why the activation was released.
    #[schema(value_type = String)]
    pub(crate) released: ReleaseReason,
    /// From when `activation write-off` frees them without `--override`; absent: never.
    #[schema(value_type = Option<String>)]
    pub(crate) write_off_from: Option<Micros>,
    #[serde(skip)]
    pub(crate) is_silent: bool,
}

impl Stranded {
    pub(crate) fn of(stranded: &quotas::Stranded, features: &[ProductFeature], now: Micros) -> Self {
        let quotas::Stranded { chain, feature, period, units, released, write_off_from } = *stranded;
        let feature = feature_name(features, feature);
        let is_silent = write_off_from.is_some_and(|from| from <= now);
        Self { chain, feature, period, units, released, write_off_from, is_silent }
    }
}
