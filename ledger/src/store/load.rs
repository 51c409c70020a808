//! Putting a chain's state together from its store, and holding it against the last event.

use std::collections::BTreeMap;

use rusqlite::Connection;
use schemas::event::device::{ChainOpened, FingerprintComponent};
use schemas::event::{Body, Event};
use schemas::grant::Revocations;
use schemas::ids::{Link, PublicKey};
use schemas::numbers::Seq;
use schemas::run::DeviceOrigin;

use super::fold::Fold;
use super::rows::EventRow;
use super::{StoreError, rows};
use crate::chain::{self, Head};
use crate::device::{AppliedGrant, Device, Parts, Saved};
use crate::trust;

/// How many of the newest events are folded whenever a store is opened: a few milliseconds.
const CHECKED_EVENTS: u64 = 8_192;

/// Loads the state. Grants are believed by `root` again: what lies on a disk can have been changed.
///
/// # Errors
/// [`StoreError::Damaged`] when the state does not fit the last event, or a kept grant does not verify.
pub(super) fn device(db: &Connection, root: &PublicKey) -> Result<Device, StoreError> {
    let origin = rows::load_chain(db)?;
    let saved = rows::load_state(db)?;
    let last = last_event(db, &origin, &saved)?;
    let opened = opening(db)?;
    let fingerprint = recorded_fingerprint(db, &saved, &opened)?;
    let (grant, revocations) = grants(db, root)?;
    let mut meters = BTreeMap::new();
    for (feature, period, meter) in rows::load_meters(db)? {
        meters.insert((feature, period), meter);
    }
    let closed = matches!(last.body, Body::ChainClosed(_));
    let device =
        Device::restore(Parts { origin, opened, saved, fingerprint, closed, meters, grant, revocations });
    check_unreported(db, &device)?;
    check_tail(db, &device)?;
    Ok(device)
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
    let chain = device.chain();
    rows::each_event(db, head.seq.next(), seq, |EventRow { core, signature, .. }| {
        (_, head) = head.after(&chain, &core, &signature);
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
/// [`CHECKED_EVENTS`]. The whole chain is folded by [`super::Reader::verify`].
fn check_tail(db: &Connection, device: &Device) -> Result<(), StoreError> {
    let saved = device.saved();
    let newest = Seq(saved.head.seq.0.saturating_sub(CHECKED_EVENTS - 1).max(1));
    let first = saved.applied.map_or(Seq(1), |applied| applied.min(newest));
    let mut fold = Fold::from(first);
    rows::each_event(db, first, saved.head.seq, |row| {
        fold.push(row.seq, &decode(&row)?);
        Ok(())
    })?;
    fold.check(device)
}

/// All that the vendor does not have must be here, or it can never be reported.
fn check_unreported(db: &Connection, device: &Device) -> Result<(), StoreError> {
    let (last, acknowledged) = (device.head().seq, device.ack().seq);
    if last.0.checked_sub(acknowledged.0) == Some(rows::count_events(db, acknowledged.next(), last)?) {
        Ok(())
    } else {
        Err(StoreError::Damaged("an event that was not reported is missing"))
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
