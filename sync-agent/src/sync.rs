//! Reporting over a connection: part by part, each acknowledged and its answer applied before the next one is read.
//!
//! Nothing is kept of a sync but what the applied licence files say: one that is cut anywhere is begun again, and sends the
//! part again that was under way. While the network is waited for nothing is held, so that others go on to read and to write.

use std::collections::BTreeMap;
use std::time::Duration;

use ledger::device::UsefulBecause;
use ledger::trust;
use schemas::bundle::{Answer, decode_answers};
use schemas::codes::Code;
use schemas::container::ContainerError;
use schemas::grant::Ack;
use schemas::ids::ChainId;
use schemas::numbers::Seq;
use schemas::refusal::Refusal;
use serde::Serialize;
use thiserror::Error;

use crate::agent::{Agent, Applied};
use crate::changes::{self, Change};
use crate::config::Config;
use crate::lineage::Part;
use crate::reader::AgentReader;
use crate::refuse;
use crate::status::{State, Status, Why};
use crate::transport::{ExchangeError, Transport};
use crate::visitor::Visitor;

/// How much of a backlog goes at once: at 100 bytes an event and more some 2,000 of them. A vendor's merge, its answer and the way
/// there and back are a small part of what that costs, and a slow line of 4 KiB a second carries it in a minute, so that little
/// is lost when it is cut.
pub const PART_BYTES: usize = 256 * 1024;
/// A part of which the vendor acknowledges nothing goes once more with all that follows it, as it would in a file: within the
/// 16 MiB that a server takes.
const LARGEST_PART: usize = 15 * 1024 * 1024;
/// How many more reports one sync makes of what its answers led to: what was asked back, a successor's request.
const FOLLOW_UPS: usize = 3;

/// Why a sync did not come to its end. What was applied before stays applied.
#[derive(Clone, Debug, Error)]
pub enum SyncError {
    /// There was no answer: see there what can be done.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The report could not be read, or its answer not be applied.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl SyncError {
    /// The refusal that a person or a program is told.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Exchange(error) => error.refusal(),
            Self::Refused(refusal) => refusal.clone(),
        }
    }

    /// How long the server asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Exchange(error) => error.retry_after(),
            Self::Refused(_) => None,
        }
    }
}

impl From<SyncError> for Refusal {
    fn from(error: SyncError) -> Self {
        error.refusal()
    }
}

/// What a sync came to.
#[derive(Clone, Debug, Serialize)]
pub struct Synced {
    /// The device's chain.
    pub chain: Option<ChainId>,
    /// How far the activation is now.
    pub state: State,
    /// Why it does not stand as it should.
    pub why: Option<Why>,
    /// The licence.
    pub license_id: Option<String>,
    /// Parts that were sent.
    pub parts: u64,
    /// Events that the vendor acknowledged.
    pub events: u64,
    /// What its answers changed, from before the first to after the last.
    pub changes: Vec<Change>,
}

/// Reports all that the vendor does not have of the state directory of `config`, and applies the answers: see
/// [`Visitor::sync`].
///
/// # Errors
/// As [`Visitor::sync`].
pub fn sync(config: &Config, transport: &dyn Transport) -> Result<Synced, SyncError> {
    Visitor::new(config.clone()).sync(transport)
}

impl Agent {
    /// Reports all that the vendor does not have, and applies the answers. Other threads go on to check and to meter.
    ///
    /// # Errors
    /// Why it did not come to its end.
    pub fn sync(&self, transport: &dyn Transport) -> Result<Synced, SyncError> {
        run(self, transport)
    }
}

impl Visitor {
    /// Reports all that the vendor does not have, and applies the answers, beside whoever writes there: the directory is held
    /// only while an answer is applied.
    ///
    /// # Errors
    /// Why it did not come to its end; `busy` where another process holds the directory all the time.
    pub fn sync(&self, transport: &dyn Transport) -> Result<Synced, SyncError> {
        run(self, transport)
    }
}

/// A device that is synced.
trait Device {
    /// The state as it is now.
    fn reader(&self) -> Result<AgentReader, Refusal>;

    /// Applies a licence file, durably.
    fn apply(&self, answer: &[u8]) -> Result<Applied, Refusal>;
}

impl Device for Agent {
    fn reader(&self) -> Result<AgentReader, Refusal> {
        self.reader()
    }

    fn apply(&self, answer: &[u8]) -> Result<Applied, Refusal> {
        self.apply(answer)
    }
}

/// A device whose directory is opened for each answer.
impl Device for Visitor {
    fn reader(&self) -> Result<AgentReader, Refusal> {
        self.reader()
    }

    fn apply(&self, answer: &[u8]) -> Result<Applied, Refusal> {
        self.visit(|agent| agent.apply(answer))
    }
}

