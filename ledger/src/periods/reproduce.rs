//! Deriving a sealed figure again, from the stored runs alone: which branch heads were known at the seal's place, the
//! events that lead to them, and what they add up to.
//!
//! Every event is hashed on the way from a chain's start to a head that a signed grant names, so that nothing between
//! can have been changed, taken away or put in.

use std::collections::{BTreeMap, BTreeSet};

use schemas::canonical::DecodeError;
use schemas::event::Body;
use schemas::ids::{ChainId, Digest, LicenseId, Link};
use schemas::numbers::{Epoch, FeatureNumber, Seq, Total};
use schemas::period::Period;
use schemas::run::pairs;
use thiserror::Error;

use super::used;
use crate::chain::Head;
use crate::coded::Coded;
use crate::digest::{self, ChainEvidence};
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
    let mut chains = BTreeMap::new();
    for (chain, heads) in known_before(authority, place)? {
        let runs: Vec<&StoredRun> = device.iter().filter(|run| run.chain == chain).collect();
        let missing = ReproduceError::Missing(chain);
        let led_to = leading_to(chain, &runs, &heads)?;
        let folded = refold::chain(&led_to, &mut Rows::default()).map_err(|_| missing)?;
        let (name, known) = folded.ok_or(missing)?;
        chains.insert(name, known);
    }
    let evidence: Vec<ChainEvidence> =
        chains.iter().map(|(chain, known)| ChainEvidence::of_chain(*chain, known)).collect();
    let used = used(&chains, &coded_before(authority, place)?, feature, period);
    Ok(Reproduced { used, evidence: digest::of_license(license, &evidence) })
}

/// The links of the branch heads that the grants before `place` took in.
fn known_before(
    authority: &[StoredRun],
    place: (Epoch, Seq),
) -> Result<BTreeMap<ChainId, BTreeSet<Link>>, DecodeError> {
    let mut heads: BTreeMap<ChainId, BTreeSet<Link>> = BTreeMap::new();
    for run in refold::in_order_of_epochs(authority) {
        let epoch = refold::epoch_of(run).unwrap_or_default();
        for (seq, event) in refold::events(run)? {
            let Body::GrantIssued(grant) = event.body else { continue };
            let known = grant.took_in.into_iter().filter(|head| (epoch, seq) < place && head.seq > Seq(0));
            for took_in in known {
                heads.entry(took_in.chain).or_default().insert(took_in.link);
            }
        }
    }
    Ok(heads)
}

/// What codes had told before `place`.
fn coded_before(authority: &[StoredRun], place: (Epoch, Seq)) -> Result<Coded, DecodeError> {
    let mut coded = Coded::default();
    for run in refold::in_order_of_epochs(authority) {
        let epoch = refold::epoch_of(run).unwrap_or_default();
        for (seq, event) in refold::events(run)?.iter().filter(|(seq, _)| (epoch, *seq) < place) {
            coded.apply(epoch, *seq, event);
        }
    }
    Ok(coded)
}

/// The runs of a chain, each as far as it leads to one of the heads: found by going back from each head to the chain's
/// start.
fn leading_to(
    chain: ChainId,
    runs: &[&StoredRun],
    heads: &BTreeSet<Link>,
) -> Result<Vec<StoredRun>, ReproduceError> {
    let missing = ReproduceError::Missing(chain);
    let places = places(runs, heads)?;
    let mut counts = vec![0; runs.len()];
    let mut left: Vec<Link> = heads.iter().copied().collect();
    while let Some(link) = left.pop() {
        let (run, count) = *places.get(&link).ok_or(missing)?;
        if count > counts[run] {
            counts[run] = count;
            left.extend(Some(runs[run].prev).filter(|prev| *prev != Link::START));
        }
    }
    let led_to = runs.iter().zip(counts).filter(|(_, count)| *count > 0);
    led_to.map(|(run, count)| run.first(count).ok_or(missing)).collect()
}

/// Where the heads, and the links that runs go on from, stand: the run's number, and its events up to there.
fn places(
    runs: &[&StoredRun],
    heads: &BTreeSet<Link>,
) -> Result<BTreeMap<Link, (usize, usize)>, DecodeError> {
    let mut wanted = heads.clone();
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
