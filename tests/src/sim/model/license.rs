//! A licence: its terms, and what was truly used under it.

use std::collections::BTreeMap;

use schemas::terms::{Mode, Terms};

use super::Key;

/// One licence.
#[derive(Debug)]
pub struct License {
    /// The terms in force.
    pub terms: Terms,
    /// The highest limit with overage that was ever in force, by feature.
    pub highest: BTreeMap<u16, u64>,
    /// Units of hard features that were truly used and not taken back.
    pub spent: BTreeMap<Key, u64>,
    /// Figures that were sealed.
    pub sealed: BTreeMap<Key, u64>,
    /// Units that the vendor gave up or lost sight of while a device might still use them.
    pub exposed: BTreeMap<Key, u64>,
    /// Its chains.
    pub chains: Vec<usize>,
}

impl License {
    /// A licence that was just issued.
    pub fn new(terms: Terms) -> Self {
        let mut license = Self {
            terms: terms.clone(),
            highest: BTreeMap::new(),
            spent: BTreeMap::new(),
            sealed: BTreeMap::new(),
            exposed: BTreeMap::new(),
            chains: Vec::new(),
        };
        license.change(terms);
        license
    }

    /// Its terms changed.
    pub fn change(&mut self, terms: Terms) {
        for rule in &terms.rules.quotas {
            let highest = self.highest.entry(rule.feature.0).or_default();
            *highest = (*highest).max(rule.limit.get() + rule.overage.get());
        }
        self.terms = terms;
    }

    /// Limit and overage of a feature that is held by escrow.
    pub fn limit(&self, feature: u16) -> Option<u64> {
        let granted = self.terms.entitlement.features.iter().find(|granted| granted.number.0 == feature)?;
        let rule = self.terms.rules.quotas.iter().find(|rule| rule.feature.0 == feature)?;
        (granted.mode == Mode::Hard).then(|| rule.limit.get() + rule.overage.get())
    }
}
