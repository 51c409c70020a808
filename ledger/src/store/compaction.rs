//! Dropping acknowledged events, a bounded number at a time, so that a crash leaves a whole store.

use std::collections::BTreeMap;

use rusqlite::Connection;
use schemas::event::Event;
use schemas::ids::EventId;
use schemas::numbers::{Micros, Seq};

use super::rows::{EventRow, MeterKey, Meters};
use super::{StoreError, load, rows};
use crate::chain::Head;
use crate::device::{Device, Meter, meter};

/// Events that one transaction drops.
const AT_ONCE: u64 = 16_384;

/// Drops events that `device` does not need, as many as go into one transaction. Returns how many places the floor rose.
///
/// # Errors
/// [`StoreError::Damaged`] when they do not verify: nothing is dropped that could not have been reported.
pub(super) fn raise_floor(db: &Connection, device: &Device, now: Micros) -> Result<u64, StoreError> {
    let floor = rows::load_floor(db)?;
    let Some(limit) = device.droppable_to().filter(|limit| *limit > floor.seq) else { return Ok(0) };
    let until = limit.min(Seq(floor.seq.0 + AT_ONCE));
    let mut stretch = Stretch::above(floor, rows::load_meters(db, Meters::Floor)?);
    let mut is_old = true;
    rows::each_event(db, floor.seq.next(), until, |row| {
        let event = load::decode(&row)?;
        is_old &= Device::is_old(&event, now);
        if is_old {
            stretch.push(db, device, row, &event)?;
        }
        Ok(())
    })?;
    stretch.drop_from(db, device, floor)
}

/// Events above the floor, as they are dropped.
struct Stretch {
    head: Head,
    sums: BTreeMap<MeterKey, Meter>,
    last: Option<(EventId, EventRow)>,
}

impl Stretch {
    fn above(floor: Head, sums: BTreeMap<MeterKey, Meter>) -> Self {
        Self { head: floor, sums, last: None }
    }

    /// Takes in the next event, and keeps it where it is needed.
    fn push(
        &mut self,
        db: &Connection,
        device: &Device,
        row: EventRow,
        event: &Event,
    ) -> Result<(), StoreError> {
        if device.needs(row.seq, event) {
            rows::keep_below_floor(db, row.seq, &self.head.link)?;
        }
        meter::count(&mut self.sums, &event.body);
        let (id, head) = self.head.after(&device.chain(), &row.core, &row.signature);
        self.head = head;
        self.last = Some((id, row));
        Ok(())
    }

    /// One signature on the last event holds them all.
    fn drop_from(self, db: &Connection, device: &Device, floor: Head) -> Result<u64, StoreError> {
        let Some((id, row)) = self.last else { return Ok(0) };
        load::is_signed(device.origin(), &id, &row)?;
        for (key, sum) in self.sums {
            rows::save_meter(db, Meters::Floor, key, sum)?;
        }
        rows::drop_events(db, floor.seq.next(), self.head.seq)?;
        rows::save_floor(db, self.head)?;
        Ok(self.head.seq.0 - floor.seq.0)
    }
}
