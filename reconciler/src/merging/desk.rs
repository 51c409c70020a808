//! The desk: bundles that callers hand in one by one, each of whom waits for the answer. What is handed in while a commit
//! becomes durable goes into the next one together, so that many callers share a commit.
//!
//! What the desk does for some seconds of business is one merge. At its end it looks at what waits in quarantine and packs.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use schemas::bundle::Answer;
use schemas::codes::Code;
use schemas::ids::KeyReference;
use schemas::refusal::Refusal;

use super::batch::reference;
use super::intake::{COMMIT_EVENTS, COMMIT_FILES, Parcel, Read, guarded, parse_bytes, read_bytes};
use super::room::CallersRoom;
use super::{AnswerTo, MergeReport, Merging, Source, Teller};
use crate::vendor::Vendor;
use crate::wall_clock;

/// How long one merge goes on. What waits in quarantine for a chain that moves is tried again so long afterwards.
const SHIFT: Duration = Duration::from_secs(5);

/// What bundles of devices are called in quarantine.
pub(crate) const EXCHANGE: &str = "exchange";
/// What bundles of the portal are called there.
pub(crate) const PORTAL: &str = "portal";
/// Those whom anybody may be.
pub(super) const CALLERS: [&str; 2] = [EXCHANGE, PORTAL];

/// A bundle that was read and verified, or why it cannot be read.
#[derive(Debug)]
pub(crate) struct Submission(Read);

impl Submission {
    /// Reads a bundle, armored or not, and verifies its runs. It is called `name` where it comes into quarantine.
    pub(crate) fn read(name: &str, bytes: Vec<u8>) -> Self {
        Self(read_bytes(&Source::of_caller(name.to_owned(), 0), bytes, parse_bytes))
    }

    /// The licences that its chains are for, by the references of their keys, in the order of its answers; nothing of a chain
    /// of which nothing verifies.
    pub(crate) fn references(&self) -> Vec<Option<KeyReference>> {
        let parcels = self.0.iter();
        parcels.flat_map(|parcel| parcel.deliveries.values()).map(reference).collect()
    }

    /// Why it cannot be read.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        self.0.as_ref().err().map(|unread| &unread.refusal)
    }

    fn events(&self) -> usize {
        self.0.as_ref().map_or(0, Parcel::event_count)
    }

    /// Lets the caller of this number be answered.
    fn of(mut self, caller: u64) -> Read {
        let source = match &mut self.0 {
            Ok(parcel) => &mut parcel.source,
            Err(unread) => &mut unread.source,
        };
        source.answer = Some(AnswerTo::Caller(caller));
        self.0
    }
}

/// Takes the answers, or the refusal, once: when what was handed in is durably in the ledger or in quarantine.
pub(crate) type TellCaller = Box<dyn FnOnce(Result<Vec<Answer>, Refusal>) + Send>;

/// What a caller hands in.
pub(crate) struct Handed {
    /// The bundle.
    pub(crate) submission: Submission,
    /// Who waits.
    pub(crate) tell: TellCaller,
}

/// Works until nobody can hand anything in any more.
///
/// Each caller is told exactly once. Where the ledger fails, those whose bundles were on their way are told so, and may
/// hand them in again: what was merged is known then. `observe` hears what became of the bundles of each merge.
pub(crate) fn work(vendor: &mut Vendor, handed_in: &Receiver<Handed>, observe: &mut dyn FnMut(&MergeReport)) {
    let mut room = CallersRoom::default();
    while let Ok(first) = handed_in.recv() {
        let mut callers = Callers::default();
        let done = guarded(|| shift(vendor, handed_in, first, &mut callers, &mut room)).unwrap_or_else(Err);
        match done {
            Ok(report) => observe(&report),
            Err(refusal) => {
                callers.refuse_all(&refusal);
                // A transaction that a fault of the program left is not gone on with.
                if refusal.code() == Code::Internal
                    && let Ok(store) = vendor.store.another()
                {
                    vendor.store = store;
                }
            }
        }
    }
}

/// One merge.
fn shift(
    vendor: &mut Vendor,
    handed_in: &Receiver<Handed>,
    first: Handed,
    callers: &mut Callers,
    room: &mut CallersRoom,
) -> Result<MergeReport, Refusal> {
    let begun = wall_clock::instant();
    let room = room.look(vendor.store.as_mut())?;
    let mut merging = Merging::new(vendor, callers, room);
    let mut next = Some(first);
    loop {
        let group = gather(merging.teller, next.take(), handed_in);
        if !group.is_empty() {
            merging.vendor.now = merging.vendor.now.max(wall_clock::now());
            merging.take(group)?;
        } else if !merging.committed.is_empty() {
            merging.finish_first()?;
        }
        if begun.elapsed() >= SHIFT {
            break;
        }
        if merging.committed.is_empty() {
            next = match handed_in.recv_timeout(SHIFT.saturating_sub(begun.elapsed())) {
                Ok(handed) => Some(handed),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            };
        }
    }
    merging.finish_all()?;
    merging.retry()?;
    Ok(merging.finished())
}

/// What was handed in by now, as far as it is worth one commit.
fn gather(callers: &mut Callers, next: Option<Handed>, handed_in: &Receiver<Handed>) -> Vec<Read> {
    let (mut group, mut events) = (Vec::new(), 0);
    let mut next = next.map_or_else(|| handed_in.try_recv(), Ok);
    loop {
        let Handed { submission, tell } = match next {
            Ok(handed) => handed,
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => return group,
        };
        events += submission.events();
        group.push(submission.of(callers.add(tell)));
        if events >= COMMIT_EVENTS || group.len() >= COMMIT_FILES {
            return group;
        }
        next = handed_in.try_recv();
    }
}

/// Those who wait, by number.
#[derive(Default)]
struct Callers {
    last: u64,
    waiting: BTreeMap<u64, TellCaller>,
}

impl Callers {
    fn add(&mut self, tell: TellCaller) -> u64 {
        self.last += 1;
        self.waiting.insert(self.last, tell);
        self.last
    }

    fn refuse_all(&mut self, refusal: &Refusal) {
        for (_, tell) in std::mem::take(&mut self.waiting) {
            tell(Err(refusal.clone()));
        }
    }
}

impl Teller for &mut Callers {
    /// Whoever was told asks again to hear more.
    fn tell(&mut self, to: &AnswerTo, answers: Result<Vec<Answer>, &Refusal>) -> Result<(), Refusal> {
        if let AnswerTo::Caller(caller) = to
            && let Some(tell) = self.waiting.remove(caller)
        {
            tell(answers.map_err(Clone::clone));
        }
        Ok(())
    }
}
