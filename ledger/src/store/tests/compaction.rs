//! What a store is after acknowledged events were dropped.

use schemas::bundle::Bundle;
use schemas::grant::{Ack, GrantBody, GrantStatus, SeqRange};
use schemas::numbers::Epoch;
use schemas::terms::OnFork;

use super::*;

/// More than one transaction drops, beside those that are kept in any case.
const LONG: u64 = 26_000;
/// When nothing of the store is young any more.
const LATER: &str = "2027-02-28T07:00:00Z";

fn later() -> Reading {
    Reading { wall: at(LATER), monotonic: 96 * Seconds::days(1).micros() }
}

/// A store of [`LONG`] uses, the 100th of which has a `ref`, with a value before them.
fn long() -> Shelf {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    let value = commitment::attach(b"plant 7").expect("randomness");
    writer.append(Command::Set { name: text("site"), value }, now()).expect("sets");
    for first in (0..LONG).step_by(1_000) {
        let named = |n| (n == 100).then_some("job-100");
        let group = (first..first + 1_000).map(|n| miles(1, named(n))).collect();
        assert!(writer.append_all(group, now()).iter().all(Result::is_ok));
    }
    drop(writer);
    shelf
}

fn ack_at(shelf: &Shelf, seq: u64) -> Ack {
    let db = database::open_to_read(&shelf.path()).expect("opens");
    let (device, _) = load::device(&db, &root().public()).expect("sound");
    let link = load::link_at(&db, &device, Seq(seq)).expect("there");
    Ack { seq: Seq(seq), link }
}

/// Lets the device drop what is acknowledged, up to the event at `seq`.
fn let_drop(shelf: &Shelf, seq: u64, change: impl FnOnce(&mut GrantBody)) -> Writer {
    let ack = ack_at(shelf, seq);
    let writer = shelf.write();
    let lets = |body: &mut GrantBody| {
        (body.compact, body.ack) = (true, ack);
        change(body);
    };
    apply(&writer, grant(2, lets)).expect("applies");
    writer
}

fn events_of(shelf: &Shelf) -> u64 {
    let db = rusqlite::Connection::open(shelf.path()).expect("opens");
    db.query_row("SELECT count(*) FROM events", [], |row| row.get::<_, i64>(0)).expect("reads").unsigned_abs()
}

/// The first and last places of the runs in a bundle, each of which must verify.
fn spans(bundle: &Bundle) -> Vec<(u64, u64)> {
    let runs = bundle.runs.iter().map(|bytes| run::verify_device(bytes).expect("verifies"));
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for run in runs {
        let (first, last) = (run.span().first.0, run.span().last.0);
        match spans.last_mut() {
            Some(span) if span.1 + 1 == first => span.1 = last,
            _ => spans.push((first, last)),
        }
    }
    spans
}

#[test]
fn what_was_acknowledged_long_ago_is_dropped_and_all_else_stays_as_it_was() {
    let shelf = long();
    let writer = let_drop(&shelf, 17_500, |_| {});
    let (before, state) = (events_of(&shelf), writer.device().expect("sound"));
    assert_eq!(writer.compact(now()).expect("nothing is old"), 0);
    assert_eq!(writer.compact(later()).expect("drops"), 16_384);
    shelf.read().verify().expect("a store in the middle of it verifies");
    assert_eq!(writer.compact(later()).expect("drops"), 17_499 - 16_384);
    assert_eq!(writer.compact(later()).expect("the acknowledged event is kept"), 0);
    // The request and the use with a `ref` stay.
    assert_eq!(events_of(&shelf), before - 17_499 + 3);
    let repeated = writer.append(miles(1, Some("job-100")), later());
    assert!(matches!(repeated, Ok(Done::Consumed(done)) if done.repeated));
    drop(writer);
    let reader = shelf.read();
    let verified = reader.verify().expect("all verifies");
    assert_eq!((verified.events, verified.attachments), (events_of(&shelf), 1));
    assert_eq!(reader.dropped_to().expect("readable"), Some(Seq(17_499)));
    let again = shelf.write().device().expect("sound");
    assert_eq!((again.saved(), again.meters(), again.left()), (state.saved(), state.meters(), state.left()));
    let head = again.head().seq.0;
    assert_eq!(spans(&reader.report().expect("reports")), [(17_501, head)]);
    assert_eq!(spans(&reader.request().expect("what is kept")), [(1, 2), (17_500, head)]);
    let mut told = Vec::new();
    let tell = |entry: HistoryEntry| {
        told.push(entry.seq.0);
        Ok(())
    };
    reader.history(tell).expect("a history");
    assert_eq!((told.len() as u64, &told[..2], told[3]), (verified.events, &[1, 2][..], 17_500));
}

