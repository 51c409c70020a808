//! Codes that a person types: what this device shows, and what is typed here.

use ledger::codes::kept::{self, Keeping};
use ledger::codes::unlock::{Expected, OtherPack, UnlockError};
use ledger::codes::{self, request, returned, unlock};
use ledger::device::{AppliedGrant, Command, Device, Done};
use ledger::license_key::LicenseKey;
use ledger::store::ShownCode;
use ledger::trust;
use schemas::bundle::decode_pack;
use schemas::canonical;
use schemas::codes::Code;
use schemas::event::device::CodeIssued;
use schemas::grant::{Ack, CodeProof};
use schemas::ids::Digest;
use schemas::numbers::{Seq, Total};
use schemas::pack::Pack;
use schemas::period::Period;
use schemas::refusal::Refusal;
use schemas::typed::{ChainReference, Day, GrantPlace, Kind, LinkStart, ReturnFields, TypedCode};

use super::activate::{Answer, Ask};
use super::{Agent, Applied, device_of};
use crate::refuse;

/// Codes of this device that are tried beside the last one, to tell what an unlock code answers.
const EARLIER: usize = 8;

impl Agent {
    /// Opens a chain that asks for an activation under `key`, unless this device has one under that key, and returns the request
    /// code. That it is shown is recorded.
    ///
    /// # Errors
    /// Those of [`Self::activate`]; `code_policy` where the pack holds no policy that a code may unlock; `code_unfit`.
    pub fn activate_by_code(&self, key: &LicenseKey) -> Result<TypedCode, Refusal> {
        let pack = &self.trusted_pack()?.body;
        if pack.policies.is_empty() || pack.code_keys.is_empty() {
            let why = "the application's product pack holds no policy for codes";
            return Err(Refusal::new(Code::CodePolicy, why));
        }
        self.ask(Ask::Key(key), Answer::IsTyped)?;
        let device = self.with_writer(device_of)?;
        let code = request::write(&device.origin().signer, pack.version, device.fingerprint(), key)
            .map_err(|unfit| Refusal::from_error(unfit.code(), &unfit))?;
        self.show(&code)?;
        Ok(code)
    }

    /// The return code that tells the vendor what was used in the periods that hold `day`, or the present one. That it is shown is
    /// recorded; the same again, where nothing happened since, is the same code.
    ///
    /// # Errors
    /// `not_activated` without a chain; `code_not_here` before the first licence, and where no request code was shown;
    /// `code_unfit`; `usage` for a day that has not come.
    pub fn report_by_code(&self, day: Option<Day>) -> Result<TypedCode, Refusal> {
        let code = self.return_code(day)?;
        self.show(&code)?;
        Ok(code)
    }

    /// Closes the chain for good, durably, and returns the code that tells the vendor. Closing it again gives the code again.
    ///
    /// # Errors
    /// As [`Self::report_by_code`]: a chain of which no code can tell is not closed.
    pub fn deactivate_by_code(&self) -> Result<TypedCode, Refusal> {
        self.return_code(None)?;
        self.append(Command::Close)?;
        self.return_code(None)
    }

    /// Applies an unlock code. The one that was applied last changes nothing.
    ///
    /// # Errors
    /// The code of the first rule that it breaks; nothing is changed then.
    pub fn apply_code(&self, code: &TypedCode) -> Result<Applied, Refusal> {
        let device = self.with_writer(device_of)?;
        if kept_proof(&device).is_some_and(|proof| proof.code == *code) {
            return Ok(Applied::of(&device, Vec::new()));
        }
        let shown = self.shown(&device)?;
        let own = self.trusted_pack()?;
        let (last, before) = shown.split_last().ok_or_else(|| refuse_unlock(UnlockError::Signature))?;
        let before: Vec<Digest> = before.iter().rev().take(EARLIER).map(|shown| shown.digest).collect();
        let expected = Expected {
            origin: device.origin(),
            pack: &own.body,
            digest: own.digest,
            shown: last.digest,
            shown_before: &before,
            other_packs: &self.other_packs(&device),
        };
        let unlock = unlock::verify(code, &expected).map_err(refuse_unlock)?;
        let keeping = Keeping {
            chain: device.chain(),
            reference: device.reference(),
            pack: &decode_pack(&own.bytes).map_err(|error| refuse::container(&error))?,
            body: &own.body,
            answers: last.digest,
            // A request is the same code whenever it is shown: what came after it was first shown is not answered by it.
            shown: self.place_of(&device, first_shown(&shown, *last))?,
        };
        let grant = keeping.grant(code, &unlock);
        let verified = kept::verify(&grant, &own.body.root).map_err(refuse::trust)?;
        self.apply_grants(vec![AppliedGrant { grant, verified }])
    }

