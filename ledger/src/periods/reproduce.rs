//! Deriving a sealed figure again, from the stored runs alone: which branch heads were known at the seal's place, the
//! events that lead to them, and what they add up to.
//!
//! Every event is hashed on the way from a chain's start to a head that a signed grant names, so that nothing between
//! can have been changed, taken away or put in.

use std::collections::{BTreeMap, BTreeSet};

use schemas::canonical::DecodeError;
use schemas::event::{Body, Event};
use schemas::grant::TookIn;
use schemas::ids::{ChainId, Digest, LicenseId, Link};
use schemas::numbers::{Epoch, FeatureNumber, Seq, Total};
use schemas::period::Period;
use schemas::run::pairs;
use thiserror::Error;

use super::used;
use crate::chain::Head;
use crate::digest::{self, ChainEvidence};
use crate::evidence::{Chain, Part};
use crate::refold;
use crate::rows::{Rows, StoredRun};

/// A figure as it follows from the evidence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reproduced {
    /// Units used.
    pub used: Total,
    /// The evidence digest of the licence.
    pub evidence: Digest,
}

/// Why a figure does not follow.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum ReproduceError {
    /// A stored event does not decode.
    #[error("a stored event does not decode")]
    Format(#[from] DecodeError),
    /// Events that lead to a head which a grant took in are not there, or are not what they were.
    #[error("the stored events of chain {0} do not lead to a head that was known")]
    Missing(ChainId),
}

/// Derives what was used in a period, and the evidence digest, as they were known just before the event at `place` of
/// the licence's authority chains.
///
/// # Errors
/// When the evidence that was known then is not there or was changed.
pub fn reproduce(
    license: &LicenseId,
    authority: &[StoredRun],
    device: &[StoredRun],
    place: (Epoch, Seq),
    (feature, period): (FeatureNumber, Period),
) -> Result<Reproduced, ReproduceError> {
    let mut chains = Vec::new();
    let mut evidence = Vec::new();
    for (chain, heads) in known_before(authority, place)? {
        let runs: Vec<&StoredRun> = device.iter().filter(|run| run.chain == chain).collect();
        let woven = Woven::of(chain, &runs, &heads)?;
        chains.extend(woven.fold(feature, period)?);
        evidence.push(woven.evidence());
    }
    let used = used(&chains, feature, period);
    Ok(Reproduced { used, evidence: digest::of_license(license, &evidence) })
}

/// The branch heads that the grants before `place` took in, the newest of each branch.
fn known_before(
    authority: &[StoredRun],
    place: (Epoch, Seq),
) -> Result<BTreeMap<ChainId, Vec<TookIn>>, DecodeError> {
    let mut heads: BTreeMap<ChainId, BTreeMap<Seq, TookIn>> = BTreeMap::new();
    for run in refold::in_order_of_epochs(authority) {
        let epoch = refold::epoch_of(run).unwrap_or_default();
        for (seq, event) in refold::events(run)? {
            let Body::GrantIssued(grant) = event.body else { continue };
            let known = grant.took_in.into_iter().filter(|head| (epoch, seq) < place && head.seq > Seq(0));
            for took_in in known {
                heads.entry(took_in.chain).or_default().insert(took_in.first_seq, took_in);
            }
        }
    }
    Ok(heads.into_iter().map(|(chain, heads)| (chain, heads.into_values().collect())).collect())
}

/// The runs of a chain, each as far as it leads to one of the heads.
struct Woven<'a> {
    chain: ChainId,
    /// Each run with the number of its first events that lead to a head.
    runs: Vec<(&'a StoredRun, usize)>,
    /// The heads that no other one goes on from.
    heads: Vec<TookIn>,
}

impl<'a> Woven<'a> {
    /// Goes back from each head to the chain's start.
    fn of(chain: ChainId, runs: &[&'a StoredRun], heads: &[TookIn]) -> Result<Self, ReproduceError> {
        let places = places(runs, heads)?;
        let mut woven: Vec<(&StoredRun, usize)> = runs.iter().map(|run| (*run, 0)).collect();
        let mut left: Vec<Link> = heads.iter().map(|head| head.link).collect();
        while let Some(link) = left.pop() {
            let (run, count) = *places.get(&link).ok_or(ReproduceError::Missing(chain))?;
            if count > woven[run].1 {
                woven[run].1 = count;
                left.extend(Some(woven[run].0.prev).filter(|prev| *prev != Link::START));
            }
        }
        let mut tips: BTreeMap<Link, TookIn> = BTreeMap::new();
        for head in heads {
            let (run, count) = places[&head.link];
            let goes_on =
                woven[run].1 > count || woven.iter().any(|(run, count)| *count > 0 && run.prev == head.link);
            if !goes_on {
                tips.insert(head.link, *head);
            }
        }
        Ok(Self { chain, runs: woven, heads: tips.into_values().collect() })
    }

    /// Folds what counts in one period.
    fn fold(&self, feature: FeatureNumber, period: Period) -> Result<Option<Chain>, DecodeError> {
        let mut folded: Option<Chain> = None;
        for (run, count) in self.runs.iter().filter(|(_, count)| *count > 0) {
            let schemas::run::Origin::Device(origin) = &run.origin else { continue };
            let events = refold::events(run)?;
            let counting = events.iter().take(*count).filter(|(_, event)| counts(event, feature, period));
            let part = Part {
                chain: self.chain,
                branch: run.branch,
                first_seq: run.first_seq,
                head: run.head,
                events: counting.map(|(seq, event)| (*seq, event)),
            };
            folded.get_or_insert_with(|| Chain::new(origin.clone())).extend(part, &mut Rows::default());
        }
        Ok(folded)
    }

    fn evidence(&self) -> ChainEvidence {
        let heads = self.heads.iter().map(|head| (head.first_seq, head.seq, head.link)).collect();
        ChainEvidence::of_heads(self.chain, heads)
    }
}

/// Where the heads, and the links that runs go on from, stand: the run's number, and its events up to there.
fn places(runs: &[&StoredRun], heads: &[TookIn]) -> Result<BTreeMap<Link, (usize, usize)>, DecodeError> {
    let mut wanted: BTreeSet<Link> = heads.iter().map(|head| head.link).collect();
    wanted.extend(runs.iter().map(|run| run.prev));
    let mut places = BTreeMap::new();
    for (number, run) in runs.iter().enumerate() {
        let mut head = Head { seq: Seq(run.first_seq.0.saturating_sub(1)), link: run.prev };
        for (index, pair) in pairs(&run.pairs).enumerate() {
            let pair = pair?;
            (_, head) = head.after(&run.chain, pair.core, &pair.signature);
            if wanted.contains(&head.link) {
                places.insert(head.link, (number, index + 1));
            }
        }
    }
    Ok(places)
}

fn counts(event: &Event, feature: FeatureNumber, period: Period) -> bool {
    match &event.body {
        Body::FeatureConsumed(used) => (used.feature, used.period) == (feature, period),
        Body::FeatureRefunded(back) => (back.feature, back.period) == (feature, period),
        _ => false,
    }
}