#[test]
fn nothing_is_dropped_that_somebody_may_ask_for() {
    let cases: [fn(&mut GrantBody); 6] = [
        |body| body.compact = false,
        |body| body.ack = Ack::NONE,
        |body| body.forked = Some(OnFork::Flag),
        |body| body.status = GrantStatus::Suspended,
        |body| body.resend_from = Some(Seq(5)),
        |body| body.missing = vec![SeqRange { first: Seq(28_000), last: Seq(28_001) }],
    ];
    let shelf = long();
    let ack = ack_at(&shelf, 10_000);
    let writer = shelf.write();
    let lets = |place, change: fn(&mut GrantBody)| {
        let body = |body: &mut GrantBody| {
            (body.compact, body.ack) = (true, ack);
            change(body);
        };
        apply(&writer, grant(place, body)).expect("applies");
        writer.compact(later()).expect("is asked")
    };
    for (place, change) in (2..).zip(cases) {
        assert_eq!(lets(place, change), 0, "{place}");
    }
    assert_eq!(lets(9, |_| {}), 9_999);
}

/// A vendor that restored an old backup acknowledges a place that is not there any more. That is no sign that the device
/// was set back, and it is sent all that is kept.
#[test]
fn a_vendor_that_went_back_beyond_what_is_kept_is_believed_and_sent_the_rest() {
    let shelf = long();
    let old = ack_at(&shelf, 5_000);
    let writer = let_drop(&shelf, 10_000, |_| {});
    assert_eq!(writer.compact(later()).expect("drops"), 9_999);
    let restored = |body: &mut GrantBody| {
        (body.compact, body.epoch, body.ack) = (true, Epoch(1), old);
        body.resend_from = Some(Seq(5_001));
    };
    assert!(matches!(apply(&writer, grant(1, restored)), Ok(Done::Applied)));
    let device = writer.device().expect("sound");
    assert!(!device.basis().set_back);
    assert_eq!(writer.compact(later()).expect("is asked"), 0);
    drop(writer);
    let head = device.head().seq.0;
    assert_eq!(spans(&shelf.read().report().expect("reports")), [(1, 2), (10_000, head)]);
    assert_eq!(shelf.write().device().expect("sound").saved(), device.saved());
    shelf.read().verify().expect("all verifies");
}

#[test]
fn what_does_not_verify_is_not_dropped() {
    for damage in [
        "UPDATE events SET core = (SELECT core FROM events WHERE seq = 51) WHERE seq = 50",
        "UPDATE events SET signature = zeroblob(64) WHERE seq = 50",
        "DELETE FROM events WHERE seq = 50",
    ] {
        let shelf = long();
        let writer = let_drop(&shelf, 10_000, |_| {});
        let db = rusqlite::Connection::open(shelf.path()).expect("opens");
        db.execute(damage, []).expect("executes");
        let before = events_of(&shelf);
        assert_eq!(code(writer.compact(later())), Some(Code::NeedsRepair), "{damage}");
        assert_eq!(events_of(&shelf), before);
        assert_eq!(shelf.read().dropped_to().expect("readable"), None);
    }
}

#[test]
fn what_is_kept_of_a_short_record_cannot_be_changed() {
    let shelf = long();
    let writer = let_drop(&shelf, 10_000, |_| {});
    writer.compact(later()).expect("drops");
    drop(writer);
    for sql in [
        "UPDATE floor SET link = zeroblob(32)",
        "UPDATE floor SET seq = seq - 1",
        "DELETE FROM kept WHERE seq = 2",
        "DELETE FROM events WHERE seq BETWEEN 3 AND 9999",
        "UPDATE kept SET prev = zeroblob(32) WHERE seq > 2",
        "UPDATE floor_meters SET gross = gross - 1",
        "DELETE FROM floor_meters",
        "DELETE FROM floor",
    ] {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = folder.path().join("chain.db");
        fs::copy(shelf.path(), &path).expect("copies");
        let db = rusqlite::Connection::open(&path).expect("opens");
        assert!(db.execute(sql, []).expect("executes") > 0, "{sql}");
        drop(db);
        let verified = Reader::open(&path, root().public()).and_then(|reader| reader.verify());
        assert_eq!(code(verified), Some(Code::NeedsRepair), "{sql}");
    }
}
