//! Periods: open, then waiting for late reports, then sealed by a signed figure. Pure functions of a licence, its
//! stored runs and the vendor's time.
//!
//! A figure that was sealed never changes. Use that arrives later keeps its own period; whoever seals next records what
//! it adds or takes off, whether or not a period is due: of a licence that ended none is due ever again. What was known
//! at a seal or an adjustment follows from its place on the authority chain: the branch heads that the grants before it
//! took in.

mod reproduce;

use std::collections::{BTreeMap, BTreeSet};

use schemas::event::Body;
use schemas::event::authority::{PeriodSealed, UsageAdjusted};
use schemas::grant::TookIn;
use schemas::ids::{ChainId, Commitment, Digest};
use schemas::numbers::{Epoch, FeatureNumber, Micros, Seconds, Seq, Total};
use schemas::period::{Period, Reset};
use schemas::terms::Mode;
use serde::{Deserialize, Serialize};

use crate::authority::{License, Standing};
use crate::chain::Head;
use crate::coded::Coded;
use crate::digest::{self, ChainEvidence};
use crate::draft::Draft;
use crate::evidence::Chain;
use crate::writer::TooLong;

pub use self::reproduce::{ReproduceError, Reproduced, reproduce};

/// A sealed period.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Seal {
    /// The epoch of the authority chain that holds the seal.
    pub epoch: Epoch,
    /// Its place there.
    pub seq: Seq,
    /// When it was made.
    pub at: Micros,
    /// Whether it was made before the waiting was over.
    pub early: bool,
    /// Units used as far as they were known then.
    pub used: Total,
    /// Units added by adjustments since.
    pub added: Total,
    /// Units taken off by adjustments since.
    pub removed: Total,
    /// The evidence digest of the licence then.
    pub evidence: Digest,
    /// What was open then.
    pub conditions: Conditions,
}

impl Seal {
    /// The sealed figure with its adjustments.
    pub fn adjusted(&self) -> u64 {
        self.used.get().saturating_add(self.added.get()).saturating_sub(self.removed.get())
    }
}

/// How complete the evidence of a licence is, in numbers of device chains.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Conditions {
    /// Silent past deadline, grace and clock tolerance, while they hold a seat.
    pub silent: u32,
    /// With events missing before others.
    pub gaps: u32,
    /// With contradicting histories.
    pub forks: u32,
    /// With a clock that was noted and not set right since.
    pub clocks: u32,
}

/// Where a period stands.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum State {
    /// It has not ended.
    Open,
    /// It has ended and is not sealed.
    Waiting,
    /// It is sealed.
    Sealed,
}

impl State {
    /// The word that people read and type.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Waiting => "waiting",
            Self::Sealed => "sealed",
        }
    }

    /// Reads the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Open, Self::Waiting, Self::Sealed].into_iter().find(|state| state.word() == word)
    }
}

/// One period of one feature as it stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reckoned {
    /// The metered feature.
    pub feature: FeatureNumber,
    /// The period.
    pub period: Period,
    /// Where it stands.
    pub state: State,
    /// Units used as far as they are known now.
    pub used: Total,
    /// From when it can be sealed.
    pub seal_from: Micros,
    /// The seal.
    pub seal: Option<Seal>,
}

impl Reckoned {
    /// Units that arrived since the seal and its adjustments, and units that went: what the next [`seal`] adjusts.
    pub fn unadjusted(&self) -> (u64, u64) {
        let accounted = self.seal.map_or(self.used.get(), |seal| seal.adjusted());
        (self.used.get().saturating_sub(accounted), accounted.saturating_sub(self.used.get()))
    }
}

/// Which periods are sealed and adjusted.
#[derive(Clone, Copy, Debug, Default)]
pub struct SealOrder {
    /// Only those that ended at or before this instant.
    pub before: Option<Micros>,
    /// The reason, where those that still wait are sealed too.
    pub early: Option<Commitment>,
}

impl SealOrder {
    fn covers(&self, period: Period) -> bool {
        self.before.is_none_or(|before| period.end() <= before)
    }
}

/// What sealing did to a licence.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sealed {
    /// The periods that were sealed.
    pub sealed: Vec<(FeatureNumber, Period)>,
    /// Those sealed before that were adjusted: units added, units taken off.
    pub adjusted: Vec<(FeatureNumber, Period, u64, u64)>,
}

