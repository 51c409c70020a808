//! Taking reports in: all runs of one licence in one unit of work, what cannot go in set aside, what waited tried again.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ledger::authority::License;
use ledger::draft::Draft;
use ledger::escrow;
use ledger::merge::{ChainOutcome, Stored as _, merge_chain};
use ledger::parking;
use ledger::quotas;
use ledger::recovery::{self, Enclosed};
use ledger::run::VerifiedRun;
use schemas::event::Body;
use schemas::event::device::Claim;
use schemas::grant::{Grant, Revocations};
use schemas::ids::{ChainId, Digest};
use schemas::numbers::{FeatureNumber, Total};
use schemas::period::Period;

use super::{Fate, File, Keys, Shelf};

/// The runs of one chain in a report.
#[derive(Clone, Debug)]
pub struct Stop {
    /// The chain.
    pub chain: ChainId,
    /// The runs.
    pub runs: Vec<VerifiedRun>,
    /// The last grant of the chain, where the report encloses it.
    pub enclosed: Option<Rc<Grant>>,
}

/// What became of the runs of one chain.
#[derive(Debug)]
pub struct Merged {
    /// What became of them.
    pub outcome: ChainOutcome,
    /// Whether something that the ledger had lost was taken back from the grant that is enclosed.
    pub took_back: bool,
    /// What was raised, and what was free then; looked at where other chains are taken in beside it.
    pub raised: Vec<((FeatureNumber, Period), i64)>,
}

impl File {
    /// Takes the runs of a report in, all of them in one unit of work, each chain's together with what waits of it in
    /// quarantine; then what waited for one of these chains is tried again.
    pub fn merge(&mut self, keys: &Keys, now: u64, fate: Fate, stops: &[Stop]) -> Vec<Merged> {
        let together: Vec<Vec<VerifiedRun>> = stops.iter().map(|stop| self.with_quarantined(stop)).collect();
        let merged: Vec<Merged> = self.work(keys, now, fate, |draft, shelf| {
            let each = stops.iter().zip(&together);
            each.map(|(stop, runs)| merge_stop(keys, draft, shelf, (stop, runs), stops.len() > 1)).collect()
        });
        if fate != Fate::LostBeforeKeeping {
            for ((stop, runs), merged) in stops.iter().zip(&together).zip(&merged) {
                self.set_aside(stop.chain, runs, &merged.outcome);
                self.shelf.arrived.extend(stop.runs.iter().cloned());
            }
            self.try_successors_again(keys, now);
        }
        merged
    }

    fn with_quarantined(&self, stop: &Stop) -> Vec<VerifiedRun> {
        let mut together = self.shelf.quarantine.get(&stop.chain).cloned().unwrap_or_default();
        together.extend(stop.runs.iter().cloned());
        together.sort_by_key(|run| run.span().first);
        together
    }

    /// What waits of successors goes in when the chain that it follows is known.
    fn try_successors_again(&mut self, keys: &Keys, now: u64) {
        while !self.shelf.quarantine.is_empty() {
            let before = self.license().chains.len();
            for stop in self.waiting_successors() {
                let runs = self.with_quarantined(&stop);
                let merged = self.work(keys, now, Fate::Kept, |draft, shelf| {
                    merge_stop(keys, draft, shelf, (&stop, &runs), false)
                });
                self.set_aside(stop.chain, &runs, &merged.outcome);
            }
            if self.license().chains.len() == before {
                break;
            }
        }
    }

    fn waiting_successors(&mut self) -> Vec<Stop> {
        let known: BTreeSet<ChainId> = self.license().chains.keys().copied().collect();
        let unknown = self.shelf.quarantine.iter().filter(|(chain, _)| !known.contains(chain));
        let ready = unknown.filter(|(_, runs)| follows(runs).is_some_and(|follows| known.contains(&follows)));
        ready.map(|(chain, _)| Stop { chain: *chain, runs: Vec::new(), enclosed: None }).collect()
    }

    fn set_aside(&mut self, chain: ChainId, runs: &[VerifiedRun], outcome: &ChainOutcome) {
        let waits = |number: usize| {
            outcome.refused.is_some() || outcome.left_out.iter().any(|(left_out, _)| *left_out == number)
        };
        let mut waiting: BTreeMap<Digest, VerifiedRun> = BTreeMap::new();
        for (number, run) in runs.iter().enumerate().filter(|(number, _)| waits(*number)) {
            debug_assert!(waits(number));
            waiting.insert(parking::name(run).0, run.clone());
        }
        if waiting.is_empty() {
            self.shelf.quarantine.remove(&chain);
        } else {
            self.shelf.quarantine.insert(chain, waiting.into_values().collect());
        }
    }
}

/// The chain that a successor's request among runs names.
fn follows(runs: &[VerifiedRun]) -> Option<ChainId> {
    let mut events = runs.iter().flat_map(VerifiedRun::events);
    events.find_map(|linked| match &linked.event.body {
        Body::ActivationRequested(requested) => match &requested.claim {
            Claim::Successor(claim) => Some(claim.follows),
            _ => None,
        },
        _ => None,
    })
}

fn take_back(keys: &Keys, draft: &mut Draft<'_>, mut shelf: &Shelf, grant: &Grant) -> bool {
    let revocations = Revocations::default();
    let enclosed = Enclosed::read(grant.clone()).expect("a grant that a device applied");
    let Ok(is_lost) = enclosed.is_lost(draft.license(), |chain, seq| shelf.authority_link(chain, seq));
    let lost = if is_lost { enclosed.believe(draft.license(), &keys.root, &revocations) } else { None };
    lost.is_some_and(|lost| recovery::take_back(draft, &lost, &revocations).expect("a short grant"))
}

fn merge_stop(
    keys: &Keys,
    draft: &mut Draft<'_>,
    mut shelf: &Shelf,
    (stop, runs): (&Stop, &[VerifiedRun]),
    is_beside_others: bool,
) -> Merged {
    let revocations = Revocations::default();
    let chain = stop.chain;
    let took_back = stop.enclosed.as_ref().is_some_and(|grant| take_back(keys, draft, shelf, grant));
    let before = is_beside_others.then(|| granted(draft.license(), &chain));
    let Ok(outcome) = merge_chain(draft, chain, runs, &mut shelf, &keys.secret, &revocations);
    let license = draft.license();
    let raised = before.map_or_else(Vec::new, |before| {
        let after = granted(license, &chain).into_iter();
        let raised = after.filter(|(key, units)| before.get(key).copied().unwrap_or_default() < *units);
        raised.map(|(key, _)| (key, free(license, key))).collect()
    });
    Merged { outcome, took_back, raised }
}

/// G of a chain.
fn granted(license: &License, chain: &ChainId) -> BTreeMap<(FeatureNumber, Period), Total> {
    let quotas = license.activations.get(chain).into_iter().flat_map(|activation| &activation.quotas);
    quotas.map(|(key, quota)| (*key, quota.granted)).collect()
}

fn free(license: &License, (feature, period): (FeatureNumber, Period)) -> i64 {
    let rule = license.terms.rules.quotas.iter().find(|rule| rule.feature == feature).expect("a rule");
    escrow::free(rule.limit, rule.overage, quotas::accounts(license, feature, period).into_values())
}
