//! What opening a store costs, whatever the length of its chain.

use std::sync::atomic::AtomicU64;

use schemas::grant::Ack;
use schemas::ids::Link;

use super::*;

/// As many events as any bound of what opening reads, and more.
const LONG: usize = 30_000;

fn count_miles(writer: &Writer, times: usize) {
    for first in (0..times).step_by(5_000) {
        let group = times.min(first + 5_000) - first;
        let outcomes = writer.append_all((0..group).map(|_| miles(1, None)).collect(), now());
        assert!(outcomes.iter().all(Result::is_ok));
    }
}

fn refuse(writer: &Writer) {
    let unknown = |body: &mut schemas::grant::GrantBody| body.ack = Ack { seq: Seq(2), link: Link([1; 32]) };
    apply(writer, grant(2, unknown)).expect("is recorded");
}

/// The steps of `SQLite`'s machine that it takes to open the store, and the state that is found.
fn cost(shelf: &Shelf) -> (u64, crate::device::Device) {
    let mut db = database::open_to_read(&shelf.path()).expect("opens");
    let steps = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&steps);
    let count = move || {
        counter.fetch_add(1, Ordering::Relaxed);
        false
    };
    db.progress_handler(1, Some(count)).expect("no statement runs");
    let (device, _) = load::device(&db, &root().public()).expect("is sound");
    (steps.load(Ordering::Relaxed), device)
}

/// The only grant came at the beginning, and nothing was ever acknowledged: all events since would have been read.
#[test]
fn opening_a_store_takes_no_more_steps_as_its_chain_grows() {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    refuse(&writer);
    count_miles(&writer, LONG);
    drop(writer);
    let (short, before) = cost(&shelf);
    count_miles(&shelf.write(), LONG);
    let (long, after) = cost(&shelf);
    assert!(after.head().seq.0 >= before.head().seq.0 + LONG as u64);
    assert!(long <= short + short / 100, "{long} steps after {short}");
    assert!(after.basis().set_back, "what was refused long ago is still known");
    assert_eq!(after.saved().applied, before.saved().applied);
    let reader = shelf.read();
    assert_eq!(reader.device().expect("sound").saved(), after.saved());
}

#[test]
fn what_was_refused_before_the_newest_events_cannot_be_taken_away() {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    refuse(&writer);
    count_miles(&writer, 8_200);
    drop(writer);
    shelf.read().verify().expect("all verifies");
    damaged_by(&shelf, "DELETE FROM refusals");
    damaged_by(&shelf, "UPDATE refusals SET seq = 4");
    damaged_by(&shelf, "UPDATE state SET restored = 0");
}

#[test]
fn a_store_that_did_not_note_what_was_refused_is_found_the_same_and_notes_it() {
    let shelf = Shelf::activated();
    refuse(&shelf.write());
    let noted = |shelf: &Shelf| {
        let db = rusqlite::Connection::open(shelf.path()).expect("opens");
        rows::load_refusals(&db).expect("reads")
    };
    let before = noted(&shelf);
    assert_eq!(before.len(), 1);
    let second = "DELETE FROM refinery_schema_history WHERE version > 2; PRAGMA user_version = 2;
        DROP TABLE refusals; DROP TABLE floor; DROP TABLE kept; DROP TABLE floor_meters;";
    rusqlite::Connection::open(shelf.path()).and_then(|db| db.execute_batch(second)).expect("executes");
    assert!(shelf.read().device().expect("is read as it is").basis().set_back);
    assert!(shelf.write().device().expect("is sound").basis().set_back);
    assert_eq!(noted(&shelf), before);
    shelf.read().verify().expect("all verifies");
}

#[test]
fn an_event_that_was_not_reported_is_missed_when_it_is_reported_at_the_latest() {
    let shelf = Shelf::activated();
    count_miles(&shelf.write(), LONG);
    let db = rusqlite::Connection::open(shelf.path()).expect("opens");
    db.execute("DELETE FROM events WHERE seq = 20000", []).expect("executes");
    drop(db);
    assert_eq!(code(shelf.read().report()), Some(Code::NeedsRepair));
    assert_eq!(code(shelf.read().verify()), Some(Code::NeedsRepair));
}