/// Every period of every feature that is metered by periods, in the order of feature and period: from the licence's
/// start to the present or its end, and any other in which something was used. A feature that is counted for the
/// licence's whole life has none.
pub fn reckon(license: &License, now: Micros) -> Vec<Reckoned> {
    let mut keys: BTreeSet<(FeatureNumber, Period)> = calendar(license, now).collect();
    keys.extend(license.periods.keys());
    keys.extend(license.chains.values().flat_map(|chain| chain.meters.keys()));
    keys.extend(license.coded.periods());
    keys.retain(|(_, period)| period.reset() != Reset::Never);
    keys.into_iter().map(|(feature, period)| reckon_one(license, feature, period, now)).collect()
}

/// The periods that `order` seals, in the order of feature and period.
pub fn due(license: &License, now: Micros, order: &SealOrder) -> Vec<Reckoned> {
    let mut due = reckon(license, now);
    due.retain(|period| {
        period.state == State::Waiting
            && (order.early.is_some() || period.seal_from <= now)
            && order.covers(period.period)
    });
    due
}

/// The sealed periods that `order` adjusts, in the order of feature and period: those with something unadjusted.
pub fn unadjusted(license: &License, now: Micros, order: &SealOrder) -> Vec<Reckoned> {
    let sealed = license.periods.keys().filter(|(_, period)| order.covers(*period));
    let reckoned = sealed.map(|(feature, period)| reckon_one(license, *feature, *period, now));
    reckoned.filter(|period| period.unadjusted() != (0, 0)).collect()
}

/// Whether [`seal`] would write anything.
pub fn is_due(license: &License, now: Micros, order: &SealOrder) -> bool {
    !unadjusted(license, now, order).is_empty() || !due(license, now, order).is_empty()
}

/// Adjusts what `order` names of the periods that were sealed before, then seals what it names. `clocks` is the number
/// of chains in [`crate::clocks::uncured`]. Made again, it writes nothing.
///
/// # Errors
/// When an event would be longer than a reader takes.
pub fn seal(draft: &mut Draft<'_>, order: &SealOrder, clocks: u32) -> Result<Sealed, TooLong> {
    let due = due(draft.license(), draft.now(), order);
    let conditions = conditions(draft.license(), draft.now(), clocks);
    let mut done = Sealed::default();
    for period in unadjusted(draft.license(), draft.now(), order) {
        done.adjusted.push(adjust(draft, &period)?);
    }
    for period in due {
        seal_one(draft, &period, order, conditions)?;
        done.sealed.push((period.feature, period.period));
    }
    Ok(done)
}

/// How complete the evidence of a licence is at `now`.
pub fn conditions(license: &License, now: Micros, clocks: u32) -> Conditions {
    let is_closed = |chain| license.is_closed(chain);
    let silent = license.activations.iter().filter(|(chain, activation)| {
        activation.takes_seat(now) && !is_closed(*chain) && license.is_silent(chain, now)
    });
    let chains = || license.chains.values();
    Conditions {
        silent: count(silent.count()),
        gaps: count(chains().filter(|chain| !chain.parked.is_empty()).count()),
        forks: count(license.forked().count()),
        clocks,
    }
}

/// Chains with evidence that no grant took in, such as where a grant would have been too long: what a seal counts must
/// be taken in first, or nobody could tell later that it was known.
pub fn not_taken_in(license: &License) -> Vec<TookIn> {
    let unknown = license.chains.iter().filter(|(chain, known)| {
        let ack = license.activations.get(chain).map(|activation| Head::from(activation.ack));
        !known.branches.values().any(|branch| Some(branch.head) == ack)
    });
    unknown.flat_map(|(chain, known)| known.branches.values().map(|branch| branch.took_in(*chain))).collect()
}

/// Folds `period.sealed` at the place `seq` of the present epoch. A period is sealed once.
pub(crate) fn apply_seal(license: &mut License, seq: Seq, at: Micros, sealed: &PeriodSealed) {
    let PeriodSealed { feature, period, used, evidence, silent, gaps, forks, clocks } = *sealed;
    let early = at < seal_from(license, period);
    license.periods.entry((feature, period)).or_insert(Seal {
        epoch: license.epoch,
        seq,
        at,
        early,
        used,
        added: Total::ZERO,
        removed: Total::ZERO,
        evidence,
        conditions: Conditions { silent, gaps, forks, clocks },
    });
}

