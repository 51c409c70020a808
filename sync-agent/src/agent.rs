//! The agent: the one writer of a state directory.

mod activate;
mod apply;
mod block;
mod codes;
mod succeed;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use arc_swap::ArcSwap;
use ledger::check::{Answer, Life, Snapshot};
use ledger::commitment;
use ledger::device::{Command, Consume, Consumed, Device, Done, Return, Returned, Seen};
use ledger::keys::SecretKey;
use ledger::store::{AppendError, HistoryEntry, Process, ProcessLock, Reader, StoreVerified, Writer};
use schemas::codes::Code;
use schemas::numbers::{Amount, Micros, Seq};
use schemas::period::Period;
use schemas::refusal::Refusal;
use schemas::text::Text;

pub use self::apply::Applied;
pub use self::block::Block;
use crate::config::Config;
use crate::fingerprint::{FingerprintSource, tags};
use crate::pack::TrustedPack;
use crate::reader::AgentReader;
use crate::state_dir::{Condition, StateDir};
use crate::status::Status;
use crate::wall_clock::Clock;
use crate::{lineage, machine, refuse, succession};

/// The agent of one state directory. Any number of threads may use it; one process at a time may have it open.
#[derive(Debug)]
pub struct Agent {
    dir: StateDir,
    pack: Option<TrustedPack>,
    clock: Arc<dyn Clock>,
    fingerprint: Arc<dyn FingerprintSource>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    writer: RwLock<Option<Writer>>,
    /// Counts the chains that were opened here, so that a block knows the one that it was debited on.
    chains: AtomicU64,
    /// The chain as this process left it when it was here before.
    seen: Option<Seen>,
    /// Why nothing can be written, where the store is damaged.
    damage: Option<Refusal>,
    _lock: ProcessLock,
}

impl Agent {
    /// Opens a state directory, and makes it if it is not there. A damaged store opens too: it is read only, and every
    /// check answers `needs_repair`.
    ///
    /// # Errors
    /// `busy` when another process writes here; when the pack is not valid or not the one of this directory.
    pub fn open(config: Config) -> Result<Self, Refusal> {
        Self::open_again(config, None)
    }

