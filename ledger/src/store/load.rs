//! Putting a chain's state together from its store, and holding it against the last event.

use std::collections::BTreeMap;

use rusqlite::Connection;
use schemas::event::device::{ChainOpened, FingerprintComponent, GrantApplied};
use schemas::event::{Body, Event};
use schemas::grant::Revocations;
use schemas::ids::{Link, PublicKey};
use schemas::numbers::{FeatureNumber, Seq, Total};
use schemas::period::Period;
use schemas::run::DeviceOrigin;

use super::rows::EventRow;
use super::{StoreError, rows};
use crate::chain::{self, Head};
use crate::device::{AppliedGrant, Device, Meter, Parts, Saved};
use crate::trust;

/// How many of the newest events are held against the sums when a store is opened.
const CHECKED_EVENTS: u64 = 255;

/// Loads the state. Grants are believed by `root` again: what lies on a disk can have been changed.
///
/// # Errors
/// [`StoreError::Damaged`] when the state does not fit the last event, or a kept grant does not verify.
pub(super) fn device(db: &Connection, root: &PublicKey) -> Result<Device, StoreError> {
    let origin = rows::load_chain(db)?;
    let saved = rows::load_state(db)?;
    let last = last_event(db, &origin, &saved)?;
    if saved.mark < last.at && saved.noted.is_none() && saved.applied != Some(saved.head.seq) {
        return Err(StoreError::Damaged("the clock's mark was set back"));
    }
    let opened = opening(db)?;
    let fingerprint = recorded_fingerprint(db, &saved, &opened)?;
    let (grant, revocations) = grants(db, root)?;
    let mut meters = BTreeMap::new();
    for (feature, period, meter) in rows::load_meters(db)? {
        meters.insert((feature, period), meter);
    }
    let closed = matches!(last.body, Body::ChainClosed(_));
    check_tail(db, &saved, grant.as_ref(), &meters, closed)?;
    Ok(Device::restore(Parts { origin, opened, saved, fingerprint, closed, meters, grant, revocations }))
}

/// The chain's link at `seq`, from the nearest place that is known: the last acknowledgement, or the beginning.
pub(super) fn link_at(db: &Connection, device: &Device, seq: Seq) -> Result<Link, StoreError> {
    let saved = device.saved();
    if seq == saved.head.seq {
        return Ok(saved.head.link);
    }
    if seq.next() == saved.head.seq {
        return Ok(saved.prev);
    }
    let ack = Head::from(device.ack());
    let mut head = if ack.seq <= seq { ack } else { Head::START };
    if head.seq == seq {
        return Ok(head.link);
    }
    rows::each_event(db, head.seq.next(), seq, |EventRow { seq, core, signature }| {
        let id = chain::event_id(&device.chain(), seq, &head.link, &core);
        head = Head { seq, link: chain::link(&id, &signature) };
        Ok(())
    })?;
    Ok(head.link)
}

pub(super) fn decode(row: &EventRow) -> Result<Event, StoreError> {
    Event::decode(&row.core).map_err(|_| StoreError::Damaged("an event does not decode"))
}

fn last_event(db: &Connection, origin: &DeviceOrigin, saved: &Saved) -> Result<Event, StoreError> {
    if rows::last_place(db)? != saved.head.seq {
        return Err(StoreError::Damaged("the state does not stand at the last event"));
    }
    let row = rows::load_event(db, saved.head.seq)?;
    let chain = chain::device_chain(&origin.signer, &origin.reference);
    let id = chain::event_id(&chain, row.seq, &saved.prev, &row.core);
    if chain::link(&id, &row.signature) != saved.head.link
        || !chain::verify(&origin.signer, &id, &row.signature)
    {
        return Err(StoreError::Damaged("the last event does not verify"));
    }
    decode(&row)
}

/// Holds what is kept beside the events against the newest of them: all since the last applied grant, and at least
/// [`CHECKED_EVENTS`]. No event is missing there, no grant was applied after the one that is kept, and no sum was set
/// back. The whole chain is folded by [`super::Reader::verify`].
fn check_tail(
    db: &Connection,
    saved: &Saved,
    grant: Option<&AppliedGrant>,
    meters: &BTreeMap<(FeatureNumber, Period), Meter>,
    closed: bool,
) -> Result<(), StoreError> {
    let last = saved.head.seq;
    let checked = Seq(last.0.saturating_sub(CHECKED_EVENTS).max(1));
    let first = saved.applied.map_or(Seq(1), |applied| applied.min(checked));
    let mut stated = BTreeMap::new();
    let mut applied = None;
    let mut next = first;
    rows::each_event(db, first, last, |row| {
        if row.seq != next {
            return Err(StoreError::Damaged("an event is missing"));
        }
        next = row.seq.next();
        match decode(&row)?.body {
            Body::FeatureConsumed(consumed) => {
                stated.insert((consumed.feature, consumed.period), consumed.total);
            }
            Body::GrantApplied(event) => applied = Some((row.seq, event)),
            _ => {}
        }
        Ok(())
    })?;
    let (applied_at, applied) = applied.unzip();
    if applied_at != saved.applied || !is_newest(applied.as_ref(), grant, closed) {
        return Err(StoreError::Damaged("the kept grant is not the one that was applied last"));
    }
    let fits = |(key, total): (&_, &Total)| meters.get(key).is_some_and(|meter| meter.gross == *total);
    if stated.iter().all(fits) {
        Ok(())
    } else {
        Err(StoreError::Damaged("the sums do not fit the last events"))
    }
}

/// Whether the kept grant is the one that the chain says was applied last. A closed chain keeps the receipt of its
/// closing, which no event can name any more.
pub(super) fn is_newest(applied: Option<&GrantApplied>, kept: Option<&AppliedGrant>, closed: bool) -> bool {
    match (applied, kept.map(|kept| &kept.verified)) {
        (None, None) => true,
        (None, Some(_)) => closed,
        (Some(_), None) => false,
        (Some(applied), Some(kept)) if closed => (applied.epoch, applied.seq) <= kept.order(),
        (Some(applied), Some(kept)) => applied.grant == kept.id,
    }
}

fn opening(db: &Connection) -> Result<ChainOpened, StoreError> {
    match decode(&rows::load_event(db, Seq(1))?)?.body {
        Body::ChainOpened(opened) => Ok(*opened),
        _ => Err(StoreError::Damaged("the first event does not open a chain")),
    }
}

fn recorded_fingerprint(
    db: &Connection,
    saved: &Saved,
    opened: &ChainOpened,
) -> Result<Vec<FingerprintComponent>, StoreError> {
    let Some(seq) = saved.fingerprint else { return Ok(opened.fingerprint.clone()) };
    match decode(&rows::load_event(db, seq)?)?.body {
        Body::FingerprintChanged(changed) => Ok(changed.fingerprint),
        _ => Err(StoreError::Damaged("the recorded fingerprint is missing")),
    }
}

fn grants(db: &Connection, root: &PublicKey) -> Result<(Option<AppliedGrant>, Revocations), StoreError> {
    let mut newest = None;
    let mut revocations = Revocations::default();
    for grant in rows::load_grants(db)? {
        let verified = trust::verify_grant(&grant, root)
            .map_err(|_| StoreError::Damaged("a kept grant does not verify"))?;
        if verified.body.revocations.version > revocations.version {
            revocations.clone_from(&verified.body.revocations);
        }
        newest = Some(AppliedGrant { grant, verified });
    }
    Ok((newest, revocations))
}
