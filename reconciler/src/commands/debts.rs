//! Debts that a restore brought, as commands tell them, with the ways out.

use std::fmt;

use ledger::authority::License;
use ledger::quotas;
use schemas::ids::{ChainId, LicenseId};
use schemas::numbers::{Micros, Total};
use schemas::period::Period;
use schemas::terms::QuotaRule;
use schemas::text::Text;
use serde::Serialize;

use super::words;

/// A quota of which more is out than may be, because licence files came back that a restore had lost.
#[derive(Serialize)]
pub(super) struct Debt {
    feature: Text,
    period: Period,
    /// Units out beyond what may be granted.
    lacking: u64,
    /// How many of them came back with lost licence files.
    taken_back: u64,
    /// Devices that hold units and did not report since the restore.
    unheard: Vec<Unheard>,
    /// Whether devices are not asked for them yet.
    waits: bool,
    /// The limit at which nothing is lacking, as options take it.
    #[serde(skip)]
    enough: String,
    #[serde(skip)]
    license: LicenseId,
}

/// A device that did not report since the restore.
#[derive(Serialize)]
struct Unheard {
    chain: ChainId,
    /// Units that it holds, as far as is known.
    held: u64,
    /// From when it counts as silent, and `activation write-off` frees them without `--override`; absent: never.
    silent_from: Option<Micros>,
    #[serde(skip)]
    is_awaited: bool,
}

impl Debt {
    /// Those of a licence.
    pub(super) fn of(license: &License, now: Micros) -> Vec<Self> {
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
            enough: words::quota(&QuotaRule { limit, ..rule.clone() }, features),
            license: license.id,
        })
    }
}

impl Unheard {
    fn of(holder: &quotas::Holder, now: Micros) -> Self {
        let quotas::Holder { chain, units, silent_from } = *holder;
        Self { chain, held: units, silent_from, is_awaited: holder.is_awaited(now) }
    }

    fn in_words(&self) -> String {
        let chain = words::short(&self.chain);
        let frees = format!("`counterfoil activation write-off {chain}");
        match self.silent_from.map(words::second) {
            Some(from) if self.is_awaited => {
                format!("may report until {from}; {frees}` frees them from then on, or now with `--override`")
            }
            Some(from) => format!("should have reported until {from}; {frees}` frees them"),
            None => format!("has no deadline; {frees} --override` frees them"),
        }
    }
}

impl fmt::Display for Debt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { feature, period, lacking, taken_back, .. } = self;
        write!(
            f,
            "{lacking} of {feature} in {period} are lacking, {taken_back} of them by licence files that the restore had lost."
        )?;
        for unheard in &self.unheard {
            let (chain, held) = (words::short(&unheard.chain), unheard.held);
            write!(f, "\n  {chain} holds {held}, did not report since, and {}", unheard.in_words())?;
        }
        let asked = if self.waits {
            "when all of these reported or are overdue"
        } else {
            "with the next licence files"
        };
        write!(f, "\n  Devices are asked to return them {asked}; ")?;
        write!(f, "`counterfoil license change {} --quota {}` ends it now", self.license, self.enough)
    }
}
