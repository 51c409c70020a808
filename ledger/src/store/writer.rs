//! The one writer of a chain: decides, signs and keeps, a group of callers in one commit.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, TransactionBehavior};
use schemas::event::device::{FeatureConsumed, FingerprintComponent};
use schemas::event::{Body, Event};
use schemas::ids::{InstanceId, PublicKey};
use schemas::numbers::Seq;

use super::group::Groups;
use super::{AppendError, StoreError, database, load, rows};
use crate::check::{Life, Snapshot};
use crate::clock::Reading;
use crate::device::{Command, Decision, Device, Done, Known, Now};
use crate::keys::SecretKey;

/// How old the kept mark of a running process may be, in microseconds.
const MARK_EVERY: u64 = 5 * 60 * 1_000_000;

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

impl Process {
    fn now(&self, reading: Reading) -> Now<'_> {
        Now { reading, instance: self.instance, boot: self.boot, fingerprint: &self.fingerprint }
    }
}

/// Commands of one caller, done in order up to the first that is not carried out.
#[derive(Debug)]
struct Job {
    commands: Vec<Command>,
    reading: Reading,
}

type Outcomes = Vec<Result<Done, AppendError>>;

/// The writer. Any number of threads may append at a time; what is answered is durable.
pub struct Writer {
    groups: Groups<Job, Outcomes>,
    core: Mutex<Core>,
    publish: Box<dyn Fn(Snapshot) + Send + Sync>,
}

struct Core {
    db: Connection,
    device: Device,
    key: SecretKey,
    root: PublicKey,
    process: Process,
    stale: bool,
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
        let db = database::open_to_write(path)?;
        let device = load::device(&db, &root)?;
        if device.origin().signer != key.public() {
            return Err(StoreError::Damaged("the key is not the chain's"));
        }
        publish(device.snapshot());
        let core = Mutex::new(Core { db, device, key, root, process, stale: false });
        Ok(Self { groups: Groups::new(), core, publish: Box::new(publish) })
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
    pub fn append_all(&self, commands: Vec<Command>, reading: Reading) -> Outcomes {
        let job = Job { commands, reading };
        let lead = |jobs: Vec<Job>| {
            let mut core = self.hold();
            let outcomes = core.commit(jobs);
            (self.publish)(core.snapshot());
            outcomes
        };
        self.groups.submit(job, lead).unwrap_or_else(|| vec![Err(StoreError::Died.into())])
    }

    /// Keeps the clock's mark, and notes what is due about clock and fingerprint: to be called at least every five
    /// minutes while the process runs.
    ///
    /// # Errors
    /// When the store cannot keep it.
    pub fn keep_time(&self, reading: Reading) -> Result<(), AppendError> {
        self.append(Command::Note, reading).map(|_| ())
    }

    /// As [`Self::keep_time`], if anything is due or the kept mark is older than five minutes.
    ///
    /// # Errors
    /// When the store cannot keep it.
    pub fn catch_up(&self, reading: Reading) -> Result<(), AppendError> {
        if self.is_behind(reading) { self.keep_time(reading) } else { Ok(()) }
    }

    /// The chain's state as it is now.
    ///
    /// # Errors
    /// When it had to be read again and could not be.
    pub fn device(&self) -> Result<Device, StoreError> {
        let mut core = self.hold();
        core.refresh()?;
        Ok(core.device.clone())
    }

