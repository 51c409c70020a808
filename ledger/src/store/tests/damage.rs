//! What a person with a database tool may do to a store, and what is said of it then.

use schemas::grant::{Ack, GrantBody};
use schemas::ids::Link;

use super::*;

/// What makes a store, and statements that each make it damaged.
type Case = (fn(&Shelf), &'static [&'static str]);

fn at_wall(wall: &str) -> Reading {
    Reading { wall: at(wall), monotonic: 0 }
}

fn count_miles(writer: &Writer, times: usize) {
    let outcomes = writer.append_all((0..times).map(|_| miles(1, None)).collect(), now());
    assert!(outcomes.iter().all(Result::is_ok));
}

fn render(n: u64) -> Command {
    Command::Consume(Consume {
        feature: "render".into(),
        n: Amount::new(n).expect("in range"),
        used_at: None,
        reference: None,
    })
}

/// A process on another machine than the one that was activated.
fn move_elsewhere(shelf: &Shelf) {
    let process = Process {
        instance: InstanceId([3; 16]),
        boot: InstanceId([4; 16]),
        fingerprint: fixture::fingerprint([9, 9, 9, 9, 5]),
    };
    let writer = Writer::open(&shelf.path(), key(), root().public(), process, |_| {}).expect("opens");
    writer.keep_time(now()).expect("notes");
}

fn set_clock_wrong(shelf: &Shelf) {
    shelf.write().append(Command::Note, at_wall("2030-01-01")).expect("notes");
}

fn learn_of_being_set_back(shelf: &Shelf) {
    let unknown = |body: &mut GrantBody| body.ack = Ack { seq: Seq(2), link: Link([1; 32]) };
    apply(&shelf.write(), grant(2, unknown)).expect("is recorded");
}

#[test]
fn the_state_beside_the_events_cannot_be_set_back() {
    let cases: [Case; 3] = [
        (
            set_clock_wrong,
            &[
                "UPDATE state SET mark = mark - 1",
                "UPDATE state SET noted = NULL",
                "UPDATE state SET noted = 4",
            ],
        ),
        (learn_of_being_set_back, &["UPDATE state SET restored = 0", "UPDATE state SET applied = 2"]),
        (
            move_elsewhere,
            &[
                "UPDATE state SET mismatch_since = NULL",
                "UPDATE state SET fingerprint = NULL",
                "UPDATE state SET fingerprint = NULL, mismatch_since = NULL",
                "UPDATE state SET restored = 1",
            ],
        ),
    ];
    for (prepare, statements) in cases {
        let shelf = Shelf::activated();
        prepare(&shelf);
        shelf.read().verify().expect("all verifies");
        for sql in statements {
            damaged_by(&shelf, sql);
        }
    }
}

#[test]
fn a_counter_that_no_late_event_touched_cannot_be_set_back() {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    writer.append(render(90), now()).expect("counts");
    count_miles(&writer, 300);
    apply(&writer, grant(2, |_| {})).expect("applies");
    drop(writer);
    damaged_by(&shelf, "UPDATE meters SET gross = 0 WHERE feature = 2");
    damaged_by(&shelf, "DELETE FROM meters WHERE feature = 2");
}

#[test]
fn no_event_that_was_not_reported_can_be_taken_away() {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    count_miles(&writer, 8_200);
    apply(&writer, grant(2, |_| {})).expect("acknowledges nothing");
    drop(writer);
    damaged_by(&shelf, "DELETE FROM events WHERE seq = 7");
}

#[test]
fn the_receipt_of_a_closing_may_cure_the_clock() {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    writer.append(Command::Close, at_wall("2030-01-01")).expect("closes");
    let head = writer.device().expect("readable").head();
    apply(&writer, grant(2, |body| body.ack = head.into())).expect("the receipt");
    drop(writer);
    let device = shelf.write().device().expect("readable");
    assert_eq!((device.saved().noted, device.saved().mark), (None, at(ISSUED)));
    shelf.read().verify().expect("all verifies");
    damaged_by(&shelf, "UPDATE state SET mark = mark - 1");
}

#[test]
fn a_grace_cannot_be_made_to_begin_later() {
    let shelf = Shelf::activated();
    move_elsewhere(&shelf);
    shelf.read().verify().expect("all verifies");
    let db = rusqlite::Connection::open(shelf.path()).expect("opens");
    db.execute("UPDATE state SET mismatch_since = mismatch_since + 1", []).expect("executes");
    assert_eq!(code(shelf.read().verify()), Some(Code::NeedsRepair));
}

#[test]
fn a_ref_is_believed_only_where_its_event_carries_it() {
    for sql in [
        "INSERT INTO refs VALUES (3, 'free', 5)",
        "UPDATE refs SET reference = 'free'",
        "INSERT INTO refs VALUES (3, 'free', 4)",
    ] {
        let shelf = Shelf::activated();
        seq_of(shelf.write().append(miles(5, Some("paid")), now()));
        rusqlite::Connection::open(shelf.path()).and_then(|db| db.execute_batch(sql)).expect("executes");
        assert_eq!(code(shelf.read().verify()), Some(Code::NeedsRepair), "{sql}");
        let free = shelf.write().append(miles(5, Some("free")), now());
        assert_eq!(free.err().map(|error| error.code()), Some(Code::NeedsRepair), "{sql}");
    }
    let shelf = Shelf::activated();
    seq_of(shelf.write().append(miles(5, Some("paid")), now()));
    rusqlite::Connection::open(shelf.path())
        .and_then(|db| db.execute_batch("DELETE FROM refs"))
        .expect("executes");
    assert_eq!(code(shelf.read().verify()), Some(Code::NeedsRepair));
}

#[test]
fn cells_and_tables_of_another_kind_are_damage() {
    for sql in [
        "UPDATE state SET mark = -1",
        "UPDATE state SET head_link = x'00'",
        "UPDATE chain SET signer = x'00'",
        "UPDATE events SET signature = x'00' WHERE seq = 3",
        "UPDATE meters SET period = -1",
        "UPDATE meters SET gross = -1",
        "UPDATE meters SET feature = 65536",
        "DROP TABLE meters; CREATE TABLE meters (feature, period, gross, refunded, returned);
            INSERT INTO meters VALUES ('x', 0, 0, 0, 0)",
        "DROP TABLE meters",
        "ALTER TABLE state DROP COLUMN applied",
    ] {
        let shelf = Shelf::activated();
        seq_of(shelf.write().append(miles(5, None), now()));
        rusqlite::Connection::open(shelf.path()).and_then(|db| db.execute_batch(sql)).expect("executes");
        assert_eq!(code(shelf.try_write()), Some(Code::NeedsRepair), "{sql}");
    }
}

#[cfg(unix)]
#[test]
fn the_store_and_what_lies_beside_it_are_their_owners() {
    use std::os::unix::fs::PermissionsExt as _;
    let shelf = Shelf::activated();
    let writer = shelf.write();
    seq_of(writer.append(miles(5, None), now()));
    for name in ["chain.db", "chain.db-wal", "chain.db-shm"] {
        let metadata = fs::metadata(shelf.folder.path().join(name)).expect("it is there");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
}
