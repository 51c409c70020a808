//! The store's SQL, each statement beside the values that it reads or writes.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use schemas::bundle::Attachment;
use schemas::canonical;
use schemas::grant::Grant;
use schemas::ids::{Commitment, KeyReference, Link, PublicKey, Salt, Signature};
use schemas::numbers::{FeatureNumber, Micros, Seq, Total};
use schemas::period::Period;
use schemas::run::DeviceOrigin;
use schemas::text::UsageRef;

use super::{StoreError, database};
use crate::chain::Head;
use crate::device::{AppliedGrant, Meter, Saved};

/// What stands beside the core of an event in a bundle: the signature, and what frames the two.
const BESIDE_CORE: i64 = 72;
/// What stands beside an attached value: its commitment and salt, and what frames them.
const BESIDE_VALUE: i64 = 60;

/// What a sum is of.
pub(super) type MeterKey = (FeatureNumber, Period);

/// An event as it is stored.
#[derive(Clone, Debug)]
pub(super) struct EventRow {
    pub(super) seq: Seq,
    pub(super) core: Vec<u8>,
    pub(super) signature: Signature,
}

pub(super) fn insert_chain(db: &Connection, origin: &DeviceOrigin) -> Result<(), StoreError> {
    let sql = "INSERT INTO chain (one, signer, reference) VALUES (1, ?1, ?2)";
    db.execute(sql, params![origin.signer.as_bytes(), origin.reference.as_bytes()])?;
    Ok(())
}

pub(super) fn load_chain(db: &Connection) -> Result<DeviceOrigin, StoreError> {
    let (signer, reference) = db
        .query_row("SELECT signer, reference FROM chain WHERE one = 1", [], |row| {
            Ok((blob(row, 0, PublicKey::from_slice)?, blob(row, 1, KeyReference::from_slice)?))
        })
        .optional()?
        .ok_or(StoreError::Damaged("the chain's header is missing"))?;
    Ok(DeviceOrigin { signer, reference })
}

pub(super) fn insert_event(
    db: &Connection,
    seq: Seq,
    core: &[u8],
    signature: &Signature,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO events (seq, core, signature) VALUES (?1, ?2, ?3)";
    db.prepare_cached(sql)?.execute(params![number(seq.0), core, signature.as_bytes()])?;
    Ok(())
}

pub(super) fn load_event(db: &Connection, seq: Seq) -> Result<EventRow, StoreError> {
    let sql = "SELECT seq, core, signature FROM events WHERE seq = ?1";
    db.prepare_cached(sql)?
        .query_row([number(seq.0)], event_row)
        .optional()?
        .ok_or(StoreError::Damaged("an event is missing"))
}

/// Calls `each` for the events from `first` to `last` in order.
pub(super) fn each_event(
    db: &Connection,
    first: Seq,
    last: Seq,
    mut each: impl FnMut(EventRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let sql = "SELECT seq, core, signature FROM events WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq";
    let mut statement = db.prepare_cached(sql)?;
    let mut expected = first;
    for row in statement.query_map([number(first.0), number(last.0)], event_row)? {
        let row = row?;
        if row.seq != expected {
            return Err(StoreError::Damaged("an event is missing"));
        }
        expected = expected.next();
        each(row)?;
    }
    if expected == last.next() { Ok(()) } else { Err(StoreError::Damaged("an event is missing")) }
}

/// The last place from `first` to `last` up to which the events, with the values that they commit to, take at most about
/// `most` bytes of a bundle; at least one event.
pub(super) fn last_within(db: &Connection, first: Seq, last: Seq, most: usize) -> Result<Seq, StoreError> {
    let sql = "SELECT seq, length(core) + ?3 + coalesce(length(value) + ?4, 0)
        FROM events LEFT JOIN attachments USING (seq) WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([number(first.0), number(last.0), BESIDE_CORE, BESIDE_VALUE])?;
    let (mut reached, mut bytes) = (first, 0);
    while let Some(row) = rows.next()? {
        bytes += uint(row, 1)?;
        let seq = Seq(uint(row, 0)?);
        if seq > first && bytes > most as u64 {
            return Ok(reached);
        }
        reached = seq;
    }
    Ok(last)
}

/// Calls `each` for the events that are there up to the floor, in order, with the link before each.
pub(super) fn each_kept(
    db: &Connection,
    floor: Seq,
    mut each: impl FnMut(EventRow, Link) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    if floor == Seq(0) {
        return Ok(());
    }
    let sql = "SELECT events.seq, core, signature, prev FROM events LEFT JOIN kept USING (seq)
        WHERE events.seq <= ?1 ORDER BY events.seq";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([number(floor.0)], |row| {
        Ok((event_row(row)?, row.get_ref(3)?.as_blob_or_null()?.map(Link::from_slice)))
    })?;
    for row in rows {
        match row? {
            (row, Some(Some(prev))) => each(row, prev)?,
            _ => return Err(StoreError::Damaged("an event is kept that was to be dropped")),
        }
    }
    Ok(())
}