    /// The same for a process that was here before and left the chain as `seen`.
    pub(crate) fn open_again(config: Config, seen: Option<Seen>) -> Result<Self, Refusal> {
        let Config { state, pack, clock, fingerprint } = config;
        let dir = StateDir::new(state);
        let given = pack.map(TrustedPack::read).transpose()?;
        dir.create()?;
        let lock = dir.lock()?;
        let pack = dir.choose_pack(given)?;
        if let Some(pack) = &pack {
            succession::recover(&dir, &pack.body.root)?;
        }
        let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::bare(Life::Unregistered)));
        let mut agent = Self {
            dir,
            pack,
            clock,
            fingerprint,
            snapshot,
            writer: RwLock::new(None),
            chains: AtomicU64::new(0),
            seen,
            damage: None,
            _lock: lock,
        };
        agent.open_chain()?;
        Ok(agent)
    }

    /// Whether the licence covers `feature` now. Takes no lock, does no I/O and allocates nothing.
    #[inline]
    pub fn check(&self, feature: &str) -> Answer {
        self.snapshot.load().check(Some(feature), None, self.clock.read())
    }

    /// Whether the licence covers `feature`, or anything at all, in a release made at `release`. As cheap as
    /// [`Self::check`].
    #[inline]
    pub fn check_release(&self, feature: Option<&str>, release: Option<Micros>) -> Answer {
        self.snapshot.load().check(feature, release, self.clock.read())
    }

    /// Counts `n` units of a metered feature. When it returns, they are durable.
    ///
    /// # Errors
    /// Why they are not counted; nothing is recorded then.
    pub fn consume(&self, feature: &str, n: u64) -> Result<Consumed, Refusal> {
        let n = Amount::new(n).ok_or(Code::AmountInvalid)?;
        self.consume_as(Consume { feature: feature.into(), n, used_at: None, reference: None })
    }

    /// As [`Self::consume`], with a time of use and a `ref`.
    ///
    /// # Errors
    /// As [`Self::consume`].
    pub fn consume_as(&self, consume: Consume) -> Result<Consumed, Refusal> {
        self.consume_many(vec![consume]).pop().unwrap_or(Err(Code::Failed.into()))
    }

    /// Counts several uses in order and in one commit, up to the first that is refused: that refusal is the last
    /// outcome, and what came before it is durable.
    pub fn consume_many(&self, uses: Vec<Consume>) -> Vec<Result<Consumed, Refusal>> {
        let commands = uses.into_iter().map(Command::Consume).collect();
        let outcomes = self.with_writer(|writer| Ok(writer.append_all(commands, self.clock.read())));
        match outcomes {
            Ok(outcomes) => outcomes.into_iter().map(consumed).collect(),
            Err(refusal) => vec![Err(refusal)],
        }
    }

    /// Gives `n` units of reserved quota back: those of `period`, or of the present one. When it returns, that is
    /// durable.
    ///
    /// # Errors
    /// `return_too_large` when fewer are left, `quota_not_reserved`, `no_quota_for_period`; nothing is recorded then.
    pub fn return_quota(&self, feature: &str, n: u64, period: Option<Period>) -> Result<Returned, Refusal> {
        let n = Amount::new(n).ok_or(Code::AmountInvalid)?;
        match self.append(Command::Return(Return { feature: feature.into(), n, period }))? {
            Done::Returned(returned) => Ok(returned),
            _ => Err(Code::Failed.into()),
        }
    }

    /// Sets a device variable.
    ///
    /// # Errors
    /// `text_invalid`, or why it cannot be recorded.
    pub fn set(&self, name: &str, value: &str) -> Result<Seq, Refusal> {
        let name = Text::new(name).ok_or(Code::TextInvalid)?;
        let value = Text::new(value).ok_or(Code::TextInvalid)?;
        let value = commitment::attach(value.as_str().as_bytes()).map_err(machine::no_randomness)?;
        match self.append(Command::Set { name, value })? {
            Done::Set(seq) => Ok(seq),
            _ => Err(Code::Failed.into()),
        }
    }

    /// A bundle of all that the vendor is not known to have.
    ///
    /// # Errors
    /// `not_activated` without a chain, `needs_repair` when it is damaged.
    pub fn report(&self) -> Result<Vec<u8>, Refusal> {
        self.reader()?.report()
    }

    /// A bundle of the whole chain from its first event, whatever the vendor acknowledged.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub fn report_all(&self) -> Result<Vec<u8>, Refusal> {
        self.reader()?.report_all()
    }

    /// The activation request again.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub fn request(&self) -> Result<Vec<u8>, Refusal> {
        self.reader()?.request()
    }

    /// Closes the chain for good, durably, and returns the deactivation file. Closing it again gives the file again.
    ///
    /// # Errors
    /// As [`Self::report`]: a chain that cannot be reported is not closed.
    pub fn deactivate(&self) -> Result<Vec<u8>, Refusal> {
        self.report()?;
        self.append(Command::Close)?;
        self.report()
    }

    /// Keeps the clock's mark and notes what is due. An application that runs for long calls it every five minutes. One that
    /// has the directory open only for moments opens it by a [`crate::Visitor`], or the time in between does not count.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn keep_time(&self) -> Result<(), Refusal> {
        self.with_writer(|writer| writer.keep_time(self.clock.read()).map_err(|error| refuse::append(&error)))
    }

    /// The chain as it is now, to come back to; nothing without one, or where it is damaged.
    pub(crate) fn seen(&self) -> Option<Seen> {
        self.with_writer(device_of).ok().map(|device| device.seen())
    }

    /// What the device knows about its licence.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn status(&self) -> Result<Status, Refusal> {
        Ok(self.reader()?.status())
    }

    /// Calls `each` for every event of the chain in order.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub fn history(&self, each: impl FnMut(HistoryEntry)) -> Result<(), Refusal> {
        self.reader()?.history(each)
    }

    /// Checks every link, signature and sum of the chain.
    ///
    /// # Errors
    /// `needs_repair` with the first thing that does not verify.
    pub fn verify(&self) -> Result<StoreVerified, Refusal> {
        self.reader()?.verify()
    }

    pub(crate) fn reader(&self) -> Result<AgentReader, Refusal> {
        AgentReader::open(Config {
            state: self.dir.path().to_owned(),
            pack: self.pack.as_ref().map(|pack| pack.bytes.clone()),
            clock: Arc::clone(&self.clock),
            fingerprint: Arc::clone(&self.fingerprint),
        })
    }

    fn open_chain(&mut self) -> Result<(), Refusal> {
        let opened = match self.dir.condition() {
            Condition::Empty => return Ok(()),
            Condition::ChainLost | Condition::Successor => {
                let lost = Refusal::new(Code::NeedsRepair, "the chain is missing");
                Err(lost.at(self.dir.path().display()))
            }
            Condition::Chain => self.dir.read_key().and_then(|key| self.open_writer(key)),
        };
        match opened {
            Ok(writer) => {
                self.dir.keep_pack(self.trusted_pack()?)?;
                writer.catch_up(self.clock.read()).map_err(|error| refuse::append(&error))?;
                self.writer = RwLock::new(Some(writer));
                Ok(())
            }
            Err(refusal) if matches!(refusal.code(), Code::NeedsRepair | Code::KeyUnreadable) => {
                self.snapshot.store(Arc::new(Snapshot::bare(Life::Damaged)));
                self.damage = Some(refusal);
                Ok(())
            }
            Err(refusal) => Err(refusal),
        }
    }

    fn open_writer(&self, key: SecretKey) -> Result<Writer, Refusal> {
        let pack = self.trusted_pack()?;
        let process = Process {
            instance: machine::instance()?,
            boot: machine::boot()?,
            fingerprint: tags(self.fingerprint.as_ref(), &pack.body.fingerprint_key),
        };
        let snapshot = Arc::clone(&self.snapshot);
        let publish = move |prepared| snapshot.store(Arc::new(prepared));
        let (path, root) = (self.dir.chain(), pack.body.root);
        let reader = Reader::open(&path, root).ok().filter(|_| self.dir.has_archive());
        let inherited = reader.and_then(|reader| lineage::inherited(&self.dir, &reader, &root));
        let writer = Writer::open_to_follow(&path, key, root, process, inherited, publish)
            .map_err(|error| refuse::store(&error).at(self.dir.chain().display()))?;
        self.chains.fetch_add(1, Ordering::Release);
        let device = device_of(&writer)?;
        let opened = device.opened();
        if opened.product != pack.body.product || opened.environment != pack.body.environment {
            let detail = format!("{}, {} is activated here", opened.product, opened.environment);
            return Err(Refusal::new(Code::PackMismatch, detail));
        }
        writer.go_on(self.seen.as_ref(), self.clock.read());
        Ok(writer)
    }

    fn append(&self, command: Command) -> Result<Done, Refusal> {
        self.with_writer(|writer| {
            writer.append(command, self.clock.read()).map_err(|error| refuse::append(&error))
        })
    }

    fn with_writer<T>(&self, act: impl FnOnce(&Writer) -> Result<T, Refusal>) -> Result<T, Refusal> {
        self.undamaged()?;
        let writer = self.writer.read().unwrap_or_else(PoisonError::into_inner);
        act(writer.as_ref().ok_or(Code::NotActivated)?)
    }

    fn hold_writer(&self) -> RwLockWriteGuard<'_, Option<Writer>> {
        self.writer.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn undamaged(&self) -> Result<(), Refusal> {
        self.damage.clone().map_or(Ok(()), Err)
    }

    fn trusted_pack(&self) -> Result<&TrustedPack, Refusal> {
        self.pack.as_ref().ok_or_else(|| Code::PackMissing.into())
    }
}

fn consumed(outcome: Result<Done, AppendError>) -> Result<Consumed, Refusal> {
    match outcome.map_err(|error| refuse::append(&error))? {
        Done::Consumed(consumed) => Ok(consumed),
        _ => Err(Code::Failed.into()),
    }
}

/// The state of the writer's chain.
fn device_of(writer: &Writer) -> Result<Device, Refusal> {
    writer.device().map_err(|error| refuse::store(&error))
}
