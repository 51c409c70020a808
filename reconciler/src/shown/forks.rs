//! Device chains that were continued twice.

use ledger::forks::Verdict;
use schemas::ids::{ChainId, LicenseId};
use schemas::numbers::{Micros, Seq};
use schemas::refusal::Refusal;
use schemas::terms::OnFork;
use serde::Serialize;
use utoipa::ToSchema;

use super::values::short;
use crate::store::ForkRow;
use crate::vendor::Vendor;

/// Device chains with more than one history.
#[derive(Serialize, ToSchema)]
pub(crate) struct Forks {
    pub(crate) forks: Vec<ForkLine>,
}

/// One of them.
#[derive(Serialize, ToSchema)]
pub(crate) struct ForkLine {
    /// The beginning of the chain's name: a chain's partings are one fork.
    pub(crate) fork: String,
    #[schema(value_type = String)]
    pub(crate) license_id: LicenseId,
    #[schema(value_type = String)]
    pub(crate) chain: ChainId,
    /// The earliest place that is known at which the histories part.
    #[schema(value_type = u64)]
    pub(crate) seq: Seq,
    #[schema(value_type = String)]
    pub(crate) verdict: Verdict,
    /// Histories that are attached.
    pub(crate) branches: u64,
    /// Nothing where no proof is short enough to be recorded.
    #[schema(value_type = Option<String>)]
    pub(crate) found_at: Option<Micros>,
    /// What follows from it by the terms of the licence.
    #[schema(value_type = String)]
    pub(crate) policy: OnFork,
}

impl Forks {
    /// Reads those of a licence, or all.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) fn read(vendor: &mut Vendor, license: Option<&LicenseId>) -> Result<Self, Refusal> {
        let forks = vendor.store.forks()?.into_iter();
        let wanted = forks.filter(|fork| license.is_none_or(|license| *license == fork.license));
        Ok(Self { forks: wanted.map(ForkLine::of).collect() })
    }
}

impl ForkLine {
    fn of(fork: ForkRow) -> Self {
        Self {
            fork: short(&fork.chain),
            license_id: fork.license,
            chain: fork.chain,
            seq: fork.seq,
            verdict: fork.verdict.unwrap_or(Verdict::Unknown),
            branches: fork.branches,
            found_at: fork.at,
            policy: fork.on_fork,
        }
    }
}
