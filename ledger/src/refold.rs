//! Folding a licence again from its stored runs: what a rebuild does. Nothing is hashed and no signature is checked;
//! the links are those that the runs were stored with.

use schemas::canonical::DecodeError;
use schemas::event::{Body, Event};
use schemas::ids::ChainId;
use schemas::numbers::{Epoch, Seq};
use schemas::run::{Origin, pairs};
use thiserror::Error;

use crate::authority::License;
use crate::chain::Head;
use crate::evidence::{Chain, Part, Parting, Told};
use crate::rows::{Rows, StoredRun};

/// Why stored runs do not fold.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum RefoldError {
    /// A stored event does not decode.
    #[error("a stored event does not decode")]
    Format(#[from] DecodeError),
    /// The first authority run does not begin with `license.issued`.
    #[error("the licence's first event is missing")]
    NotIssued,
    /// A stored branch parts from no event that is stored.
    #[error("a stored branch does not attach")]
    Unattached,
    /// An authority chain of a later epoch does not go on from where the one before it ended.
    #[error("the licence's epochs do not follow each other")]
    NotRestored,
}

/// Folds the runs of one licence, each chain's in order: the authority chains' first, in the order of their epochs.
///
/// # Errors
/// When an event does not decode, the licence's first event is missing, or its epochs do not follow each other.
pub fn license(authority: &[StoredRun], device: &[StoredRun]) -> Result<(License, Rows), RefoldError> {
    let mut rows = Rows::default();
    let mut license = None;
    for run in in_order_of_epochs(authority) {
        fold_authority(&mut license, run, &mut rows)?;
    }
    let mut license = license.ok_or(RefoldError::NotIssued)?;
    for of_chain in device.chunk_by(|one, next| one.chain == next.chain) {
        license.chains.extend(chain(of_chain, &mut rows)?);
    }
    Ok((license, rows))
}

/// Folds the runs of one device chain, branch by branch and each branch's in order.
pub(crate) fn chain(runs: &[StoredRun], rows: &mut Rows) -> Result<Option<(ChainId, Chain)>, RefoldError> {
    let mut folded: Option<(ChainId, Chain)> = None;
    for (number, run) in runs.iter().enumerate() {
        let Origin::Device(origin) = &run.origin else { continue };
        let (_, chain) = folded.get_or_insert_with(|| (run.chain, Chain::new(origin.clone())));
        fold_device(chain, run, &runs[..number], rows)?;
    }
    if let Some((_, chain)) = &mut folded {
        chain.settle();
    }
    Ok(folded)
}

/// Authority runs in the order in which they were written.
pub(crate) fn in_order_of_epochs(runs: &[StoredRun]) -> Vec<&StoredRun> {
    let mut runs: Vec<&StoredRun> = runs.iter().collect();
    runs.sort_by_key(|run| (epoch_of(run), run.first_seq));
    runs
}

/// The epoch of an authority run.
pub(crate) fn epoch_of(run: &StoredRun) -> Option<Epoch> {
    match &run.origin {
        Origin::Authority(origin) => Some(origin.epoch),
        Origin::Device(_) | Origin::Catalog(_) => None,
    }
}

/// The events of a stored run with their places.
///
/// # Errors
/// The first event that does not decode.
pub fn events(run: &StoredRun) -> Result<Vec<(Seq, Event)>, DecodeError> {
    (run.first_seq.0..)
        .map(Seq)
        .zip(pairs(&run.pairs))
        .map(|(seq, pair)| Ok((seq, Event::decode(pair?.core)?)))
        .collect()
}

fn fold_authority(
    license: &mut Option<License>,
    run: &StoredRun,
    rows: &mut Rows,
) -> Result<(), RefoldError> {
    let Origin::Authority(origin) = &run.origin else { return Err(RefoldError::NotIssued) };
    let mut head = Head { seq: Seq(run.first_seq.0 - 1), link: run.prev };
    for pair in pairs(&run.pairs) {
        let pair = pair?;
        let event = Event::decode(pair.core)?;
        // The vendor's own chains are short, and their heads are hashed again.
        (_, head) = head.after(&run.chain, pair.core, &pair.signature);
        let license = match (&mut *license, &event.body) {
            (Some(license), _) => license,
            (empty, Body::LicenseIssued(issued)) => empty.insert(License::issued(origin, event.at, issued)),
            _ => return Err(RefoldError::NotIssued),
        };
        if license.epoch != origin.epoch {
            license.epoch = next_epoch(license, origin.epoch, &event.body)?;
        }
        license.apply(head, &event, rows);
    }
    Ok(())
}

/// An epoch goes on from where the one before it ended, and says so first.
fn next_epoch(license: &License, epoch: Epoch, first: &Body) -> Result<Epoch, RefoldError> {
    match first {
        Body::AuthorityRestored(ended)
            if epoch > license.epoch
                && ended.epoch == license.epoch
                && (Head { seq: ended.seq, link: ended.link }) == license.head =>
        {
            Ok(epoch)
        }
        _ => Err(RefoldError::NotRestored),
    }
}

/// Folds the next run of a chain, of which `earlier` are folded.
fn fold_device(
    chain: &mut Chain,
    run: &StoredRun,
    earlier: &[StoredRun],
    rows: &mut Rows,
) -> Result<(), RefoldError> {
    let events = events(run)?;
    let is_new = run.branch != 0 && !chain.branches.contains_key(&run.branch);
    let parting =
        if is_new { Some(parting(chain, run, earlier, rows).ok_or(RefoldError::Unattached)?) } else { None };
    let part = Part {
        chain: run.chain,
        branch: run.branch,
        parting,
        first_seq: run.first_seq,
        head: run.head,
        events: events.iter().map(|(seq, event)| (*seq, event)),
    };
    chain.extend(part, rows);
    Ok(())
}

/// Where the first run of a branch parts from what is stored before it.
fn parting(chain: &Chain, run: &StoredRun, earlier: &[StoredRun], rows: &Rows) -> Option<Parting> {
    let before = Head { seq: Seq(run.first_seq.0 - 1), link: run.prev };
    let parent = earlier.iter().find(|earlier| before == Head::START || earlier.holds(before))?.branch;
    let mut of_parent = earlier.iter().filter(|earlier| earlier.branch == parent);
    let rival = of_parent.find(|earlier| earlier.covers(run.first_seq))?;
    let holds_before = |earlier: &&StoredRun| earlier.branch == parent && earlier.holds(before);
    let before = earlier.iter().find(holds_before).and_then(|earlier| earlier.start_at(before.seq));
    let mut told = Told::before(&chain.branches, parent, run.first_seq);
    rows.history.iter().filter(|entry| entry.chain == run.chain).for_each(|entry| told.hear(entry));
    Some(Parting {
        parent,
        rival: rival.start_at(run.first_seq)?,
        before: before.map(|start| start.at),
        told,
    })
}
