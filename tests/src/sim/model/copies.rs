//! The copies of a device: what each knows of itself, and what it holds beside the others.

use std::collections::BTreeMap;
use std::rc::Rc;

use schemas::grant::{Grant, GrantBody};
use schemas::period::Period;

use super::Key;

/// A grant that a device applied.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Epoch and number.
    pub order: (u32, u64),
    /// When it was issued.
    pub issued_at: u64,
    /// What it says.
    pub body: Rc<GrantBody>,
    /// As it came.
    pub grant: Rc<Grant>,
}

/// What a running copy of a device knows of itself.
#[derive(Clone, Debug)]
pub struct Copy {
    /// Its chain.
    pub chain: usize,
    /// Its last event.
    pub tip: Option<u32>,
    /// What it used and did not take back.
    pub used: BTreeMap<Key, u64>,
    /// What it gave back.
    pub returned: BTreeMap<Key, u64>,
    /// Its number among the copies beyond the first, if it is one.
    pub extra: Option<usize>,
    /// The grant that it applied last.
    pub applied: Option<Applied>,
    /// The time that is known to have come, and when, in virtual time, a running process knew it.
    pub floor: (u64, Option<u64>),
    /// The place of the last noted step of the clock that no grant has cured.
    pub noted: Option<u64>,
}

impl Copy {
    /// A device that has just opened a chain, its clock showing `wall`.
    pub fn new(chain: usize, wall: u64) -> Self {
        Self {
            chain,
            tip: None,
            used: BTreeMap::new(),
            returned: BTreeMap::new(),
            extra: None,
            applied: None,
            floor: (wall, None),
            noted: None,
        }
    }

    /// What it would hold if it went on beside another from here.
    pub fn beside(&self) -> Extra {
        let mut extra = Extra { gone: self.used.clone(), most: BTreeMap::new() };
        for (key, returned) in &self.returned {
            *extra.gone.entry(*key).or_default() += returned;
        }
        if let Some(applied) = &self.applied {
            extra.was_granted(&applied.body);
        }
        extra
    }
}

/// A copy of a device beyond the first: what it holds when it begins, and what it is granted itself, is what it may spend
/// beside the other.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    /// Units used and given back when it began.
    pub gone: BTreeMap<Key, u64>,
    /// The most units that a grant gave it.
    pub most: BTreeMap<Key, u64>,
}

impl Extra {
    /// Units of what it holds that it may spend beside the other copies.
    pub fn held(&self, key: Key) -> u64 {
        let of = |units: &BTreeMap<Key, u64>| units.get(&key).copied().unwrap_or_default();
        of(&self.most).saturating_sub(of(&self.gone))
    }

    /// A grant was applied by it.
    pub fn was_granted(&mut self, body: &GrantBody) {
        for line in &body.quotas {
            let units = line.granted.get().saturating_sub(line.written_off.get());
            for period in periods(line.first, line.last) {
                let most = self.most.entry((line.feature.0, period.number())).or_default();
                *most = (*most).max(units);
            }
        }
    }
}

/// The periods from `first` to `last`.
pub fn periods(first: Period, last: Period) -> impl Iterator<Item = Period> {
    let next = move |period: &Period| (*period < last).then(|| period.next());
    std::iter::successors(Some(first), next)
}

/// How copies of a device came about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Copied {
    /// Two were at work at a time.
    pub cloned: bool,
    /// An older state was put back.
    pub restored: bool,
    /// A clock was off by less than is noted, so that what happened in turn may seem to have happened at a time.
    pub slipped: bool,
}
