//! Webhooks: endpoints, and the messages to them. A message is written in the commit of what it tells, beside the licence
//! that it is about; whoever sends it puts it off first, in a commit of its own.

use std::collections::BTreeSet;

use ledger::authority::License;
use ledger::draft::Update;
use ledger::happening::happenings;
use schemas::grant::GrantStatus;
use schemas::ids::{ChainId, Commitment, CustomerId, HookId, LicenseId, Link, MessageId};
use schemas::numbers::Micros;
use schemas::webhook::{SignatureKind, Topic};

use super::database::{Database, Row, Value, Values, all, one};
use super::{StoreError, statements};
use crate::webhooks::message::{self, Overdue};
use crate::webhooks::signing::Signing;
use crate::webhooks::{Delivery, DeliveryFilter, Hook, Last, Settled, State, Topics};

/// The counter that says up to when it was looked for devices past their deadline.
const OVERDUE: &str = "overdue";
/// Devices that are told in one unit of work.
const OVERDUE_PAGE: u64 = 200;
/// Messages that are taken away in one unit of work.
const OLD_PAGE: u64 = 500;
/// Sorts after every message.
const LAST: MessageId = MessageId([0xff; 16]);

/// Every endpoint, the earliest first.
pub(super) fn hooks(db: &mut dyn Database) -> Result<Vec<Hook>, StoreError> {
    all(db, &statements::HOOKS, &[], hook)
}

fn hook(row: &mut Row) -> Result<Hook, StoreError> {
    let (id, url) = (HookId(row.fixed()?), row.string()?);
    let topics = Topics::from_text(&row.string()?).ok_or(StoreError::Damaged("topic"))?;
    let kind = SignatureKind::from_number(row.uint()?).ok_or(StoreError::Damaged("signature kind"))?;
    Ok(Hook {
        id,
        url,
        topics,
        signing: Signing::from_kept(kind, row.bytes()?).ok_or(StoreError::Damaged("key"))?,
        allow_private: row.uint()? != 0,
        maker: row.optional_fixed()?.map(Commitment),
        created_at: row.micros()?,
        disabled_at: row.optional_micros()?,
    })
}

/// Keeps a new endpoint where there are fewer than `most`; whether it did.
pub(super) fn add(db: &mut dyn Database, hook: &Hook, most: usize) -> Result<bool, StoreError> {
    if hooks(db)?.len() >= most {
        return Ok(false);
    }
    let row = vec![
        hook.id.as_bytes().into(),
        hook.url.as_str().into(),
        Value::Text(hook.topics.to_text().into()),
        hook.signing.kind().number().into(),
        hook.signing.kept().to_vec().into(),
        u8::from(hook.allow_private).into(),
        hook.maker.as_ref().map(Commitment::as_bytes).into(),
        hook.created_at.into(),
        hook.disabled_at.into(),
    ];
    db.insert(&statements::NEW_HOOK, &[row])?;
    Ok(true)
}

pub(super) fn disable(db: &mut dyn Database, hook: &HookId, now: Micros) -> Result<(), StoreError> {
    db.execute(&statements::DISABLE_HOOK, &[now.into(), hook.as_bytes().into()])?;
    Ok(())
}

/// Takes an endpoint away, or, while there are messages to it, so many of them; whether it is gone.
pub(super) fn remove(db: &mut dyn Database, hook: &HookId) -> Result<bool, StoreError> {
    let values = [hook.as_bytes().into(), OLD_PAGE.into()];
    let messages = all(db, &statements::DELIVERIES_OF_HOOK, &values, place)?;
    if messages.is_empty() {
        db.execute(&statements::REMOVE_HOOK, &[hook.as_bytes().into()])?;
    }
    forget(db, &messages)?;
    Ok(messages.is_empty())
}

/// Where a message is kept.
type Place = (LicenseId, MessageId);

fn place(row: &mut Row) -> Result<Place, StoreError> {
    Ok((LicenseId(row.fixed()?), MessageId(row.fixed()?)))
}

