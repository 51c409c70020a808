//! One period as a command tells it.

use ledger::periods::{Conditions, Reckoned, Seal};
use schemas::ids::LicenseId;
use schemas::numbers::Micros;
use schemas::period::Period;
use serde::Serialize;

/// One period of one feature of one licence.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PeriodLine {
    pub(super) license_id: LicenseId,
    pub(super) feature: String,
    pub(super) period: Period,
    pub(super) state: &'static str,
    /// Units used as far as they are known now.
    pub(super) used: u64,
    /// Units used as far as they were known at the seal.
    pub(super) sealed: Option<u64>,
    /// Units added by adjustments since.
    pub(super) added: u64,
    /// Units taken off by adjustments since.
    pub(super) removed: u64,
    /// Units that came, less those that went, and that the next `period seal` will adjust.
    pub(super) unadjusted: i64,
    pub(super) ended_at: Micros,
    /// From when it can be sealed.
    pub(super) seal_from: Micros,
    pub(super) sealed_at: Option<Micros>,
    /// Whether it was sealed before the waiting was over.
    pub(super) early: bool,
    /// Device chains that were silent past their deadline: at the seal, or, before it, now.
    pub(super) silent: u32,
    /// Device chains with events missing.
    pub(super) gaps: u32,
    /// Device chains with contradicting histories.
    pub(super) forks: u32,
    /// Device chains with a clock that was noted.
    pub(super) clocks: u32,
}

impl PeriodLine {
    /// A period of `license_id`, whose evidence is as complete now as `present` says.
    pub(super) fn of(license_id: LicenseId, feature: String, period: &Reckoned, present: Conditions) -> Self {
        let seal = period.seal.as_ref();
        let Conditions { silent, gaps, forks, clocks } = seal.map_or(present, |seal| seal.conditions);
        let (came, went) = period.unadjusted();
        Self {
            license_id,
            feature,
            period: period.period,
            state: period.state.word(),
            used: period.used.get(),
            sealed: seal.map(|seal| seal.used.get()),
            added: seal.map_or(0, |seal| seal.added.get()),
            removed: seal.map_or(0, |seal| seal.removed.get()),
            unadjusted: came.cast_signed() - went.cast_signed(),
            ended_at: period.period.end(),
            seal_from: period.seal_from,
            sealed_at: seal.map(|seal| seal.at),
            early: seal.is_some_and(|seal: &Seal| seal.early),
            silent,
            gaps,
            forks,
            clocks,
        }
    }

    /// What makes the figure less than certain, in words.
    pub(super) fn conditions_in_words(&self) -> String {
        let counts = [
            (self.silent, "silent"),
            (self.gaps, "with gaps"),
            (self.forks, "forked"),
            (self.clocks, "with odd clocks"),
        ];
        let words: Vec<String> = counts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if words.is_empty() { "complete".to_owned() } else { words.join(", ") }
    }
}