fn run(device: &impl Device, transport: &dyn Transport) -> Result<Synced, SyncError> {
    let mut course = Course::default();
    while let Some((part, answered)) = course.exchange(device, transport)? {
        course.held_back = course.apply(device, &part, &answered).err();
        if !part.is_whole && course.held_back.as_ref().is_none_or(can_go_on) {
            continue;
        }
        course.whole += 1;
        let ends = course.held_back.is_some() || course.whole > FOLLOW_UPS;
        if ends || !leads_on(&device.reader()?.status()) {
            break;
        }
    }
    match course.held_back.take() {
        Some(refusal) => Err(refusal.into()),
        None => Ok(course.came_to(device.reader()?.status())),
    }
}

/// How far a sync is.
#[derive(Debug, Default)]
struct Course {
    /// Where the last part began: the present chain, and the first place of each that the part holds.
    began: Option<(ChainId, Vec<(ChainId, Seq)>)>,
    /// What the vendor was heard to have of the present chain, where the grant that says so was not applied.
    heard: Option<Ack>,
    /// Why the last answer was not applied.
    held_back: Option<Refusal>,
    /// How many times all was reported.
    whole: usize,
    /// Whether all goes at once, because the vendor does not get ahead by parts.
    at_once: bool,
    parts: u64,
    events: u64,
    changes: Vec<Change>,
}

impl Course {
    /// Sends the next part, and reads what the answer acknowledges beside the answer itself. Nothing where the vendor does
    /// not get ahead.
    fn exchange(
        &mut self,
        device: &impl Device,
        transport: &dyn Transport,
    ) -> Result<Option<(Part, Answered)>, SyncError> {
        // Dropped before the network is waited for: a reader's view keeps the store from being tidied.
        let (part, root) = {
            let reader = device.reader()?;
            let mut part = reader.part(self.most(), self.heard)?;
            let began = began(&reader, &part)?;
            if self.began.replace(began.clone()) == Some(began) {
                if self.at_once {
                    return Ok(None);
                }
                self.at_once = true;
                part = reader.part(self.most(), self.heard)?;
            }
            (part, reader.root())
        };
        let answer = transport.exchange(&part.bundle.encode())?;
        self.parts += 1;
        let mut acknowledged = BTreeMap::new();
        for answer in decode_answers(&answer).map_err(|error| no_answer(&error))? {
            let verified = match (&answer, root) {
                (Answer::Grant(grant), Some(root)) => trust::verify_grant(grant, &root).ok(),
                _ => None,
            };
            acknowledged.extend(verified.map(|verified| (verified.body.device, verified.body.ack)));
        }
        Ok(Some((part, Answered { answer, acknowledged })))
    }

    /// Applies an answer. That one which another sync was given later came first is no error.
    fn apply(&mut self, device: &impl Device, part: &Part, answered: &Answered) -> Result<(), Refusal> {
        let acknowledged = |chain| answered.acknowledged.get(&chain).copied();
        for stretch in &part.stretches {
            self.events += acknowledged(stretch.chain).map_or(0, |ack| stretch.acknowledged(ack.seq));
        }
        self.heard = None;
        match device.apply(&answered.answer) {
            Ok(applied) => changes::follow(&mut self.changes, applied.changes),
            Err(refusal) if refusal.code() == Code::GrantSuperseded => {}
            Err(refusal) => {
                self.heard = part.stretches.last().and_then(|stretch| acknowledged(stretch.chain));
                return Err(refusal);
            }
        }
        Ok(())
    }

    fn most(&self) -> usize {
        if self.at_once { LARGEST_PART } else { PART_BYTES }
    }

    fn came_to(self, status: Status) -> Synced {
        let Status { chain, state, why, license_id, .. } = status;
        let Self { parts, events, changes, .. } = self;
        Synced { chain, state, why, license_id, parts, events, changes }
    }
}

/// An answer, and what its genuine grants acknowledge of each chain.
#[derive(Debug)]
struct Answered {
    answer: Vec<u8>,
    acknowledged: BTreeMap<ChainId, Ack>,
}

fn began(reader: &AgentReader, part: &Part) -> Result<(ChainId, Vec<(ChainId, Seq)>), Refusal> {
    let present = reader.reader()?.chain().map_err(|error| refuse::store(&error))?;
    Ok((present, part.stretches.iter().map(|stretch| (stretch.chain, stretch.first)).collect()))
}

/// Whether the next part may be answered by a grant that is applied, though this one was not: it only came too late for the
/// clock that a later one cures, or knows more than the device.
fn can_go_on(refusal: &Refusal) -> bool {
    matches!(refusal.code(), Code::GrantLate | Code::AckUnknown)
}

/// Whether an answer led to something that somebody waits for.
fn leads_on(status: &Status) -> bool {
    use UsefulBecause::{AskedFor, EarlierRecord, QuotaReturned, Request};
    let because = status.report.and_then(|report| report.because);
    matches!(because, Some(Request | AskedFor | QuotaReturned | EarlierRecord))
}

/// What is no licence file was not sent by a licence server; one that does not verify was damaged on its way.
fn no_answer(error: &ContainerError) -> SyncError {
    match error {
        ContainerError::NotOurs | ContainerError::WrongKind { .. } => {
            ExchangeError::Invalid(error.to_string()).into()
        }
        _ => refuse::container(error).into(),
    }
}
