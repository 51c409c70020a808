//! Deciding and signing a group of commands, and the rows that come of it.

use std::mem;
use std::sync::Arc;

use rusqlite::Connection;
use schemas::bundle::Attachment;
use schemas::event::device::FeatureConsumed;
use schemas::event::{Body, Event};
use schemas::ids::Signature;
use schemas::numbers::{FeatureNumber, Seq};
use schemas::period::Period;
use schemas::text::UsageRef;

use super::rows::Meters;
use super::trail::Trail;
use super::writer::Process;
use super::{AppendError, StoreError, load, rows};
use crate::check::Snapshot;
use crate::clock::Reading;
use crate::device::{AppliedGrant, Command, Decision, Device, DeviceError, Done, Known, Meter, Now, Saved};
use crate::keys::SecretKey;

/// Commands of one caller, done in order up to the first that is not carried out.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) commands: Vec<Command>,
    pub(super) reading: Reading,
}

/// What one caller is answered.
pub(super) type Outcomes = Vec<Result<Done, AppendError>>;

impl Job {
    /// Whether a decision of this job needs to look something up in the database.
    pub(super) fn looks_up(&self) -> bool {
        self.commands.iter().any(|command| match command {
            Command::Consume(consume) => consume.reference.is_some(),
            Command::Apply(_) => true,
            Command::Refund(_)
            | Command::Return(_)
            | Command::Set { .. }
            | Command::Show(_)
            | Command::Close
            | Command::Succeed { .. }
            | Command::Note => false,
        })
    }
}

impl Process {
    pub(super) fn now(&self, reading: Reading) -> Now<'_> {
        Now { reading, instance: self.instance, boot: self.boot, fingerprint: &self.fingerprint }
    }
}

/// The chain's state in memory, and the key that continues it.
pub(super) struct Signer {
    pub(super) device: Device,
    pub(super) key: SecretKey,
    pub(super) process: Arc<Process>,
    /// What of the state is not written.
    pub(super) trail: Trail,
    /// Whether the state may hold events that nobody will keep.
    pub(super) unsettled: bool,
}

/// A group while it is signed: what came of each job, and what is to be kept of it.
pub(super) struct Signing {
    before: Saved,
    outcomes: Vec<Outcomes>,
    rows: Vec<NewRow>,
}

/// A group that is signed.
pub(super) struct Signed {
    pub(super) outcomes: Vec<Outcomes>,
    pub(super) snapshot: Snapshot,
    rows: Vec<NewRow>,
    state: Option<State>,
}

/// The state at an event, and the sums that moved since it was last written.
pub(super) struct State {
    saved: Saved,
    sums: Vec<(FeatureNumber, Period, Meter)>,
}

enum NewRow {
    Event(Seq, Vec<u8>, Signature),
    Reference(FeatureNumber, UsageRef, Seq),
    Refusal(Seq),
    Attachment(Seq, Attachment),
    Grant(Box<AppliedGrant>),
}

impl Signing {
    /// How many jobs it holds.
    pub(super) fn len(&self) -> usize {
        self.outcomes.len()
    }
}

impl Signed {
    /// Writes what is not written yet: events and what belongs to each, and the state where it is due.
    pub(super) fn write(&self, db: &Connection) -> Result<(), StoreError> {
        self.rows.iter().try_for_each(|row| row.write(db))?;
        self.state.as_ref().map_or(Ok(()), |state| state.write(db))
    }
}

impl State {
    pub(super) fn write(&self, db: &Connection) -> Result<(), StoreError> {
        for (feature, period, meter) in &self.sums {
            rows::save_meter(db, Meters::Head, (*feature, *period), *meter)?;
        }
        rows::save_state(db, &self.saved)
    }
}

impl NewRow {
    fn write(&self, db: &Connection) -> Result<(), StoreError> {
        match self {
            Self::Event(seq, core, signature) => rows::insert_event(db, *seq, core, signature),
            Self::Reference(feature, reference, seq) => rows::insert_reference(db, *feature, reference, *seq),
            Self::Refusal(seq) => rows::insert_refusal(db, *seq),
            Self::Attachment(seq, attachment) => rows::insert_attachment(db, *seq, attachment),
            Self::Grant(grant) => rows::insert_grant(db, grant),
        }
    }
}

impl Signer {
    /// Begins a group.
    pub(super) fn begin(&self) -> Signing {
        Signing { before: self.device.saved(), outcomes: Vec::new(), rows: Vec::new() }
    }

    /// Signs a job that looks nothing up.
    pub(super) fn sign(&mut self, group: &mut Signing, job: &Job) {
        let Signing { outcomes, rows, .. } = group;
        let answers = self.carry_out(job, |signer, now, command| {
            let decided = signer.device.decide(command, now, Known::default());
            Ok(decided.map(|decision| signer.record(decision, rows)))
        });
        outcomes.push(answers.expect("what looks nothing up cannot fail to"));
    }