/// How many events are to be kept up to the floor.
pub(super) fn count_kept(db: &Connection) -> Result<u64, StoreError> {
    Ok(db.query_row("SELECT count(*) FROM kept", [], |row| uint(row, 0))?)
}

/// Keeps the event at `seq`, before which the chain's link is `prev`, whatever is dropped.
pub(super) fn keep_below_floor(db: &Connection, seq: Seq, prev: &Link) -> Result<(), StoreError> {
    let sql = "INSERT INTO kept (seq, prev) VALUES (?1, ?2)";
    db.prepare_cached(sql)?.execute(params![number(seq.0), prev.as_bytes()])?;
    Ok(())
}

/// Drops the events from `first` to `last` that are not kept, and the values that they commit to.
pub(super) fn drop_events(db: &Connection, first: Seq, last: Seq) -> Result<(), StoreError> {
    for table in ["events", "attachments"] {
        let sql = format!(
            "DELETE FROM {table} WHERE seq BETWEEN ?1 AND ?2 AND NOT EXISTS
                (SELECT 1 FROM kept WHERE kept.seq = {table}.seq)"
        );
        db.prepare_cached(&sql)?.execute([number(first.0), number(last.0)])?;
    }
    Ok(())
}

/// Up to where events may have been dropped; the chain's start where none were.
pub(super) fn load_floor(db: &Connection) -> Result<Head, StoreError> {
    if !database::may_be_compacted(db)? {
        return Ok(Head::START);
    }
    let mut statement = db.prepare_cached("SELECT seq, link FROM floor WHERE one = 1")?;
    let floor = statement
        .query_row([], |row| Ok(Head { seq: Seq(uint(row, 0)?), link: blob(row, 1, Link::from_slice)? }));
    Ok(floor.optional()?.unwrap_or(Head::START))
}

pub(super) fn save_floor(db: &Connection, floor: Head) -> Result<(), StoreError> {
    let sql = "INSERT INTO floor (one, seq, link) VALUES (1, ?1, ?2)
        ON CONFLICT (one) DO UPDATE SET seq = excluded.seq, link = excluded.link";
    db.prepare_cached(sql)?.execute(params![number(floor.seq.0), floor.link.as_bytes()])?;
    Ok(())
}

/// How many events stand from `first` to `last`.
pub(super) fn count_events(db: &Connection, first: Seq, last: Seq) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) FROM events WHERE seq BETWEEN ?1 AND ?2";
    Ok(db.query_row(sql, [number(first.0), number(last.0)], |row| uint(row, 0))?)
}

/// The last place that holds an event.
pub(super) fn last_place(db: &Connection) -> Result<Seq, StoreError> {
    Ok(db.query_row("SELECT coalesce(max(seq), 0) FROM events", [], |row| uint(row, 0).map(Seq))?)
}

pub(super) fn insert_attachment(
    db: &Connection,
    seq: Seq,
    attachment: &Attachment,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO attachments (seq, commitment, salt, value) VALUES (?1, ?2, ?3, ?4)";
    let Attachment { commitment, salt, value } = attachment;
    db.prepare_cached(sql)?.execute(params![number(seq.0), commitment.as_bytes(), salt.as_bytes(), value])?;
    Ok(())
}

