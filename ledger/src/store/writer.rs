//! The one writer of a chain: decides, signs and keeps, a group of callers in one commit.
//!
//! A group is signed first and then kept. Where others wait it is kept by a thread of its own, and the next one is signed
//! meanwhile, which grows until its turn has come: on a slow disk the groups are large, on a fast one the signature never
//! waits. The state in memory is therefore ahead of the database by at most two groups, and nobody is answered before the
//! commit. A caller alone has no other thread to wait for.

use std::fmt;
use std::iter;
use std::mem;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::TransactionBehavior;
use schemas::event::device::FingerprintComponent;
use schemas::ids::{InstanceId, PublicKey};

use super::group::{Baton, Groups};
use super::keeper::{Keeper, Keeping};
use super::signer::{Job, Outcomes, Signer, Signing};
use super::{AppendError, StoreError, compaction, database};
use crate::check::{Life, Snapshot};
use crate::clock::Reading;
use crate::device::{AppliedGrant, Command, Device, Done, Known, Seen};
use crate::keys::SecretKey;

/// How old the kept mark of a running process may be, in microseconds.
const MARK_EVERY: u64 = 5 * 60 * 1_000_000;

/// How many groups one caller leads while others wait.
const GROUPS: usize = 64;

/// What the process that writes is.
#[derive(Clone, Debug)]
pub struct Process {
    /// Names this opening of the store.
    pub instance: InstanceId,
    /// Names this start of the machine.
    pub boot: InstanceId,
    /// The device's fingerprint.
    pub fingerprint: Vec<FingerprintComponent>,
}

/// The writer. Any number of threads may append at a time; what is answered is durable.
///
/// Its locks are always taken in the order of its fields.
pub struct Writer {
    groups: Groups<Job, Outcomes>,
    signer: Mutex<Signer>,
    keeping: Keeping,
}

impl Writer {
    /// Opens the store at `path` to write. The caller holds the directory's [`super::ProcessLock`].
    ///
    /// `publish` gets what checks depend on: now, and after each commit before anyone is answered.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the store does not verify or `key` is not the chain's.
    pub fn open(
        path: &Path,
        key: SecretKey,
        root: PublicKey,
        process: Process,
        publish: impl Fn(Snapshot) + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        Self::open_to_follow(path, key, root, process, None, publish)
    }

    /// As [`Self::open`], for a chain that may follow another, whose last grant is `inherited`: see
    /// [`Device::inherit`].
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_to_follow(
        path: &Path,
        key: SecretKey,
        root: PublicKey,
        process: Process,
        inherited: Option<AppliedGrant>,
        publish: impl Fn(Snapshot) + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let db = database::open_to_write(path)?;
        let mut keeper = Keeper { db, root, inherited, stale: false, publish: Box::new(publish) };
        let (device, trail) = keeper.load()?;
        if device.origin().signer != key.public() {
            return Err(StoreError::Damaged("the key is not the chain's"));
        }
        database::bring_up_to_date(&mut keeper.db, &device)?;
        (keeper.publish)(device.snapshot());
        Ok(Self {
            groups: Groups::new(),
            signer: Mutex::new(Signer { device, key, process: Arc::new(process), trail, unsettled: false }),
            keeping: Keeping::new(keeper),
        })
    }

    /// Carries out one command. When it returns, what was recorded is durable.
    ///
    /// # Errors
    /// Why the command was not carried out.
    pub fn append(&self, command: Command, reading: Reading) -> Result<Done, AppendError> {
        let mut outcomes = self.append_all(vec![command], reading);
        outcomes.pop().unwrap_or(Err(StoreError::Died.into()))
    }

    /// Carries out commands in order, in one commit, up to the first that is not carried out: its error is the last
    /// outcome. Those before it are durable.
    pub fn append_all(&self, commands: Vec<Command>, reading: Reading) -> Vec<Result<Done, AppendError>> {
        let job = Job { commands, reading };
        let outcomes = self.groups.submit(job, |baton| self.lead(baton));
        outcomes.unwrap_or_else(|| vec![Err(StoreError::Died.into())])
    }

    /// Keeps the clock's mark, and notes what is due about clock and fingerprint: to be called at least every five
    /// minutes while the process runs.
    ///
    /// # Errors
    /// When the store cannot keep it.
    pub fn keep_time(&self, reading: Reading) -> Result<(), AppendError> {
        self.append(Command::Note, reading).map(|_| ())
    }

    /// Has time pass from `reading` on, and from when this process left the chain as `seen`; see [`Device::go_on`]. Nothing is
    /// written.
    pub fn go_on(&self, seen: Option<&Seen>, reading: Reading) {
        let mut signer = hold(&self.signer);
        let keeper = self.keeping.at_rest();
        signer.device.go_on(seen, reading);
        (keeper.publish)(signer.device.snapshot());
    }

    /// As [`Self::keep_time`], if anything is due or the kept mark is older than five minutes.
    ///
    /// # Errors
    /// When the store cannot keep it.
    pub fn catch_up(&self, reading: Reading) -> Result<(), AppendError> {
        if self.is_behind(reading) { self.keep_time(reading) } else { Ok(()) }
    }

    /// The chain's state after all that was answered.
    ///
    /// # Errors
    /// When it had to be read again and could not be.
    pub fn device(&self) -> Result<Device, StoreError> {
        let mut signer = hold(&self.signer);
        let mut keeper = self.keeping.at_rest();
        keeper.stale |= mem::take(&mut signer.unsettled);
        Self::refresh(&mut signer, &mut keeper)?;
        Ok(signer.device.clone())
    }

