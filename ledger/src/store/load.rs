//! Putting a chain's state together from its store, and holding it against the last events.

use rusqlite::Connection;
use schemas::event::device::{ChainOpened, FingerprintComponent};
use schemas::event::{Body, Event};
use schemas::grant::{Ack, Revocations};
use schemas::ids::{EventId, Link, PublicKey};
use schemas::numbers::{Micros, Seq};
use schemas::run::DeviceOrigin;

use super::fold::Fold;
use super::rows::{EventRow, Meters};
use super::trail::Trail;
use super::{StoreError, database, rows};
use crate::chain::{self, Head};
use crate::check::Life;
use crate::codes::kept;
use crate::device::{Acknowledged, AppliedGrant, Device, KEPT_EVENTS, Parts, Refused, Saved};

/// How many of the newest events are folded whenever a store is opened: a few milliseconds.
const CHECKED_EVENTS: u64 = KEPT_EVENTS;
/// How many of those that the vendor may not have are counted then, from the first on.
const COUNTED_EVENTS: u64 = 16_384;

/// Loads the state, and what of it is not written beside the events. Grants are believed by `root` again: what lies on
/// a disk can have been changed.
///
/// # Errors
/// [`StoreError::Damaged`] when the state does not fit the last events, or a kept grant does not verify.
pub(super) fn device(db: &Connection, root: &PublicKey) -> Result<(Device, Trail), StoreError> {
    let origin = rows::load_chain(db)?;
    let saved = rows::load_state(db)?;
    let kept_at = event_of(db, &origin, &saved)?;
    let opened = opening(db)?;
    let fingerprint = recorded_fingerprint(db, &saved, &opened)?;
    let (grant, revocations) = grants(db, root)?;
    let meters = rows::load_meters(db, Meters::Head)?;
    let life = Life::after(&kept_at.body);
    let mut device =
        Device::from_parts(Parts { origin, opened, saved, fingerprint, life, meters, grant, revocations });
    let trail = catch_up(db, &mut device)?;
    check_unreported(db, &device)?;
    let (refused, sends_again) = check_tail(db, &device)?;
    device.recall(refused, sends_again);
    Ok((device, trail))
}

/// What the grant to be applied acknowledges, as the device has it.
///
/// Below the floor neither link nor time is known any more. There the grant is believed: the vendor acknowledged a later place
/// once, whose link commits to all before it. It takes no time back, and neither does one that acknowledges the floor:
/// whatever was wrong of the clock by then, the later acknowledgement cured.
pub(super) fn acknowledged(db: &Connection, device: &Device, ack: Ack) -> Result<Acknowledged, StoreError> {
    let floor = rows::load_floor(db)?;
    if ack.seq <= floor.seq {
        let link = if ack.seq == floor.seq { floor.link } else { ack.link };
        return Ok(Acknowledged { link, at: Micros::default() });
    }
    let at = decode(&rows::load_event(db, ack.seq)?)?.at;
    Ok(Acknowledged { link: link_at(db, device, ack.seq)?, at })
}