fn forget(db: &mut dyn Database, messages: &[Place]) -> Result<(), StoreError> {
    for (license, message) in messages {
        db.execute(&statements::FORGET_DELIVERY, &[license.as_bytes().into(), message.as_bytes().into()])?;
    }
    Ok(())
}

/// An endpoint that is told, as far as whoever writes for it has to know it.
#[derive(Debug)]
struct Addressee {
    hook: HookId,
    topics: Topics,
    created_at: Micros,
}

fn addressees(db: &mut dyn Database) -> Result<Vec<Addressee>, StoreError> {
    all(db, &statements::ADDRESSEES, &[], |row| {
        let hook = HookId(row.fixed()?);
        let topics = Topics::from_text(&row.string()?).ok_or(StoreError::Damaged("topic"))?;
        Ok(Addressee { hook, topics, created_at: row.micros()? })
    })
}

/// What a unit of work tells the endpoints that there are.
#[derive(Debug)]
pub(super) struct Outbox {
    addressees: Vec<Addressee>,
    rows: Vec<Values<'static>>,
}

impl Outbox {
    /// One for this unit of work. Where there is no endpoint, nothing more is done for it.
    pub(super) fn open(db: &mut dyn Database) -> Result<Self, StoreError> {
        Ok(Self { addressees: addressees(db)?, rows: Vec::new() })
    }

    /// The licence as it is before it is worked on, where anybody is told what becomes of it.
    pub(super) fn before(&self, license: &License) -> Option<License> {
        (!self.addressees.is_empty()).then(|| license.clone())
    }

    /// Adds what became of a licence.
    pub(super) fn add(&mut self, before: &License, update: &Update) {
        let after = &update.license;
        let heads: Vec<Link> = update.runs.iter().map(|run| run.head.link).collect();
        for happening in happenings(before, after, &update.rows) {
            let topic = happening.topic();
            let body = message::of_happening(after, &happening);
            for Addressee { hook, .. } in self.addressees.iter().filter(|other| other.topics.hold(topic)) {
                let message = message::identify(hook, after.last_at, &body, &heads);
                self.rows.push(new_row((after.id, message), *hook, topic, &body, after.last_at));
            }
        }
    }

    /// Writes all of it.
    pub(super) fn write(self, db: &mut dyn Database) -> Result<(), StoreError> {
        if !self.rows.is_empty() {
            db.insert(&statements::NEW_DELIVERY, &self.rows)?;
        }
        Ok(())
    }
}

/// A message that is due at once.
fn new_row((license, message): Place, hook: HookId, topic: Topic, body: &str, at: Micros) -> Values<'static> {
    vec![
        license.as_bytes().to_vec().into(),
        message.as_bytes().to_vec().into(),
        hook.as_bytes().to_vec().into(),
        topic.number().into(),
        Value::Text(body.to_owned().into()),
        at.into(),
        0_u8.into(),
        at.into(),
        Value::Null,
        Value::Null,
        Value::Null,
        Value::Null,
    ]
}

fn delivery(row: &mut Row) -> Result<Delivery, StoreError> {
    let (license, message) = place(row)?;
    Ok(Delivery {
        license,
        message,
        hook: HookId(row.fixed()?),
        topic: Topic::from_number(row.uint()?).ok_or(StoreError::Damaged("topic"))?,
        body: row.string()?,
        created_at: row.micros()?,
        attempts: row.small()?,
        state: match (row.optional_micros()?, row.optional_micros()?, row.optional_micros()?) {
            (Some(due_at), None, None) => State::Due(due_at),
            (None, Some(delivered_at), None) => State::Delivered(delivered_at),
            (None, None, Some(failed_at)) => State::Failed(failed_at),
            _ => return Err(StoreError::Damaged("message")),
        },
        last: Last {
            status: row
                .optional_uint()?
                .map(|status| u16::try_from(status).map_err(|_| StoreError::Damaged("status")))
                .transpose()?,
            answer: row.optional_text()?,
        },
    })
}

