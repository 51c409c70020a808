//! Applying what the vendor answers.

use ledger::device::{AppliedGrant, Command, Device, Done};
use ledger::store::Writer;
use ledger::trust;
use schemas::armor;
use schemas::bundle::{Answer, decode_answers};
use schemas::codes::Code;
use schemas::grant::Grant;
use schemas::ids::ChainId;
use schemas::notice::Notice;
use schemas::refusal::Refusal;

use super::{Agent, device_of};
use crate::changes::{self, Change};
use crate::refuse;
use crate::status::{State, Why};

/// How many times events are dropped after a file was applied, each time a bounded number: in all a quarter of a million.
const COMPACTIONS: usize = 16;

/// What applying a file came to.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Applied {
    /// The device's chain.
    pub chain: ChainId,
    /// How far the activation is now.
    pub state: State,
    /// Why it does not stand as it should.
    pub why: Option<Why>,
    /// The licence.
    pub license_id: Option<String>,
    /// What changed; nothing when the file had been applied before.
    pub changes: Vec<Change>,
}

impl Agent {
    /// Applies the grants in a licence file that are for this device.
    ///
    /// # Errors
    /// The code of the first rule that the file breaks; nothing is changed then.
    pub fn apply(&self, file: &[u8]) -> Result<Applied, Refusal> {
        self.undamaged()?;
        let bytes = armor::dearmor(file.to_vec()).map_err(|error| refuse::container(&error))?;
        let answers = decode_answers(&bytes).map_err(|error| refuse::container(&error))?;
        let chain = self.with_writer(|writer| Ok(device_of(writer)?.chain()))?;
        let mut grants = Vec::new();
        for answer in answers {
            match answer {
                Answer::Grant(grant) => grants.push(self.believe(*grant)?),
                Answer::Notice(notice) => self.hear(&notice, chain)?,
            }
        }
        let earlier = self.hear_of_earlier_chains(&grants)?;
        if earlier.is_any || grants.iter().any(|grant| grant.verified.body.device == chain) {
            grants.retain(|grant| grant.verified.body.device == chain);
        } else if grants.is_empty() {
            return Err(Refusal::new(Code::GrantForeign, "the file holds nothing for this device"));
        }
        grants.sort_by_key(|grant| grant.verified.order());
        let mut applied = self.apply_grants(grants)?;
        applied.changes.extend(earlier.changes);
        Ok(applied)
    }

    /// Keeps what the grants say about the chains that the present one follows.
    fn hear_of_earlier_chains(&self, grants: &[AppliedGrant]) -> Result<Earlier, Refusal> {
        let root = self.trusted_pack()?.body.root;
        let mut earlier = Earlier { is_any: false, changes: Vec::new() };
        for ancestor in self.reader()?.ancestors() {
            for grant in grants {
                earlier.is_any |= grant.verified.body.device == ancestor.chain;
                if ancestor.hear(grant, &root)? {
                    earlier.changes.push(changes::reported(ancestor.chain));
                }
            }
        }
        Ok(earlier)
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

    pub(super) fn apply_grants(&self, grants: Vec<AppliedGrant>) -> Result<Applied, Refusal> {
        let heals = grants.iter().any(|grant| grant.verified.body.promises_heal());
        let (before, applied) = self.with_writer(|writer| {
            let before = device_of(writer)?;
            Ok((before, grants.into_iter().try_for_each(|grant| self.apply_grant(writer, grant))))
        })?;
        let state = || self.with_writer(device_of);
        let heals = heals && state()?.may_be_succeeded(true).is_ok();
        // A device that was set back cannot apply the grant that has it go on as a successor.
        applied.or_else(|refusal| match refusal.code() {
            Code::AckUnknown if heals => Ok(()),
            _ => Err(refusal),
        })?;
        // The grant is applied. Nothing rests on this, and what is damaged is found when it is reported.
        drop(self.compact());
        let mut changes = changes::of(&before, &state()?);
        if heals {
            self.succeed_as(true)?;
            changes.push(changes::succeeded(before.chain(), state()?.chain()));
        }
        Ok(Applied::of(&state()?, changes))
    }

    /// Drops what the grant lets the device drop. What is too much for now is left to the next file.
    fn compact(&self) -> Result<(), Refusal> {
        self.with_writer(|writer| {
            for _ in 0..COMPACTIONS {
                let dropped = writer.compact(self.clock.read()).map_err(|error| refuse::store(&error))?;
                if dropped == 0 {
                    break;
                }
            }
            Ok(())
        })
    }

    fn apply_grant(&self, writer: &Writer, grant: AppliedGrant) -> Result<(), Refusal> {
        let done = writer.append(Command::Apply(Box::new(grant)), self.clock.read());
        match done.map_err(|error| refuse::append(&error))? {
            Done::NotApplied(error) => Err(Refusal::from_error(error.code(), &error)),
            _ => Ok(()),
        }
    }
}

impl Applied {
    pub(super) fn of(device: &Device, changes: Vec<Change>) -> Self {
        Self {
            chain: device.chain(),
            state: State::of(device),
            why: Why::of(device),
            license_id: device.rests_on().and_then(AppliedGrant::license).map(|license| license.to_string()),
            changes,
        }
    }
}

/// What a file says about the chains that the present one follows.
struct Earlier {
    /// Whether it holds a grant for one of them.
    is_any: bool,
    changes: Vec<Change>,
}