/// The chain's link at `seq`, which is not below the floor, from the nearest place that is known: the last
/// acknowledgement, or the floor.
pub(super) fn link_at(db: &Connection, device: &Device, seq: Seq) -> Result<Link, StoreError> {
    let saved = device.saved();
    if seq == saved.head.seq {
        return Ok(saved.head.link);
    }
    if seq.next() == saved.head.seq {
        return Ok(saved.prev);
    }
    let (ack, floor) = (Head::from(device.ack()), rows::load_floor(db)?);
    let mut head = if (floor.seq..=seq).contains(&ack.seq) { ack } else { floor };
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

/// The event that the kept state stands at.
fn event_of(db: &Connection, origin: &DeviceOrigin, saved: &Saved) -> Result<Event, StoreError> {
    if saved.head.seq == Seq(0) || rows::last_place(db)? < saved.head.seq {
        return Err(StoreError::Damaged("the last events are missing"));
    }
    let row = rows::load_event(db, saved.head.seq)?;
    let chain = chain::device_chain(&origin.signer, &origin.reference);
    let before = Head { seq: Seq(saved.head.seq.0 - 1), link: saved.prev };
    let (id, head) = before.after(&chain, &row.core, &row.signature);
    if head != saved.head {
        return Err(StoreError::Damaged("the state does not fit its event"));
    }
    is_signed(origin, &id, &row)?;
    decode(&row)
}

/// Takes in the events after the one that the kept state stands at. The signature of the last holds them all.
fn catch_up(db: &Connection, device: &mut Device) -> Result<Trail, StoreError> {
    let chain = device.chain();
    let mut trail = Trail::default();
    let mut last = None;
    let end = rows::last_place(db)?;
    if end == device.head().seq {
        return Ok(trail);
    }
    rows::each_event(db, device.head().seq.next(), end, |row| {
        let (id, head) = device.head().after(&chain, &row.core, &row.signature);
        let event = decode(&row)?;
        trail.push(&event);
        device.follow(&event, head);
        last = Some((id, row));
        Ok(())
    })?;
    last.map_or(Ok(()), |(id, row)| is_signed(device.origin(), &id, &row))?;
    Ok(trail)
}

pub(super) fn is_signed(origin: &DeviceOrigin, id: &EventId, row: &EventRow) -> Result<(), StoreError> {
    if chain::verify(&origin.signer, id, &row.signature) {
        Ok(())
    } else {
        Err(StoreError::Damaged("the last event does not verify"))
    }
}

/// Holds what is kept beside the events against the newest [`CHECKED_EVENTS`], and against what was granted and refused
/// last, however long ago: opening takes no longer as the chain grows. The whole chain is folded by
/// [`super::Reader::verify`]. Returns what was refused since that grant, and whether that has all sent again.
fn check_tail(db: &Connection, device: &Device) -> Result<(Option<Refused>, bool), StoreError> {
    let saved = device.saved();
    let newest = Seq(saved.head.seq.0.saturating_sub(CHECKED_EVENTS - 1).max(1));
    let fold = if database::notes_refusals(db)? {
        let noted = rows::load_refusals(db)?;
        let earlier = saved.applied.into_iter().chain(noted).filter(|seq| *seq < newest);
        fold(db, earlier, newest, saved.head.seq)?
    } else {
        fold_since_grant(db, device, newest)?
    };
    fold.check(device)?;
    Ok((fold.refused().filter(|_| saved.set_back), fold.sends_again(device)))
}

/// Where events since the last applied grant record a refused one; found by looking through all of them.
pub(super) fn refusals(db: &Connection, device: &Device) -> Result<Vec<Seq>, StoreError> {
    Ok(fold_since_grant(db, device, device.head().seq)?.refusals(device).to_vec())
}

/// Folds all events since the last applied grant, and at least those from `newest` on.
fn fold_since_grant(db: &Connection, device: &Device, newest: Seq) -> Result<Fold, StoreError> {
    let first = device.saved().applied.map_or(Seq(1), |applied| applied.min(newest));
    fold(db, [], first, device.head().seq)
}

fn fold(
    db: &Connection,
    earlier: impl IntoIterator<Item = Seq>,
    first: Seq,
    last: Seq,
) -> Result<Fold, StoreError> {
    let mut fold = Fold::from(first);
    for seq in earlier {
        fold.push(seq, &decode(&rows::load_event(db, seq)?)?);
    }
    rows::each_event(db, first, last, |row| {
        fold.push(row.seq, &decode(&row)?);
        Ok(())
    })?;
    Ok(fold)
}

/// What the vendor does not have must be here, or it can never be reported. The first [`COUNTED_EVENTS`] of it are counted,
/// and the newest are folded; whoever reports reads all.
fn check_unreported(db: &Connection, device: &Device) -> Result<(), StoreError> {
    let last = device.head().seq;
    let acknowledged = device.ack().seq.max(rows::load_floor(db)?.seq);
    let until = last.min(Seq(acknowledged.0.saturating_add(COUNTED_EVENTS)));
    if until.0.checked_sub(acknowledged.0) == Some(rows::count_events(db, acknowledged.next(), until)?) {
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
        let verified =
            kept::verify(&grant, root).map_err(|_| StoreError::Damaged("a kept grant does not verify"))?;
        if verified.body.revocations.version > revocations.version {
            revocations.clone_from(&verified.body.revocations);
        }
        newest = Some(AppliedGrant { grant, verified });
    }
    Ok((newest, revocations))
}
