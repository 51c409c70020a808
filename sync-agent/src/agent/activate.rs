//! Asking for an activation, and what becomes of the chain that was here before.

use std::sync::Arc;

use ledger::chain;
use ledger::check::{Life, Snapshot};
use ledger::commitment;
use ledger::device::Opening;
use ledger::keys::SecretKey;
use ledger::license_key::{self, LicenseKey};
use ledger::store::{self, Writer};
use schemas::codes::Code;
use schemas::event::device::{ChainOpened, Claim, LicenseKeyClaim, TrialClaim};
use schemas::ids::{ChainId, KeyReference};
use schemas::refusal::Refusal;
use schemas::run::DeviceOrigin;
use schemas::text::Text;

use super::{Agent, device_of};
use crate::fingerprint::tags;
use crate::pack::TrustedPack;
use crate::status::State;
use crate::{machine, refuse};

impl Agent {
    /// Opens a chain that asks for an activation under `key`, and returns the activation request. The same key again,
    /// before the answer came or after it was a denial, gives the request again.
    ///
    /// # Errors
    /// `already_activated`, `activation_pending` under another key, `pack_missing`.
    pub fn activate(&self, key: &LicenseKey) -> Result<Vec<u8>, Refusal> {
        self.ask(Ask::Key(key), Answer::Travels)?;
        self.request()
    }

    /// Opens a chain that asks for the product's trial, and returns the activation request; otherwise as
    /// [`Self::activate`].
    ///
    /// # Errors
    /// As [`Self::activate`].
    pub fn activate_trial(&self) -> Result<Vec<u8>, Refusal> {
        self.ask(Ask::Trial, Answer::Travels)?;
        self.request()
    }

    /// Opens a chain that asks for what `ask` says, unless one is here that asks for the same.
    pub(super) fn ask(&self, ask: Ask<'_>, answer: Answer) -> Result<(), Refusal> {
        self.undamaged()?;
        let mut writer = self.hold_writer();
        match self.chain_to_replace(writer.as_ref(), ask, answer)? {
            Replace::Keep => return Ok(()),
            Replace::Nothing => {}
            Replace::Ended(chain) => {
                if let Some(writer) = writer.as_ref() {
                    writer.settle().map_err(|error| refuse::store(&error))?;
                }
                drop(writer.take());
                self.snapshot.store(Arc::new(Snapshot::bare(Life::Unregistered)));
                self.dir.archive(chain)?;
            }
        }
        *writer = Some(self.open_new_chain(ask)?);
        Ok(())
    }

    /// Whether a chain that is here makes room for one that asks for `ask`.
    fn chain_to_replace(
        &self,
        writer: Option<&Writer>,
        ask: Ask<'_>,
        answer: Answer,
    ) -> Result<Replace, Refusal> {
        let Some(writer) = writer else { return Ok(Replace::Nothing) };
        let device = device_of(writer)?;
        let chain = device.chain();
        match State::of(&device) {
            State::Deactivated | State::Released => Ok(Replace::Ended(chain)),
            State::Pending | State::Denied => match (State::of(&device), self.claim()?) {
                (_, claim) if ask.is_claimed_by(&chain, &claim) => Ok(Replace::Keep),
                (State::Denied, _) => Ok(Replace::Ended(chain)),
                // A key whose secret was mistyped can only be answered by a new request.
                (_, Claim::LicenseKey(_)) if ask.reference(self.trusted_pack()?) == device.reference() => {
                    Ok(Replace::Ended(chain))
                }
                _ => Err(Refusal::new(Code::ActivationPending, format!("chain {chain}"))),
            },
            // What is active may go on by codes: its request is shown for that.
            _ if answer == Answer::IsTyped && ask.is_claimed_by(&chain, &self.claim()?) => Ok(Replace::Keep),
            _ => Err(Refusal::new(Code::AlreadyActivated, format!("chain {chain}"))),
        }
    }

    /// What the present chain's request claims.
    pub(super) fn claim(&self) -> Result<Claim, Refusal> {
        self.reader()?.reader()?.claim().map_err(|error| refuse::store(&error))
    }

    /// The key is written first, then the chain, then the pack: see [`StateDir`].
    fn open_new_chain(&self, ask: Ask<'_>) -> Result<Writer, Refusal> {
        let pack = self.trusted_pack()?;
        let secret = SecretKey::generate().map_err(machine::no_randomness)?;
        let origin = DeviceOrigin { signer: secret.public(), reference: ask.reference(pack) };
        let claim = ask.claim(&chain::device_chain(&origin.signer, &origin.reference));
        let opening = self.opening(pack, origin, claim)?;
        self.dir.write_key(&secret)?;
        let at = self.clock.read().wall;
        store::create(&self.dir.chain(), &opening, &secret, at)
            .map_err(|error| refuse::store(&error).at(self.dir.chain().display()))?;
        self.dir.keep_pack(pack)?;
        self.open_writer(secret)
    }

    /// The opening of a chain on this device.
    pub(super) fn opening(
        &self,
        pack: &TrustedPack,
        origin: DeviceOrigin,
        claim: Claim,
    ) -> Result<Opening, Refusal> {
        let host = machine::host_name()
            .map(|name| commitment::attach(name.as_bytes()))
            .transpose()
            .map_err(machine::no_randomness)?;
        let opened = ChainOpened {
            product: pack.body.product.clone(),
            environment: pack.body.environment.clone(),
            agent: Text::new(concat!("counterfoil-agent ", env!("CARGO_PKG_VERSION")))
                .expect("a name and a version are short"),
            pack: pack.digest,
            fingerprint: tags(self.fingerprint.as_ref(), &pack.body.fingerprint_key),
            host: host.as_ref().map(|host| host.commitment),
        };
        Ok(Opening { origin, opened, host, claim })
    }
}

/// How the answer to a request comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// In a file or over a connection.
    Travels,
    /// As a code.
    IsTyped,
}

/// What an activation is asked for by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ask<'a> {
    Key(&'a LicenseKey),
    Trial,
}

impl Ask<'_> {
    /// What the chain's header refers to.
    fn reference(self, pack: &TrustedPack) -> KeyReference {
        match self {
            Self::Key(key) => key.reference(),
            Self::Trial => license_key::trial_reference(pack.body.product.as_str()),
        }
    }

    fn claim(self, chain: &ChainId) -> Claim {
        match self {
            Self::Key(key) => Claim::LicenseKey(LicenseKeyClaim { proof: key.proof(chain) }),
            Self::Trial => Claim::Trial(TrialClaim {}),
        }
    }

    /// Whether `claim` was made for the same.
    fn is_claimed_by(self, chain: &ChainId, claim: &Claim) -> bool {
        match (self, claim) {
            (Self::Key(key), Claim::LicenseKey(claim)) => key.proves(chain, &claim.proof),
            (Self::Trial, Claim::Trial(_)) => true,
            _ => false,
        }
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