    /// Moves all that was written into the one database file.
    ///
    /// # Errors
    /// When the database refuses, such as while a reader is at work.
    pub fn settle(&self) -> Result<(), StoreError> {
        Ok(self.hold().db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
    }

    fn is_behind(&self, reading: Reading) -> bool {
        let core = self.hold();
        let now = core.process.now(reading);
        core.device.decide(Command::Note, &now, Known::default()).is_ok_and(|decision| {
            !decision.events.is_empty() || decision.mark.at().since(core.device.saved().mark) >= MARK_EVERY
        })
    }

    fn hold(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Core {
    /// Does a group of jobs in one transaction. If that fails, every caller is told.
    fn commit(&mut self, jobs: Vec<Job>) -> Vec<Outcomes> {
        let callers = jobs.len();
        self.try_commit(jobs).unwrap_or_else(|error| vec![vec![Err(error.into())]; callers])
    }

    /// The state in memory goes ahead of the database until the commit. Whatever ends the transaction otherwise leaves
    /// it stale, and it is read again before it is used: only the database knows what it kept.
    fn try_commit(&mut self, jobs: Vec<Job>) -> Result<Vec<Outcomes>, StoreError> {
        self.refresh()?;
        self.stale = true;
        let Self { db, device, key, process, .. } = self;
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let before = device.saved();
        let mut outcomes = Vec::with_capacity(jobs.len());
        for Job { commands, reading } in jobs {
            outcomes.push(carry_out_all(&transaction, device, key, commands, &process.now(reading))?);
        }
        let after = device.saved();
        if after != before {
            rows::save_state(&transaction, &after)?;
        }
        transaction.commit()?;
        self.stale = false;
        Ok(outcomes)
    }

    fn refresh(&mut self) -> Result<(), StoreError> {
        if self.stale {
            self.device = load::device(&self.db, &self.root)?;
            self.stale = false;
        }
        Ok(())
    }

    /// What checks depend on; a state that cannot be read back is damage, never what was believed before.
    fn snapshot(&mut self) -> Snapshot {
        match self.refresh() {
            Ok(()) => self.device.snapshot(),
            Err(_) => Snapshot::bare(Life::Damaged),
        }
    }
}

fn carry_out_all(
    db: &Connection,
    device: &mut Device,
    key: &SecretKey,
    commands: Vec<Command>,
    now: &Now<'_>,
) -> Result<Outcomes, StoreError> {
    let mut outcomes = Vec::with_capacity(commands.len());
    for command in commands {
        let known = known(db, device, &command)?;
        match device.decide(command, now, known) {
            Ok(decision) => outcomes.push(Ok(keep(db, device, key, decision)?)),
            Err(error) => {
                outcomes.push(Err(error.into()));
                break;
            }
        }
    }
    Ok(outcomes)
}

/// Looks up what the decision needs to know beyond the state.
fn known(db: &Connection, device: &Device, command: &Command) -> Result<Known, StoreError> {
    let mut known = Known::default();
    match command {
        Command::Consume(consume) => {
            if let Some(reference) = &consume.reference
                && let Some(feature) = device.feature_number(&consume.feature)
                && let Some(seq) = rows::find_reference(db, feature, reference)?
            {
                known.first = Some((seq, consumption(db, seq)?));
            }
        }
        Command::Apply(offered) => {
            let seq = device.acknowledged_by(offered);
            known.acknowledged = seq.map(|seq| load::link_at(db, device, seq)).transpose()?;
        }
        Command::Set { .. } | Command::Close | Command::Note => {}
    }
    Ok(known)
}

fn consumption(db: &Connection, seq: Seq) -> Result<FeatureConsumed, StoreError> {
    match load::decode(&rows::load_event(db, seq)?)?.body {
        Body::FeatureConsumed(consumed) => Ok(consumed),
        _ => Err(StoreError::Damaged("a `ref` points to another event")),
    }
}

/// Signs and keeps what was decided, and takes it into the state.
fn keep(
    db: &Connection,
    device: &mut Device,
    key: &SecretKey,
    decision: Decision,
) -> Result<Done, StoreError> {
    let Decision { events, mark, attachment, grant, done } = decision;
    let at = events.last().map_or(mark.at(), |event| event.at);
    device.set_mark(mark);
    for event in &events {
        keep_event(db, device, key, event)?;
    }
    if let Some(attachment) = attachment {
        rows::insert_attachment(db, device.head().seq, &attachment)?;
    }
    if let Some(grant) = grant {
        rows::insert_grant(db, &grant)?;
        device.take_grant(*grant, at);
    }
    Ok(done)
}

fn keep_event(
    db: &Connection,
    device: &mut Device,
    key: &SecretKey,
    event: &Event,
) -> Result<(), StoreError> {
    let core = event.encode();
    let appended = device.head().append(&device.chain(), &core, key);
    let seq = appended.head.seq;
    rows::insert_event(db, seq, &core, &appended.signature)?;
    device.apply(event, appended.head);
    let counted = match &event.body {
        Body::FeatureConsumed(body) => Some((body.feature, body.period)),
        Body::FeatureRefunded(body) => Some((body.feature, body.period)),
        Body::QuotaReturned(body) => Some((body.feature, body.period)),
        _ => None,
    };
    if let Some((feature, period)) = counted {
        rows::save_meter(db, feature, period, device.meter(feature, period))?;
    }
    if let Body::FeatureConsumed(FeatureConsumed { feature, reference: Some(reference), .. }) = &event.body {
        rows::insert_reference(db, *feature, reference, seq)?;
    }
    Ok(())
}