/// Folds `usage.adjusted`.
pub(crate) fn apply_adjustment(license: &mut License, adjusted: &UsageAdjusted) {
    let key = (adjusted.feature, adjusted.period);
    let Some(seal) = license.periods.get_mut(&key) else { return };
    seal.added = seal.added.saturating_plus(adjusted.added.get());
    seal.removed = seal.removed.saturating_plus(adjusted.removed.get());
}

/// Records what came to or went from a sealed period.
fn adjust(draft: &mut Draft<'_>, sealed: &Reckoned) -> Result<(FeatureNumber, Period, u64, u64), TooLong> {
    let Reckoned { feature, period, .. } = *sealed;
    let (added, removed) = sealed.unadjusted();
    draft.write(Body::UsageAdjusted(Box::new(UsageAdjusted {
        feature,
        period,
        added: Total::ZERO.saturating_plus(added),
        removed: Total::ZERO.saturating_plus(removed),
        reason: None,
    })))?;
    Ok((feature, period, added, removed))
}

fn seal_one(
    draft: &mut Draft<'_>,
    period: &Reckoned,
    order: &SealOrder,
    conditions: Conditions,
) -> Result<(), TooLong> {
    let Reckoned { feature, period, used, seal_from, .. } = *period;
    if let Some(reason) = order.early.filter(|_| draft.now() < seal_from) {
        // An adjustment by nothing carries why the period is sealed early.
        let (added, removed) = (Total::ZERO, Total::ZERO);
        let why = UsageAdjusted { feature, period, added, removed, reason: Some(reason) };
        draft.write(Body::UsageAdjusted(Box::new(why)))?;
    }
    let Conditions { silent, gaps, forks, clocks } = conditions;
    let evidence = evidence(draft.license());
    let sealed = PeriodSealed { feature, period, used, evidence, silent, gaps, forks, clocks };
    draft.write(Body::PeriodSealed(Box::new(sealed)))
}

fn reckon_one(license: &License, feature: FeatureNumber, period: Period, now: Micros) -> Reckoned {
    let seal = license.periods.get(&(feature, period)).copied();
    let state = match seal {
        Some(_) => State::Sealed,
        None if now < period.end() => State::Open,
        None => State::Waiting,
    };
    let used = used(&license.chains, &license.coded, feature, period);
    Reckoned { feature, period, state, used, seal_from: seal_from(license, period), seal }
}

/// Units used in a period by all chains, net of refunds, all branches of each chain together; of a device that told more
/// by a code, what that says.
fn used(chains: &BTreeMap<ChainId, Chain>, coded: &Coded, feature: FeatureNumber, period: Period) -> Total {
    let key = (feature, period);
    let of = |chain: &ChainId| {
        let proved = chains.get(chain).map_or(0, |known| known.charged(&key, known.fork.is_some()));
        proved.max(coded.used(chain, &key))
    };
    let all: BTreeSet<&ChainId> = chains.keys().chain(coded.devices().map(|(chain, _)| chain)).collect();
    all.into_iter().map(of).fold(Total::ZERO, Total::saturating_plus)
}

fn seal_from(license: &License, period: Period) -> Micros {
    period.end() + Seconds::days(u64::from(license.terms.rules.finalisation_days))
}

/// The periods that the licence has by the calendar, used or not.
fn calendar(license: &License, now: Micros) -> impl Iterator<Item = (FeatureNumber, Period)> {
    let terms = &license.terms;
    let (starts_at, ends_at) = (terms.entitlement.starts_at, terms.entitlement.valid_until);
    let runs = license.standing != Standing::Revoked && terms.valid_from_activation.is_none();
    let first = starts_at.max(license.issued_at);
    let metered = terms
        .entitlement
        .features
        .iter()
        .filter(move |feature| runs && feature.mode != Mode::OnOff && feature.reset != Reset::Never);
    metered.flat_map(move |feature| {
        let periods =
            std::iter::successors(Some(Period::of(feature.reset, first)), |period| Some(period.next()));
        periods
            .take_while(move |period| {
                period.start() <= now && ends_at.is_none_or(|ends_at| period.start() < ends_at)
            })
            .map(|period| (feature.number, period))
    })
}

/// The evidence digest of a licence.
fn evidence(license: &License) -> Digest {
    let chains = license.chains.iter().filter(|(_, chain)| !chain.branches.is_empty());
    let chains: Vec<ChainEvidence> =
        chains.map(|(chain, known)| ChainEvidence::of_chain(*chain, known)).collect();
    digest::of_license(&license.id, &chains)
}

fn count(chains: usize) -> u32 {
    u32::try_from(chains).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
