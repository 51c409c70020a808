//! What was signed is kept: by its signer where it is alone, by a thread of its own where others wait.

use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, TransactionBehavior};
use schemas::ids::PublicKey;

use super::group::Group;
use super::signer::{Job, Outcomes, Signed};
use super::trail::Trail;
use super::{StoreError, load};
use crate::check::Snapshot;
use crate::device::{AppliedGrant, Device};

/// The database of a chain, and whether it holds what was signed.
pub(super) struct Keeper {
    pub(super) db: Connection,
    pub(super) root: PublicKey,
    pub(super) inherited: Option<AppliedGrant>,
    /// Whether what was signed may not have been kept: the state in memory is then read again before it is used, for
    /// only the database knows.
    pub(super) stale: bool,
    pub(super) publish: Box<dyn Fn(Snapshot) + Send + Sync>,
}

impl Keeper {
    /// Reads the chain's state.
    pub(super) fn load(&self) -> Result<(Device, Trail), StoreError> {
        let (mut device, trail) = load::device(&self.db, &self.root)?;
        if let Some(grant) = self.inherited.clone() {
            device.inherit(grant);
        }
        Ok((device, trail))
    }

    /// Writes a signed group in a commit of its own, and tells checks of it.
    pub(super) fn keep(&mut self, signed: Signed) -> Result<Vec<Outcomes>, StoreError> {
        self.stale = true;
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        signed.write(&transaction)?;
        transaction.commit()?;
        self.stale = false;
        (self.publish)(signed.snapshot);
        Ok(signed.outcomes)
    }
}

/// A group that is signed and waits to be kept.
type Given = (Signed, Group<Job, Outcomes>);

/// The keeper, and the thread that works for it where several callers append.
pub(super) struct Keeping {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    keeper: Mutex<Keeper>,
    slot: Mutex<Slot>,
    changed: Condvar,
}

enum Slot {
    Free,
    Given(Box<Given>),
    /// The thread keeps what it was given.
    Busy,
    /// There is nothing more to come.
    Closed,
}

impl Keeping {
    pub(super) fn new(keeper: Keeper) -> Self {
        let shared =
            Shared { keeper: Mutex::new(keeper), slot: Mutex::new(Slot::Free), changed: Condvar::new() };
        Self { shared: Arc::new(shared), thread: Mutex::new(None) }
    }

    /// Whether all that was given is kept.
    pub(super) fn is_free(&self) -> bool {
        matches!(*hold(&self.shared.slot), Slot::Free)
    }

    /// The keeper, when all that was given is kept. Nothing may be given meanwhile.
    pub(super) fn at_rest(&self) -> MutexGuard<'_, Keeper> {
        let slot = self.shared.wait_while(|slot| matches!(slot, Slot::Given(_) | Slot::Busy));
        drop(slot);
        hold(&self.shared.keeper)
    }

    /// Has a group kept by the thread, or keeps it where none can be had. To be called when all that was given before is
    /// kept.
    pub(super) fn give(&self, signed: Signed, group: Group<Job, Outcomes>) {
        if self.has_thread() {
            *hold(&self.shared.slot) = Slot::Given(Box::new((signed, group)));
            self.shared.changed.notify_all();
        } else {
            let kept = hold(&self.shared.keeper).keep(signed);
            answer(group, kept);
        }
    }

    fn has_thread(&self) -> bool {
        let mut thread = hold(&self.thread);
        if thread.is_none() {
            let shared = Arc::clone(&self.shared);
            *thread = thread::Builder::new().name("keeper".into()).spawn(move || shared.keep_all()).ok();
        }
        thread.is_some()
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        drop(self.at_rest());
        *hold(&self.shared.slot) = Slot::Closed;
        self.shared.changed.notify_all();
        if let Some(thread) = hold(&self.thread).take() {
            drop(thread.join());
        }
    }
}

impl Shared {
    fn wait_while(&self, mut is_so: impl FnMut(&Slot) -> bool) -> MutexGuard<'_, Slot> {
        let slot = self.changed.wait_while(hold(&self.slot), |slot| is_so(slot));
        slot.unwrap_or_else(PoisonError::into_inner)
    }

    fn keep_all(&self) {
        while let Some((signed, group)) = self.take() {
            // Who panics leaves the keeper stale, and the group unanswered: it is told that it is lost.
            let keep = AssertUnwindSafe(|| hold(&self.keeper).keep(signed));
            let kept = panic::catch_unwind(keep);
            // Before anyone is answered: the signer need not wait for that.
            *hold(&self.slot) = Slot::Free;
            self.changed.notify_all();
            if let Ok(kept) = kept {
                answer(group, kept);
            }
        }
    }

    /// Waits for the next group; nothing when there is none to come.
    fn take(&self) -> Option<Given> {
        let mut slot = self.wait_while(|slot| matches!(slot, Slot::Free | Slot::Busy));
        match mem::replace(&mut *slot, Slot::Busy) {
            Slot::Given(given) => Some(*given),
            Slot::Free | Slot::Busy | Slot::Closed => None,
        }
    }
}

fn answer(group: Group<Job, Outcomes>, kept: Result<Vec<Outcomes>, StoreError>) {
    match kept {
        Ok(outcomes) => group.answer(outcomes),
        Err(error) => group.fail(&vec![Err(error.into())]),
    }
}

/// A mutex whose holder died is taken all the same: [`Keeper::stale`] says whether its value is to be trusted.
fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
