//! Applying what the vendor answers.

use ledger::device::{AppliedGrant, Command, Done};
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
use crate::status::State;

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
        if grants.iter().any(|grant| grant.verified.body.device == chain) {
            grants.retain(|grant| grant.verified.body.device == chain);
        }
        grants.sort_by_key(|grant| grant.verified.order());
        self.apply_grants(grants)
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
            let before = device_of(writer)?;
            for grant in grants {
                let done = writer.append(Command::Apply(Box::new(grant)), self.clock.read());
                if let Done::NotApplied(error) = done.map_err(|error| refuse::append(&error))? {
                    return Err(Refusal::from_error(error.code(), &error));
                }
            }
            let after = device_of(writer)?;
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
}