    /// Records that a code is shown, unless it was the last one since a grant was applied, or the chain is closed.
    fn show(&self, code: &TypedCode) -> Result<(), Refusal> {
        let device = self.with_writer(device_of)?;
        let digest = codes::digest(code);
        let last = self.shown(&device)?.pop().filter(|last| Some(last.seq) > device.saved().applied);
        if last.is_some_and(|last| last.digest == digest) || device.is_closed() {
            return Ok(());
        }
        match self.append(Command::Show(CodeIssued { code: code.kind().number(), digest }))? {
            Done::Shown(_) => Ok(()),
            _ => Err(Code::Failed.into()),
        }
    }

    fn return_code(&self, day: Option<Day>) -> Result<TypedCode, Refusal> {
        let device = self.with_writer(device_of)?;
        let grant = device.grant().ok_or(Code::CodeNotHere)?;
        if !self.goes_by_codes(&device)? {
            return Err(Code::CodeNotHere.into());
        }
        let reader = self.reader()?;
        let (head, head_at) = reader.reader()?.told_head(&device).map_err(|error| refuse::store(&error))?;
        let now = if device.is_closed() { head_at } else { device.snapshot().mark.time(self.clock.read()) };
        let today = Day::of(now).ok_or(Code::CodeUnfit)?;
        let day = day.unwrap_or(today);
        if day > today {
            return Err(Refusal::new(Code::Usage, format!("the day {day} has not come")));
        }
        let entitlement = grant.verified.body.entitlement.as_ref();
        let features = entitlement.map_or(&[][..], |entitlement| &entitlement.features);
        let used = codes::metered(features).map(|feature| {
            let meter = device.meter(feature.number, Period::of(feature.reset, day.start()));
            Total::ZERO.saturating_plus(meter.used())
        });
        let fields = ReturnFields {
            // What was used on another day than the last is told without the end, which frees what the last day left.
            closing: device.is_closed() && day == today,
            chain: ChainReference::of(&device.chain()),
            seq: head.seq,
            applied: Some(GrantPlace { epoch: grant.verified.body.epoch, seq: grant.verified.seq }),
            day,
            link: LinkStart::of(&head.link),
            used: used.collect(),
        };
        let key = self.dir.read_key()?;
        returned::write(&fields, device.origin(), &key, &self.trusted_pack()?.body.sealing)
            .map_err(|error| Refusal::from_error(error.code(), &error))
    }

    /// The codes that an unlock code may answer: those that are recorded, and of a closed chain the code that tells so.
    fn shown(&self, device: &Device) -> Result<Vec<ShownCode>, Refusal> {
        let reader = self.reader()?;
        let mut shown = reader.reader()?.shown(device).map_err(|error| refuse::store(&error))?;
        if device.is_closed() && device.grant().is_some() && !shown.is_empty() {
            let digest = codes::digest(&self.return_code(None)?);
            shown.push(ShownCode { seq: device.head().seq, code: Kind::Return.number(), digest });
        }
        Ok(shown)
    }

    /// Whether the vendor knows this device by its request code.
    fn goes_by_codes(&self, device: &Device) -> Result<bool, Refusal> {
        if kept_proof(device).is_some() {
            return Ok(true);
        }
        let shown = self.reader()?.reader()?.shown(device).map_err(|error| refuse::store(&error))?;
        Ok(shown.iter().any(|shown| shown.code == Kind::Request.number()))
    }

    /// Packs that the application had before, by which codes are told apart that no longer hold here.
    fn other_packs(&self, device: &Device) -> Vec<OtherPack> {
        let of_code = kept_proof(device).and_then(|proof| canonical::from_bytes(&proof.pack).ok());
        let replaced = self.dir.replaced_pack().and_then(|pack| decode_pack(&pack.bytes).ok());
        let packs = of_code.into_iter().chain(replaced);
        packs
            .filter_map(|pack: Pack| {
                let body = trust::verify_pack(&pack).ok()?;
                Some(OtherPack { digest: trust::pack_digest(&pack), key: *body.code_keys.first()? })
            })
            .collect()
    }

    /// The place of the event that shows a code, with its link.
    fn place_of(&self, device: &Device, seq: Seq) -> Result<Ack, Refusal> {
        let reader = self.reader()?;
        let link = reader.reader()?.link_at(device, seq).map_err(|error| refuse::store(&error))?;
        Ok(Ack { seq, link })
    }
}

/// The code that the last grant was typed as.
fn kept_proof(device: &Device) -> Option<CodeProof> {
    kept::proof(&device.grant()?.grant)
}

/// The place at which a code was shown first.
fn first_shown(shown: &[ShownCode], code: ShownCode) -> Seq {
    shown.iter().find(|shown| shown.digest == code.digest).map_or(code.seq, |first| first.seq)
}

fn refuse_unlock(error: UnlockError) -> Refusal {
    Refusal::from_error(error.code(), &error)
}
