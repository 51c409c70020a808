//! What codes told, beside what events prove: units that only codes know of, and heads that chains must hold when they are
//! carried out.

use ledger::authority::License;
use ledger::coded::NamedHead;
use ledger::evidence::Chain;
use schemas::codes::Code;
use schemas::ids::{ChainId, LicenseId};
use schemas::numbers::Seq;
use schemas::period;
use schemas::refusal::Refusal;
use schemas::typed::LinkStart;

use crate::store::{StoreError, UsageFilter, UsageRow};
use crate::vendor::Vendor;

/// What a figure of usage rests on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Basis {
    /// Signed events of the device.
    Events,
    /// The total of a return code, as far as it goes beyond the events.
    Code,
}

impl Basis {
    /// The word that people read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Code => "code",
        }
    }
}

/// A head that a return code named.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ToldHead {
    /// The head.
    pub head: NamedHead,
    /// Whether the chain holds it; absent as long as the chain was not carried out so far.
    pub is_held: Option<bool>,
}

/// What codes of a device say that its chain does not hold, by the heads that they named, and where they contradict each other.
pub fn contradictions<'a>(
    license: &License,
    chain: &ChainId,
    heads: &'a [ToldHead],
) -> impl Iterator<Item = (Seq, Code)> + use<'a> {
    let missing = heads.iter().filter(|told| told.is_held == Some(false));
    let parted = license.coded.parted(chain).map(|seq| (seq, Code::CodeParted));
    missing.map(|told| (told.head.seq, Code::CodeHeadMissing)).chain(parted)
}

impl Vendor {
    /// Hands usage that matches to `each`: what events prove, then what only codes tell.
    ///
    /// # Errors
    /// When the ledger cannot be read; those of `each`.
    pub fn usage(
        &mut self,
        filter: &UsageFilter,
        each: &mut dyn FnMut(&UsageRow, Basis) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.store.usage(filter, &mut |row| each(&row, Basis::Events))?;
        self.told_usage(filter)?.iter().try_for_each(|row| each(row, Basis::Code))
    }

    /// Units that codes told and the events that are known do not, as far as they match: of each the day on which the device
    /// told it.
    fn told_usage(&mut self, filter: &UsageFilter) -> Result<Vec<UsageRow>, StoreError> {
        let mut licenses = self.coded_licenses()?;
        licenses.retain(|license| filter.license.is_none_or(|wanted| wanted == *license));
        let mut rows = Vec::new();
        for license in licenses {
            let Some(license) = self.store.license(&license)? else { continue };
            if filter.product.as_ref().is_some_and(|product| *product != license.product.as_str()) {
                continue;
            }
            let told =
                license.coded.beyond(&license.chains).map(|(chain, feature, period, day, n)| UsageRow {
                    license: license.id,
                    product: license.product.to_string(),
                    chain: *chain,
                    feature,
                    period,
                    day: period::day(day),
                    used: n,
                    refunded: 0,
                    events: 0,
                });
            rows.extend(told);
        }
        rows.retain(|row| {
            filter.from_day.is_none_or(|from| from <= row.day)
                && filter.before_day.is_none_or(|before| row.day < before)
        });
        Ok(rows)
    }

    /// The licences of whose devices codes were typed.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn coded_licenses(&mut self) -> Result<Vec<LicenseId>, StoreError> {
        let mut licenses: Vec<LicenseId> =
            self.store.coded_chains(None)?.into_iter().map(|(license, _)| license).collect();
        licenses.dedup();
        Ok(licenses)
    }

    /// The heads that the return codes of a device named, in the order in which they were typed.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn told_heads(&mut self, license: &License, chain: &ChainId) -> Result<Vec<ToldHead>, Refusal> {
        let named = license.coded.device(chain).map_or(&[][..], |device| &device.heads);
        let mut heads = Vec::new();
        for head in named {
            let is_held = match license.chains.get(chain) {
                Some(known) if head.seq <= known.last_place() => {
                    Some(self.is_held(license, chain, known, head)?)
                }
                _ => None,
            };
            heads.push(ToldHead { head: *head, is_held });
        }
        Ok(heads)
    }

    /// Whether any history of a chain holds a head.
    fn is_held(
        &mut self,
        license: &License,
        chain: &ChainId,
        known: &Chain,
        head: &NamedHead,
    ) -> Result<bool, Refusal> {
        for branch in known.branches.keys() {
            let run = self.store.run_holding(&license.id, (chain, *branch), head.seq)?;
            let Some(run) = run.filter(|run| run.covers(head.seq)) else { continue };
            let at = usize::try_from(head.seq.0 - run.first_seq.0).unwrap_or(usize::MAX);
            if run.links().get(at).is_some_and(|link| LinkStart::of(link) == head.link) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
