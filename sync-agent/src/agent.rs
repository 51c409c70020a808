//! The agent: the one writer of a state directory.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arc_swap::ArcSwap;
use ledger::chain;
use ledger::check::{Answer, Life, Snapshot};
use ledger::commitment;
use ledger::device::{AppliedGrant, Command, Consume, Consumed, Done, Opening};
use ledger::keys::SecretKey;
use ledger::license_key::LicenseKey;
use ledger::store::{self, AppendError, HistoryEntry, Process, ProcessLock, StoreVerified, Writer};
use ledger::trust;
use schemas::armor;
use schemas::bundle::{Answer as VendorAnswer, decode_answers};
use schemas::codes::Code;
use schemas::event::device::{ChainOpened, Claim, LicenseKeyClaim};
use schemas::grant::Grant;
use schemas::ids::ChainId;
use schemas::notice::Notice;
use schemas::numbers::{Amount, Micros, Seq};
use schemas::refusal::Refusal;
use schemas::run::DeviceOrigin;
use schemas::text::Text;

use crate::changes::{self, Change};
use crate::config::Config;
use crate::fingerprint::{FingerprintSource, tags};
use crate::pack::TrustedPack;
use crate::reader::AgentReader;
use crate::state_dir::{Condition, StateDir};
use crate::status::{State, Status};
use crate::wall_clock::Clock;
use crate::{machine, refuse};

/// The agent of one state directory. Any number of threads may use it; one process at a time may have it open.
#[derive(Debug)]
pub struct Agent {
    dir: StateDir,
    pack: Option<TrustedPack>,
    clock: Arc<dyn Clock>,
    fingerprint: Arc<dyn FingerprintSource>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    writer: RwLock<Option<Writer>>,
    /// Why nothing can be written, where the store is damaged.
    damage: Option<Refusal>,
    _lock: ProcessLock,
}

/// What applying a file came to.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Applied {
    /// The device's chain.
    pub chain: ChainId,
    /// How far the activation is now.
    pub state: State,
    /// The licence.
    pub license_id: Option<String>,
    /// What changed; nothing when the file had been applied before.
    pub changes: Vec<Change>,
}

