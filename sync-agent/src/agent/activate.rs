//! Asking for an activation, and what becomes of the chain that was here before.

use std::sync::Arc;

use ledger::chain;
use ledger::check::{Life, Snapshot};
use ledger::commitment;
use ledger::device::Opening;
use ledger::keys::SecretKey;
use ledger::license_key::LicenseKey;
use ledger::store::{self, Writer};
use schemas::codes::Code;
use schemas::event::device::{ChainOpened, Claim, LicenseKeyClaim};
use schemas::ids::ChainId;
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
        self.undamaged()?;
        let mut writer = self.hold_writer();
        match self.chain_to_replace(writer.as_ref(), key)? {
            Replace::Keep => return self.request(),
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
        *writer = Some(self.open_new_chain(key)?);
        drop(writer);
        self.request()
    }

    /// Whether a chain that is here makes room for one under `key`.
    fn chain_to_replace(&self, writer: Option<&Writer>, key: &LicenseKey) -> Result<Replace, Refusal> {
        let Some(writer) = writer else { return Ok(Replace::Nothing) };
        let device = device_of(writer)?;
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
        let secret = SecretKey::generate().map_err(machine::no_randomness)?;
        let opening = self.opening(pack, &secret, key)?;
        self.dir.write_key(&secret)?;
        let at = self.clock.read().wall;
        store::create(&self.dir.chain(), &opening, &secret, at)
            .map_err(|error| refuse::store(&error).at(self.dir.chain().display()))?;
        self.dir.keep_pack(pack)?;
        self.open_writer(secret)
    }

    fn opening(&self, pack: &TrustedPack, secret: &SecretKey, key: &LicenseKey) -> Result<Opening, Refusal> {
        let origin = DeviceOrigin { signer: secret.public(), reference: key.reference() };
        let chain = chain::device_chain(&origin.signer, &origin.reference);
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
        let claim = Claim::LicenseKey(LicenseKeyClaim { proof: key.proof(&chain) });
        Ok(Opening { origin, opened, host, claim })
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
