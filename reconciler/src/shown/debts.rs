//! Debts that a restore brought.

use ledger::authority::License;
use ledger::quotas;
use schemas::ids::{ChainId, LicenseId};
use schemas::numbers::{Micros, Total};
use schemas::period::Period;
use schemas::terms::QuotaRule;
use schemas::text::Text;
use serde::Serialize;
use utoipa::ToSchema;

use super::values::quota;

/// A quota of which more is out than may be, because licence files came back that a restore had lost.
#[derive(Serialize, ToSchema)]
pub(crate) struct Debt {
    #[schema(value_type = String)]
    pub(crate) feature: Text,
    #[schema(value_type = String)]
    pub(crate) period: Period,
    /// Units out beyond what may be granted.
    pub(crate) lacking: u64,
    /// How many of them came back with lost licence files.
    pub(crate) taken_back: u64,
    /// Devices that hold units and did not report since the restore.
    pub(crate) unheard: Vec<Unheard>,
    /// Whether devices are not asked for them yet.
    pub(crate) waits: bool,
    /// The limit at which nothing is lacking, as options take it.
    #[serde(skip)]
    pub(crate) enough: String,
    #[serde(skip)]
    pub(crate) license: LicenseId,
}

/// A device that did not report since the restore.
#[derive(Serialize, ToSchema)]
pub(crate) struct Unheard {
    #[schema(value_type = String)]
    pub(crate) chain: ChainId,
    /// Units that it holds, as far as is known.
    pub(crate) held: u64,
    /// From when it counts as silent, and `activation write-off` frees them without `--override`; absent: never.
    #[schema(value_type = Option<String>)]
    pub(crate) silent_from: Option<Micros>,
    #[serde(skip)]
    pub(crate) is_awaited: bool,
}

impl Debt {
    /// Those of a licence.
    pub(crate) fn of(license: &License, now: Micros) -> Vec<Self> {
        let rules = &license.terms.rules.quotas;
        let debts = quotas::debts(license, now).into_iter();
        let told = debts.filter_map(|debt| {
            let rule = rules.iter().find(|rule| rule.feature == debt.feature)?;
            Self::told(license, rule, &debt, now)
        });
        told.collect()
    }

    fn told(license: &License, rule: &QuotaRule, debt: &quotas::Debt, now: Micros) -> Option<Self> {
        let features = &license.terms.entitlement.features;
        let feature = features.iter().find(|feature| feature.number == debt.feature)?;
        let limit: Total = rule.limit.saturating_plus(debt.lacking);
        let unheard: Vec<Unheard> = debt.unheard.iter().map(|holder| Unheard::of(holder, now)).collect();
        Some(Self {
            feature: feature.name.clone(),
            period: debt.period,
            lacking: debt.lacking,
            taken_back: debt.brought,
            waits: unheard.iter().any(|holder| holder.is_awaited),
            unheard,
            enough: quota(&QuotaRule { limit, ..rule.clone() }, features),
            license: license.id,
        })
    }
}

impl Unheard {
    fn of(holder: &quotas::Holder, now: Micros) -> Self {
        let quotas::Holder { chain, units, silent_from } = *holder;
        Self { chain, held: units, silent_from, is_awaited: holder.is_awaited(now) }
    }
}