pub(super) fn load_attachments(
    db: &Connection,
    first: Seq,
    last: Seq,
) -> Result<Vec<Attachment>, StoreError> {
    let sql = "SELECT commitment, salt, value FROM attachments WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([number(first.0), number(last.0)], |row| {
        Ok(Attachment {
            commitment: blob(row, 0, Commitment::from_slice)?,
            salt: blob(row, 1, Salt::from_slice)?,
            value: row.get(2)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Keeps a grant, and drops those that are neither the newest nor hold the newest list of revoked issuers. What was
/// refused before it does not matter any more.
pub(super) fn insert_grant(db: &Connection, applied: &AppliedGrant) -> Result<(), StoreError> {
    let body = &applied.verified.body;
    let content = canonical::to_bytes(&applied.grant);
    let sql = "INSERT OR REPLACE INTO grants (epoch, seq, revocations, content) VALUES (?1, ?2, ?3, ?4)";
    let (epoch, seq) = (body.epoch.0, number(applied.verified.seq.0));
    db.execute(sql, params![epoch, seq, body.revocations.version, content])?;
    let sql = "DELETE FROM grants WHERE (epoch, seq) <> (?1, ?2)
        AND (epoch, seq) <> (SELECT epoch, seq FROM grants ORDER BY revocations DESC, epoch, seq LIMIT 1)";
    db.execute(sql, params![epoch, seq])?;
    db.execute("DELETE FROM refusals", [])?;
    Ok(())
}

pub(super) fn insert_refusal(db: &Connection, seq: Seq) -> Result<(), StoreError> {
    db.execute("INSERT OR IGNORE INTO refusals (seq) VALUES (?1)", [number(seq.0)])?;
    Ok(())
}

/// The places that record a refused grant since the last applied one.
pub(super) fn load_refusals(db: &Connection) -> Result<Vec<Seq>, StoreError> {
    let mut statement = db.prepare_cached("SELECT seq FROM refusals ORDER BY seq")?;
    let rows = statement.query_map([], |row| uint(row, 0).map(Seq))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The grants that are kept, the oldest first.
pub(super) fn load_grants(db: &Connection) -> Result<Vec<Grant>, StoreError> {
    let mut statement = db.prepare_cached("SELECT content FROM grants ORDER BY epoch, seq")?;
    let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
    rows.map(|content| {
        canonical::from_bytes(&content?).map_err(|_| StoreError::Damaged("a kept grant does not decode"))
    })
    .collect()
}

/// Sums by feature and period, at the last event or at the floor.
#[derive(Clone, Copy)]
pub(super) enum Meters {
    Head,
    Floor,
}

impl Meters {
    fn table(self) -> &'static str {
        match self {
            Self::Head => "meters",
            Self::Floor => "floor_meters",
        }
    }
}

pub(super) fn save_meter(
    db: &Connection,
    meters: Meters,
    (feature, period): MeterKey,
    meter: Meter,
) -> Result<(), StoreError> {
    let table = meters.table();
    let sql = format!(
        "INSERT INTO {table} (feature, period, gross, refunded, returned) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (feature, period) DO UPDATE SET
            gross = excluded.gross, refunded = excluded.refunded, returned = excluded.returned"
    );
    db.prepare_cached(&sql)?.execute(params![
        feature.0,
        period.number(),
        number(meter.gross.get()),
        number(meter.refunded.get()),
        number(meter.returned.get()),
    ])?;
    Ok(())
}

pub(super) fn load_meters(db: &Connection, meters: Meters) -> Result<BTreeMap<MeterKey, Meter>, StoreError> {
    let table = meters.table();
    let sql =
        format!("SELECT feature, period, gross, refunded, returned FROM {table} ORDER BY feature, period");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([], |row| {
        let meter = Meter { gross: total(row, 2)?, refunded: total(row, 3)?, returned: total(row, 4)? };
        let period = Period::from_number(row.get(1)?).ok_or_else(|| invalid(1))?;
        Ok(((FeatureNumber(row.get(0)?), period), meter))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn insert_reference(
    db: &Connection,
    feature: FeatureNumber,
    reference: &UsageRef,
    seq: Seq,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO refs (feature, reference, seq) VALUES (?1, ?2, ?3)";
    db.prepare_cached(sql)?.execute(params![feature.0, reference.as_str(), number(seq.0)])?;
    Ok(())
}

pub(super) fn find_reference(
    db: &Connection,
    feature: FeatureNumber,
    reference: &UsageRef,
) -> Result<Option<Seq>, StoreError> {
    let sql = "SELECT seq FROM refs WHERE feature = ?1 AND reference = ?2";
    let mut statement = db.prepare_cached(sql)?;
    Ok(statement.query_row(params![feature.0, reference.as_str()], |row| uint(row, 0).map(Seq)).optional()?)
}

/// How many `ref`s are kept.
pub(super) fn count_references(db: &Connection) -> Result<u64, StoreError> {
    Ok(db.query_row("SELECT count(*) FROM refs", [], |row| uint(row, 0))?)
}

pub(super) fn save_state(db: &Connection, saved: &Saved) -> Result<(), StoreError> {
    let sql = "INSERT INTO state (one, head_seq, head_link, prev_link, mark, behind, noted, applied,
            fingerprint, mismatch_since, restored)
        VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
        ON CONFLICT (one) DO UPDATE SET
            head_seq = excluded.head_seq, head_link = excluded.head_link, prev_link = excluded.prev_link,
            mark = excluded.mark, behind = excluded.behind, noted = excluded.noted, applied = excluded.applied,
            fingerprint = excluded.fingerprint, mismatch_since = excluded.mismatch_since,
            restored = excluded.restored";
    db.prepare_cached(sql)?.execute(params![
        number(saved.head.seq.0),
        saved.head.link.as_bytes(),
        saved.prev.as_bytes(),
        number(saved.mark.get()),
        saved.behind,
        saved.noted.map(|seq| number(seq.0)),
        saved.applied.map(|seq| number(seq.0)),
        saved.fingerprint.map(|seq| number(seq.0)),
        saved.mismatch_since.map(|since| number(since.get())),
        saved.set_back,
    ])?;
    Ok(())
}

pub(super) fn load_state(db: &Connection) -> Result<Saved, StoreError> {
    let sql =
        "SELECT head_seq, head_link, prev_link, mark, behind, noted, applied, fingerprint, mismatch_since, restored
        FROM state WHERE one = 1";
    db.query_row(sql, [], |row| {
        Ok(Saved {
            head: Head { seq: Seq(uint(row, 0)?), link: blob(row, 1, Link::from_slice)? },
            prev: blob(row, 2, Link::from_slice)?,
            mark: Micros::new(uint(row, 3)?),
            behind: row.get(4)?,
            noted: optional(row, 5)?.map(Seq),
            applied: optional(row, 6)?.map(Seq),
            fingerprint: optional(row, 7)?.map(Seq),
            mismatch_since: optional(row, 8)?.map(Micros::new),
            set_back: row.get(9)?,
        })
    })
    .optional()?
    .ok_or(StoreError::Damaged("the chain's state is missing"))
}

fn event_row(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    Ok(EventRow {
        seq: Seq(uint(row, 0)?),
        core: row.get(1)?,
        signature: blob(row, 2, Signature::from_slice)?,
    })
}

fn uint(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    optional(row, column)?.ok_or_else(|| invalid(column))
}

fn optional(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    let value: Option<i64> = row.get(column)?;
    value.map(|value| u64::try_from(value).map_err(|_| invalid(column))).transpose()
}

fn total(row: &Row<'_>, column: usize) -> rusqlite::Result<Total> {
    Total::new(uint(row, column)?).ok_or_else(|| invalid(column))
}

fn blob<T>(row: &Row<'_>, column: usize, read: impl FnOnce(&[u8]) -> Option<T>) -> rusqlite::Result<T> {
    read(row.get_ref(column)?.as_blob()?).ok_or_else(|| invalid(column))
}

fn invalid(column: usize) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(column, "a value of another width".into(), rusqlite::types::Type::Blob)
}

/// Everything that is counted here stays far below 2⁶³.
fn number(value: u64) -> i64 {
    i64::try_from(value).expect("places, times and totals are far below 2^63")
}