    /// Signs a job command by command and writes each, and all before it, so that the next finds what it left.
    pub(super) fn sign_and_write(
        &mut self,
        group: &mut Signing,
        job: &Job,
        db: &Connection,
    ) -> Result<(), StoreError> {
        let Signing { outcomes, rows, .. } = group;
        let write = |rows: &mut Vec<NewRow>| mem::take(rows).iter().try_for_each(|row| row.write(db));
        write(rows)?;
        outcomes.push(self.carry_out(job, |signer, now, command| {
            let known = known(db, &signer.device, command)?;
            let decided = signer.device.decide(command, now, known);
            let done = decided.map(|decision| signer.record(decision, rows));
            write(rows)?;
            Ok(done)
        })?);
        Ok(())
    }

    /// Ends a group: nothing is signed into it from here on.
    pub(super) fn end(&mut self, group: Signing) -> Signed {
        let Signing { before, outcomes, rows } = group;
        let state = self.trail.is_due(&before, &self.device.saved()).then(|| self.take_state());
        Signed { outcomes, snapshot: self.device.snapshot(), rows, state }
    }

    fn carry_out(
        &mut self,
        job: &Job,
        mut one: impl FnMut(&mut Self, &Now<'_>, &Command) -> Result<Result<Done, DeviceError>, StoreError>,
    ) -> Result<Outcomes, StoreError> {
        let process = Arc::clone(&self.process);
        let now = process.now(job.reading);
        let mut answers = Vec::with_capacity(job.commands.len());
        for command in &job.commands {
            let answer = one(self, &now, command)?;
            let refused = answer.is_err();
            answers.push(answer.map_err(AppendError::from));
            if refused {
                break;
            }
        }
        Ok(answers)
    }

    /// The state as it is to be written now.
    pub(super) fn take_state(&mut self) -> State {
        let trail = mem::take(&mut self.trail);
        let meter = |(feature, period)| (feature, period, self.device.meter(feature, period));
        State { saved: self.device.saved(), sums: trail.sums().map(meter).collect() }
    }

    /// Signs what was decided and takes it into the state.
    fn record(&mut self, decision: Decision, rows: &mut Vec<NewRow>) -> Done {
        let Decision { events, mark, attachment, grant, done } = decision;
        let at = events.last().map_or(mark.at(), |event| event.at);
        self.device.set_mark(mark);
        for event in &events {
            self.append(event, rows);
        }
        rows.extend(attachment.map(|attachment| NewRow::Attachment(self.device.head().seq, attachment)));
        if let Some(grant) = grant {
            self.device.take_grant((*grant).clone(), at);
            rows.push(NewRow::Grant(grant));
        }
        done
    }

    fn append(&mut self, event: &Event, rows: &mut Vec<NewRow>) {
        let core = event.encode();
        let appended = self.device.head().append(&self.device.chain(), &core, &self.key);
        let seq = appended.head.seq;
        rows.push(NewRow::Event(seq, core, appended.signature));
        match &event.body {
            Body::FeatureConsumed(FeatureConsumed { feature, reference: Some(reference), .. }) => {
                rows.push(NewRow::Reference(*feature, reference.clone(), seq));
            }
            Body::GrantRefused(_) => rows.push(NewRow::Refusal(seq)),
            _ => {}
        }
        self.device.apply(event, appended.head);
        self.trail.push(event);
    }
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
                known.first = Some((seq, consumption(db, seq, feature, reference)?));
            }
        }
        Command::Apply(offered) => {
            let seq = device.acknowledged_by(offered);
            let ack = offered.verified.body.ack;
            known.acknowledged = seq.map(|_| load::acknowledged(db, device, ack)).transpose()?;
        }
        Command::Refund(_)
        | Command::Return(_)
        | Command::Set { .. }
        | Command::Show(_)
        | Command::Close
        | Command::Succeed { .. }
        | Command::Note => {}
    }
    Ok(known)
}

/// The consumption that a `ref` was counted with, which must say so itself.
fn consumption(
    db: &Connection,
    seq: Seq,
    feature: FeatureNumber,
    reference: &UsageRef,
) -> Result<FeatureConsumed, StoreError> {
    match load::decode(&rows::load_event(db, seq)?)?.body {
        Body::FeatureConsumed(consumed)
            if consumed.feature == feature && consumed.reference.as_ref() == Some(reference) =>
        {
            Ok(consumed)
        }
        _ => Err(StoreError::Damaged("a `ref` points to another event")),
    }
}
