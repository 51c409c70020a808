//! Going on with a new chain after the device was set back to an older state.

use ledger::chain;
use ledger::device::{Command, Device};
use ledger::keys::SecretKey;
use ledger::store::{self, StoreError, Writer};
use schemas::codes::Code;
use schemas::event::device::{Claim, SuccessorClaim};
use schemas::ids::ChainId;
use schemas::numbers::Micros;
use schemas::refusal::Refusal;
use schemas::run::DeviceOrigin;

use super::{Agent, device_of};
use crate::{machine, refuse};

impl Agent {
    /// Opens a chain that follows the present one, closes that one in its favour, and returns the activation request,
    /// which carries all that the vendor does not have of it. What was asked for before and not answered is asked for
    /// again.
    ///
    /// The licence goes on under the terms of the old chain until the vendor answers, without its reserved quota.
    ///
    /// # Errors
    /// `not_restored` when nothing asks for a successor, `not_activated` without a chain, `revoked` and the like where the
    /// vendor took the licence away. Where the operating system
    /// refuses in the middle, opening the agent again finishes it.
    pub fn succeed(&self) -> Result<Vec<u8>, Refusal> {
        self.undamaged()?;
        let mut writer = self.hold_writer();
        let old = writer.as_ref().ok_or(Code::NotActivated)?;
        let device = device_of(old)?;
        if !self.is_pending_successor(&device)? {
            self.close_in_favour(old, &device)?;
            match old.settle() {
                // A reader is at work: the log moves with the chain.
                Err(StoreError::Busy) => {}
                settled => settled.map_err(|error| refuse::store(&error))?,
            }
            drop(writer.take());
            self.dir.take_over(device.chain())?;
            *writer = Some(self.go_on()?);
        }
        drop(writer);
        self.request()
    }

    /// Whether the chain follows another and waits for its first answer.
    fn is_pending_successor(&self, device: &Device) -> Result<bool, Refusal> {
        let waits = !device.is_closed() && !device.may_be_succeeded() && device.grant().is_none();
        Ok(waits && matches!(self.claim()?, Claim::Successor(_)))
    }

    /// Steps 1 and 2 of a succession.
    fn close_in_favour(&self, writer: &Writer, device: &Device) -> Result<(), Refusal> {
        if device.is_closed() {
            return Err(Code::Deactivated.into());
        }
        if !device.may_be_succeeded() {
            let code = device.basis().ended.unwrap_or(Code::NotRestored);
            return Err(Refusal::new(code, format!("chain {}", device.chain())));
        }
        // What cannot be reported is not closed.
        self.report()?;
        let reading = self.clock.read();
        let successor = self.prepare_successor(device, device.snapshot().mark.time(reading))?;
        writer.append(Command::Succeed(successor), reading).map_err(|error| refuse::append(&error))?;
        Ok(())
    }

    /// Writes a chain that follows `device`'s, with its keys, beside it. It opens at `at`, the effective time of the
    /// old one, so that no time is gained.
    fn prepare_successor(&self, device: &Device, at: Micros) -> Result<ChainId, Refusal> {
        let secret = SecretKey::generate().map_err(machine::no_randomness)?;
        let origin = DeviceOrigin { signer: secret.public(), reference: device.reference() };
        let (old, new) = (device.chain(), chain::device_chain(&origin.signer, &origin.reference));
        let signature = chain::sign_successor(&self.dir.read_key()?, &old, &new);
        let claim = Claim::Successor(SuccessorClaim { follows: old, signature });
        let opening = self.opening(self.trusted_pack()?, origin, claim)?;
        self.dir.discard_next()?;
        let next = self.dir.next();
        next.create()?;
        next.write_key(&secret)?;
        store::create(&next.chain(), &opening, &secret, at)
            .map_err(|error| refuse::store(&error).at(next.chain().display()))
    }

    /// Opens the chain that took the old one's place, and notes at once what it finds of the clock.
    fn go_on(&self) -> Result<Writer, Refusal> {
        let writer = self.open_writer(self.dir.read_key()?)?;
        writer.catch_up(self.clock.read()).map_err(|error| refuse::append(&error))?;
        Ok(writer)
    }
}