/// The columns of a state: from when it is due, when it was delivered, when it was given up.
fn columns(state: State) -> [Value<'static>; 3] {
    match state {
        State::Due(at) => [at.into(), Value::Null, Value::Null],
        State::Delivered(at) => [Value::Null, at.into(), Value::Null],
        State::Failed(at) => [Value::Null, Value::Null, at.into()],
    }
}

/// Messages to an endpoint that are due, those that have waited longest first.
pub(super) fn due(
    db: &mut dyn Database,
    hook: &HookId,
    now: Micros,
    limit: u64,
) -> Result<Vec<Delivery>, StoreError> {
    all(db, &statements::DUE_DELIVERIES, &[hook.as_bytes().into(), now.into(), limit.into()], delivery)
}

/// Puts due messages off; those that nobody else did meanwhile.
pub(super) fn put_off(
    db: &mut dyn Database,
    hook: &HookId,
    now: Micros,
    until: Micros,
    limit: u64,
) -> Result<Vec<Delivery>, StoreError> {
    let mut ours = Vec::new();
    for found in due(db, hook, now, limit)? {
        let State::Due(due_at) = found.state else { continue };
        let key = [found.license.as_bytes().into(), found.message.as_bytes().into()];
        let values: Vec<_> = [until.into()].into_iter().chain(key).chain([due_at.into()]).collect();
        if db.execute(&statements::PUT_OFF, &values)? == 1 {
            ours.push(Delivery { state: State::Due(until), ..found });
        }
    }
    Ok(ours)
}

/// Notes what became of messages that were put off, unless somebody else had them meanwhile.
pub(super) fn settle(db: &mut dyn Database, settled: &[Settled]) -> Result<(), StoreError> {
    for Settled { license, message, put_off_to, attempts, state, last } in settled {
        let values: Vec<Value<'_>> = [(*attempts).into()]
            .into_iter()
            .chain(columns(*state))
            .chain([last.status.into(), last.answer.as_deref().into()])
            .chain([license.as_bytes().into(), message.as_bytes().into(), (*put_off_to).into()])
            .collect();
        db.execute(&statements::SETTLE_DELIVERY, &values)?;
    }
    Ok(())
}