impl Agent {
    /// Opens a state directory, and makes it if it is not there. A damaged store opens too: it is read only, and every
    /// check answers `needs_repair`.
    ///
    /// # Errors
    /// `busy` when another process writes here; when the pack is not valid or not the one of this directory.
    pub fn open(config: Config) -> Result<Self, Refusal> {
        let Config { state, pack, clock, fingerprint } = config;
        let dir = StateDir::new(state);
        let given = pack.map(TrustedPack::read).transpose()?;
        dir.create()?;
        let lock = dir.lock()?;
        let pack = TrustedPack::choose(given, dir.kept_pack()?)?;
        let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::bare(Life::Unregistered)));
        let mut agent = Self {
            dir,
            pack,
            clock,
            fingerprint,
            snapshot,
            writer: RwLock::new(None),
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

    /// Opens a chain that asks for an activation under `key`, and returns the activation request. The same key again,
    /// before the answer came or after it was a denial, gives the request again.
    ///
    /// # Errors
    /// `already_activated`, `activation_pending` under another key, `pack_missing`.
    pub fn activate(&self, key: &LicenseKey) -> Result<Vec<u8>, Refusal> {
        self.undamaged()?;
        let mut writer = self.hold_writer();
        match self.chain_to_replace(writer.as_ref(), key)? {
            Replace::Keep => return self.request(),
            Replace::Nothing => {}
            Replace::Ended(chain) => {
                if let Some(writer) = writer.take() {
                    writer.settle().map_err(|error| refuse::store(&error))?;
                }
                self.dir.archive(chain)?;
            }
        }
        *writer = Some(self.open_new_chain(key)?);
        drop(writer);
        self.request()
    }

    /// Applies the grants in a licence file that are for this device.
    ///
    /// # Errors
    /// The code of the first rule that the file breaks; nothing is changed then.
    pub fn apply(&self, file: &[u8]) -> Result<Applied, Refusal> {
        self.undamaged()?;
        let bytes = armor::dearmor(file.to_vec()).map_err(|error| refuse::container(&error))?;
        let answers = decode_answers(&bytes).map_err(|error| refuse::container(&error))?;
        let chain = self.with_writer(|writer| Ok(self.device(writer)?.chain()))?;
        let mut grants = Vec::new();
        for answer in answers {
            match answer {
                VendorAnswer::Grant(grant) => grants.push(self.believe(*grant)?),
                VendorAnswer::Notice(notice) => self.hear(&notice, chain)?,
            }
        }
        if grants.iter().any(|grant| grant.verified.body.device == chain) {
            grants.retain(|grant| grant.verified.body.device == chain);
        }
        grants.sort_by_key(|grant| grant.verified.order());
        self.apply_grants(grants)
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

    /// Sets a device variable.
    ///
    /// # Errors
    /// `text_invalid`, or why it cannot be recorded.
    pub fn set(&self, name: &str, value: &str) -> Result<Seq, Refusal> {
        let name = Text::new(name).ok_or(Code::TextInvalid)?;
        let value = Text::new(value).ok_or(Code::TextInvalid)?;
        let value = commitment::attach(value.as_str().as_bytes())
            .map_err(|error| machine::no_randomness(&error))?;
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
    /// As [`Self::report`].
    pub fn deactivate(&self) -> Result<Vec<u8>, Refusal> {
        self.append(Command::Close)?;
        self.report()
    }

    /// Keeps the clock's mark and notes what is due. An application that runs for long calls it every five minutes.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn keep_time(&self) -> Result<(), Refusal> {
        self.with_writer(|writer| {
            writer.keep_time(self.clock.read()).map_err(|error| refuse::append(&error))
        })
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

    fn reader(&self) -> Result<AgentReader, Refusal> {
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
            Condition::ChainLost => {
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
        Writer::open(&self.dir.chain(), key, pack.body.root, process, publish)
            .map_err(|error| refuse::store(&error).at(self.dir.chain().display()))
    }

    /// Whether a chain that is here makes room for one under `key`.
    fn chain_to_replace(&self, writer: Option<&Writer>, key: &LicenseKey) -> Result<Replace, Refusal> {
        let Some(writer) = writer else { return Ok(Replace::Nothing) };
        let device = self.device(writer)?;
        match State::of(&device) {
            State::Deactivated | State::Released => Ok(Replace::Ended(device.chain())),
            State::Denied if device.reference() != key.reference() => Ok(Replace::Ended(device.chain())),
            State::Pending if device.reference() != key.reference() => {
                Err(Refusal::new(Code::ActivationPending, format!("chain {}", device.chain())))
            }
            // A key whose secret was mistyped can only be answered by a new request.
            State::Pending | State::Denied if !self.claims(device.chain(), key)? => {
                Ok(Replace::Ended(device.chain()))
            }
            State::Pending | State::Denied => Ok(Replace::Keep),
            _ => Err(Refusal::new(Code::AlreadyActivated, format!("chain {}", device.chain()))),
        }
    }

    fn claims(&self, chain: ChainId, key: &LicenseKey) -> Result<bool, Refusal> {
        let reader = self.reader()?;
        let claim = reader.reader()?.claim().map_err(|error| refuse::store(&error))?;
        Ok(matches!(claim, Claim::LicenseKey(claim) if key.proves(&chain, &claim.proof)))
    }

    /// The key is written first, then the chain, then the pack: see [`StateDir`].
    fn open_new_chain(&self, key: &LicenseKey) -> Result<Writer, Refusal> {
        let pack = self.trusted_pack()?;
        let secret = SecretKey::generate().map_err(|error| machine::no_randomness(&error))?;
        let opening = self.opening(pack, &secret, key)?;
        self.dir.write_key(&secret)?;
        let at = self.clock.read().wall;
        store::create(&self.dir.chain(), &opening, &secret, at)
            .map_err(|error| refuse::store(&error).at(self.dir.chain().display()))?;
        self.dir.keep_pack(pack)?;
        self.open_writer(secret)
    }

    fn opening(
        &self,
        pack: &TrustedPack,
        secret: &SecretKey,
        key: &LicenseKey,
    ) -> Result<Opening, Refusal> {
        let origin = DeviceOrigin { signer: secret.public(), reference: key.reference() };
        let chain = chain::device_chain(&origin.signer, &origin.reference);
        let host = machine::host_name()
            .map(|name| commitment::attach(name.as_bytes()))
            .transpose()
            .map_err(|error| machine::no_randomness(&error))?;
        let opened = ChainOpened {
            product: pack.body.product.clone(),
            environment: pack.body.environment.clone(),
            agent: Text::new(concat!("counterfoil-agent ", env!("CARGO_PKG_VERSION")))
                .expect("a name and a version are short"),
            pack: pack.digest,
            fingerprint: tags(self.fingerprint.as_ref(), &pack.body.fingerprint_key),
            host: host.as_ref().map(|host| host.commitment),
        };
        let claim = Claim::LicenseKey(LicenseKeyClaim { proof: key.proof(&chain) });
        Ok(Opening { origin, opened, host, claim })
    }

    fn believe(&self, grant: Grant) -> Result<AppliedGrant, Refusal> {
        let verified = trust::verify_grant(&grant, &self.trusted_pack()?.body.root).map_err(refuse::trust)?;
        Ok(AppliedGrant { grant, verified })
    }

    /// A notice changes nothing: it is told as the refusal that it is.
    fn hear(&self, notice: &Notice, chain: ChainId) -> Result<(), Refusal> {
        let said = trust::verify_notice(notice, &self.trusted_pack()?.body.root).map_err(refuse::trust)?;
        if said.chain != chain {
            return Ok(());
        }
        let title = said.code.as_str().parse::<Code>().map_or("", |code| code.entry().title);
        Err(Refusal::new(Code::GrantNotice, format!("{}: {title}", said.code)))
    }

    fn apply_grants(&self, grants: Vec<AppliedGrant>) -> Result<Applied, Refusal> {
        if grants.is_empty() {
            return Err(Refusal::new(Code::GrantForeign, "the file holds nothing for this device"));
        }
        self.with_writer(|writer| {
            let before = self.device(writer)?;
            for grant in grants {
                let done = writer.append(Command::Apply(Box::new(grant)), self.clock.read());
                match done.map_err(|error| refuse::append(&error))? {
                    Done::NotApplied(error) => return Err(Refusal::from_error(error.code(), &error)),
                    _ => {}
                }
            }
            let after = self.device(writer)?;
            let body = |grant: &AppliedGrant| grant.verified.body.clone();
            let (old, new) = (before.grant().map(body), after.grant().map(body));
            Ok(Applied {
                chain: after.chain(),
                state: State::of(&after),
                license_id: new.as_ref().map(|new| new.license.uuid().to_string()),
                changes: new.map_or_else(Vec::new, |new| changes::between(old.as_ref(), &new)),
            })
        })
    }

    fn append(&self, command: Command) -> Result<Done, Refusal> {
        self.with_writer(|writer| {
            writer.append(command, self.clock.read()).map_err(|error| refuse::append(&error))
        })
    }

    fn with_writer<T>(&self, act: impl FnOnce(&Writer) -> Result<T, Refusal>) -> Result<T, Refusal> {
        self.undamaged()?;
        let writer: RwLockReadGuard<'_, _> = self.writer.read().unwrap_or_else(PoisonError::into_inner);
        act(writer.as_ref().ok_or(Code::NotActivated)?)
    }

    fn hold_writer(&self) -> RwLockWriteGuard<'_, Option<Writer>> {
        self.writer.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn device(&self, writer: &Writer) -> Result<ledger::device::Device, Refusal> {
        writer.device().map_err(|error| refuse::store(&error))
    }

    fn undamaged(&self) -> Result<(), Refusal> {
        self.damage.clone().map_or(Ok(()), Err)
    }

    fn trusted_pack(&self) -> Result<&TrustedPack, Refusal> {
        self.pack.as_ref().ok_or_else(|| Code::PackMissing.into())
    }
}

enum Replace {
    /// There is no chain.
    Nothing,
    /// The chain here asks for the same.
    Keep,
    /// The chain here ended and goes to the archive.
    Ended(ChainId),
}

fn consumed(outcome: Result<Done, AppendError>) -> Result<Consumed, Refusal> {
    match outcome.map_err(|error| refuse::append(&error))? {
        Done::Consumed(consumed) => Ok(consumed),
        _ => Err(Code::Failed.into()),
    }
}