    /// Moves all that was written into the one database file, the state as it is now included.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while a reader is at work.
    pub fn settle(&self) -> Result<(), StoreError> {
        self.write_trail()?;
        let keeper = self.keeping.at_rest();
        let busy = keeper.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy { Err(StoreError::Busy) } else { Ok(()) }
    }

    /// Drops acknowledged events that are not needed any more, where the last grant lets it: a bounded number, in one
    /// commit. Returns how many places further they are dropped now; the rest is left to the next call.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when they do not verify; nothing is dropped then.
    pub fn compact(&self, reading: Reading) -> Result<u64, StoreError> {
        let mut signer = hold(&self.signer);
        let mut keeper = self.keeping.at_rest();
        keeper.stale |= mem::take(&mut signer.unsettled);
        Self::refresh(&mut signer, &mut keeper)?;
        let device = &signer.device;
        let transaction = keeper.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let dropped = compaction::raise_floor(&transaction, device, device.snapshot().mark.time(reading))?;
        transaction.commit()?;
        Ok(dropped)
    }

    /// Writes what of the state is not written yet.
    fn write_trail(&self) -> Result<(), StoreError> {
        let mut signer = hold(&self.signer);
        let mut keeper = self.keeping.at_rest();
        keeper.stale |= mem::take(&mut signer.unsettled);
        Self::refresh(&mut signer, &mut keeper)?;
        if signer.trail.is_empty() {
            return Ok(());
        }
        keeper.stale = true;
        let transaction = keeper.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        signer.take_state().write(&transaction)?;
        transaction.commit()?;
        keeper.stale = false;
        Ok(())
    }

    /// Signs group after group, and keeps each or has it kept, as long as somebody waits.
    fn lead(&self, mut baton: Baton<'_, Job, Outcomes>) {
        for _ in 0..GROUPS {
            match self.sign_and_keep(&mut baton) {
                Ok(outcomes) => baton.cut().answer(outcomes),
                Err(error) => baton.cut().fail(&vec![Err(error.into())]),
            }
            if !baton.is_awaited() {
                break;
            }
        }
    }

    /// Signs a group and keeps it, or has it kept and answered. The outcomes of what is not answered.
    fn sign_and_keep(&self, baton: &mut Baton<'_, Job, Outcomes>) -> Result<Vec<Outcomes>, StoreError> {
        let mut jobs = Vec::new();
        let mut signer = hold(&self.signer);
        // Set until the group's fate is the keeper's: if this thread ends before, the state in memory is not trusted.
        let distrusted = mem::replace(&mut signer.unsettled, true);
        let mut group = self.sign_until_free(&mut signer, &mut jobs, baton, distrusted);
        let mut keeper = self.keeping.at_rest();
        keeper.stale |= distrusted;
        if keeper.stale {
            Self::refresh(&mut signer, &mut keeper)?;
            group = signer.begin();
        }
        if jobs.len() == group.len() {
            let group = signer.end(group);
            signer.unsettled = false;
            if !baton.is_awaited() {
                return keeper.keep(group);
            }
            // The next group is signed while this one is kept.
            drop(keeper);
            self.keeping.give(group, baton.cut());
            return Ok(Vec::new());
        }
        // Commands that must look something up are decided on when all before them is kept; all who wait go with them.
        jobs.extend(iter::from_fn(|| baton.take_next()));
        keeper.stale = true;
        let Keeper { db, stale, publish, .. } = &mut *keeper;
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for job in &jobs[group.len()..] {
            signer.sign_and_write(&mut group, job, &transaction)?;
        }
        let group = signer.end(group);
        group.write(&transaction)?;
        transaction.commit()?;
        *stale = false;
        signer.unsettled = false;
        publish(group.snapshot);
        Ok(group.outcomes)
    }

    /// Takes jobs in and signs them until the keeper is free, or the last one taken must wait for it to be signed.
    fn sign_until_free(
        &self,
        signer: &mut Signer,
        jobs: &mut Vec<Job>,
        baton: &mut Baton<'_, Job, Outcomes>,
        distrusted: bool,
    ) -> Signing {
        let mut group = signer.begin();
        while let Some(job) = baton.take_next() {
            let must_wait = distrusted || job.looks_up();
            if !must_wait {
                signer.sign(&mut group, &job);
            }
            jobs.push(job);
            if must_wait || self.keeping.is_free() {
                break;
            }
        }
        group
    }

    /// Reads the state again if it is stale. A state that cannot be read back is damage, never what was believed
    /// before.
    fn refresh(signer: &mut Signer, keeper: &mut Keeper) -> Result<(), StoreError> {
        if keeper.stale {
            let (loaded, seen) = (keeper.load(), signer.device.seen());
            (signer.device, signer.trail) =
                loaded.inspect_err(|_| (keeper.publish)(Snapshot::bare(Life::Damaged)))?;
            signer.device.resume(Some(&seen));
            keeper.stale = false;
            (keeper.publish)(signer.device.snapshot());
        }
        Ok(())
    }

    fn is_behind(&self, reading: Reading) -> bool {
        let signer = hold(&self.signer);
        let noted = signer.device.decide(&Command::Note, &signer.process.now(reading), Known::default());
        noted.is_ok_and(|decision| {
            let kept = signer.device.saved().mark;
            !decision.events.is_empty() || decision.mark.at().since(kept) >= MARK_EVERY
        })
    }
}

impl Drop for Writer {
    /// A state that stands at the last event shows when events are taken away from a store at rest. Where it cannot be
    /// written, after waiting for whoever holds the database, it trails: nothing that was answered rests on it.
    fn drop(&mut self) {
        drop(self.write_trail());
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

/// A mutex whose holder died is taken all the same: [`Keeper::stale`] says whether its value is to be trusted.
fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