/// Messages that match, the latest first.
pub(super) fn list(db: &mut dyn Database, filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError> {
    let values = [
        filter.before.unwrap_or(LAST).as_bytes().to_vec().into(),
        filter.hook.map(|hook| hook.as_bytes().to_vec()).into(),
        u8::from(filter.failed).into(),
        filter.limit.into(),
    ];
    all(db, &statements::DELIVERIES, &values, delivery)
}

/// One message.
pub(super) fn one_of(db: &mut dyn Database, message: &MessageId) -> Result<Option<Delivery>, StoreError> {
    one(db, &statements::DELIVERY, &[message.as_bytes().into()], delivery)
}

/// Lets a message be sent again as if it never was.
pub(super) fn replay(db: &mut dyn Database, delivery: &Delivery, now: Micros) -> Result<(), StoreError> {
    let values = [
        0_u8.into(),
        now.into(),
        Value::Null,
        delivery.license.as_bytes().into(),
        delivery.message.as_bytes().into(),
    ];
    db.execute(&statements::REPLAY_DELIVERY, &values)?;
    Ok(())
}

/// Takes away messages after `after` that were delivered or given up before `before`, or whose endpoint is gone, as many
/// as one unit of work may; after which one to go on, if there may be more.
pub(super) fn forget_old(
    db: &mut dyn Database,
    after: &MessageId,
    before: Micros,
) -> Result<Option<MessageId>, StoreError> {
    let known: BTreeSet<HookId> = hooks(db)?.into_iter().map(|hook| hook.id).collect();
    let end = message::first_at(before);
    let values = [after.as_bytes().into(), end.as_bytes().into(), OLD_PAGE.into()];
    let found = all(db, &statements::DELIVERIES_AFTER, &values, |row| {
        let (place, hook) = (place(row)?, HookId(row.fixed()?));
        let ended = [row.optional_micros()?, row.optional_micros()?].into_iter().flatten().next();
        let is_old = ended.is_some_and(|ended| ended < before) || !known.contains(&hook);
        Ok((place, is_old))
    })?;
    let old: Vec<Place> = found.iter().filter(|(_, is_old)| *is_old).map(|(place, _)| *place).collect();
    forget(db, &old)?;
    let last = found.last().filter(|_| found.len() as u64 == OLD_PAGE);
    Ok(last.map(|((_, message), _)| *message))
}

/// Devices whose check-in deadline passed, of which endpoints are to be told.
#[derive(Debug)]
pub(super) struct Late {
    found: Vec<Overdue>,
    /// There are none after these.
    is_all: bool,
}

impl Late {
    /// After which one to go on.
    pub(super) fn go_on(&self) -> Option<(LicenseId, ChainId)> {
        let last = self.found.last().filter(|_| !self.is_all);
        last.map(|overdue| (overdue.license, overdue.chain))
    }
}

fn addressees_of_late(db: &mut dyn Database) -> Result<Vec<Addressee>, StoreError> {
    let mut addressees = addressees(db)?;
    addressees.retain(|addressee| addressee.topics.hold(Topic::Overdue));
    Ok(addressees)
}

/// Finds devices whose check-in deadline passed since it was last looked for them, those after `after`, as many as one unit
/// of work may tell. It may have to look at all that there are, and so belongs where nobody waits for it. Nothing where
/// nobody is told of them.
pub(super) fn find_late(
    db: &mut dyn Database,
    now: Micros,
    after: Option<(LicenseId, ChainId)>,
) -> Result<Option<Late>, StoreError> {
    let Some(first_made) = addressees_of_late(db)?.iter().map(|addressee| addressee.created_at).min() else {
        return Ok(None);
    };
    let looked = one(db, &statements::COUNTER, &[OVERDUE.into()], Row::micros)?;
    let since = looked.ok_or(StoreError::Damaged("counter"))?.max(first_made);
    let (license, chain) = after.unwrap_or((LicenseId([0; 16]), ChainId([0; 32])));
    let values = [
        since.into(),
        now.into(),
        GrantStatus::Active.number().into(),
        license.as_bytes().into(),
        chain.as_bytes().into(),
        OVERDUE_PAGE.into(),
    ];
    let found = all(db, &statements::OVERDUE_CHAINS, &values, overdue)?;
    Ok(Some(Late { is_all: (found.len() as u64) < OVERDUE_PAGE, found }))
}

/// Tells the endpoints of them. With the last ones it was looked up to `now`: whoever looks at the same time writes the same
/// messages, and each is kept once.
pub(super) fn tell_late(db: &mut dyn Database, now: Micros, late: &Late) -> Result<(), StoreError> {
    let addressees = addressees_of_late(db)?;
    let mut rows = Vec::new();
    for overdue in &late.found {
        let body = message::of_overdue(overdue);
        for Addressee { hook, .. } in addressees.iter().filter(|other| other.created_at < overdue.sync_by) {
            let message = message::identify(hook, overdue.sync_by, &body, &[]);
            rows.push(new_row((overdue.license, message), *hook, Topic::Overdue, &body, overdue.sync_by));
        }
    }
    Outbox { addressees, rows }.write(db)?;
    if late.is_all {
        db.execute(&statements::RAISE_COUNTER, &[now.into(), OVERDUE.into()])?;
    }
    Ok(())
}

fn overdue(row: &mut Row) -> Result<Overdue, StoreError> {
    Ok(Overdue {
        license: LicenseId(row.fixed()?),
        chain: ChainId(row.fixed()?),
        sync_by: row.micros()?,
        product: row.string()?,
        customer: CustomerId(row.fixed()?),
    })
}
