//! Tests of the `store` module.

mod compaction;
mod damage;
mod length;
mod parts;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use schemas::event::device::{Claim, LicenseKeyClaim};
use schemas::grant::ReturnRequest;
use schemas::ids::{InstanceId, KeyProof, PublicKey};
use schemas::numbers::{Amount, Micros, Seconds, Seq, Total};
use schemas::text::UsageRef;
use tempfile::TempDir;

use super::*;
use crate::check::{Life, Snapshot};
use crate::clock::Reading;
use crate::commitment;
use crate::device::{AppliedGrant, Command, Consume, Done, Opening, Return};
use crate::fixture::{self, ISSUED, at, key, origin, text};
use crate::keys::SecretKey;
use crate::run;
use crate::trust;

/// A store in a directory of its own, activated with quota for a year.
struct Shelf {
    folder: TempDir,
    published: Arc<Mutex<Option<Snapshot>>>,
}

impl Shelf {
    fn new() -> Self {
        let shelf =
            Self { folder: tempfile::tempdir().expect("a temporary directory"), published: Arc::default() };
        let proof = LicenseKeyClaim { proof: KeyProof([0; 32]) };
        let host = commitment::attach(b"host").expect("randomness");
        let opened = schemas::event::device::ChainOpened { host: Some(host.commitment), ..fixture::opened() };
        let opening = Opening { origin: origin(), opened, host: Some(host), claim: Claim::LicenseKey(proof) };
        create(&shelf.path(), &opening, &key(), at(ISSUED)).expect("creates");
        shelf
    }

    fn activated() -> Self {
        let shelf = Self::new();
        let writer = shelf.write();
        apply(&writer, grant(1, |_| {})).expect("applies");
        shelf
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("chain.db")
    }

    fn write(&self) -> Writer {
        self.try_write().expect("opens")
    }

    fn try_write(&self) -> Result<Writer, StoreError> {
        let process = Process {
            instance: InstanceId([1; 16]),
            boot: InstanceId([2; 16]),
            fingerprint: fixture::opened().fingerprint,
        };
        let published = Arc::clone(&self.published);
        Writer::open(&self.path(), key(), root().public(), process, move |snapshot| {
            *published.lock().expect("no test panics while it publishes") = Some(snapshot);
        })
    }

    fn read(&self) -> Reader {
        Reader::open(&self.path(), root().public()).expect("opens")
    }
}

fn root() -> SecretKey {
    SecretKey::from_seed(&[20; 32])
}

/// A grant that is really signed, at place `seq` of the authority chain.
fn grant(seq: u64, change: impl FnOnce(&mut schemas::grant::GrantBody)) -> AppliedGrant {
    grant_at(seq, ISSUED, change)
}

/// The same, issued at another time.
fn grant_at(seq: u64, time: &str, change: impl FnOnce(&mut schemas::grant::GrantBody)) -> AppliedGrant {
    let issuer = SecretKey::from_seed(&[21; 32]);
    let certificate = schemas::certificate::CertificateBody {
        root: root().public(),
        issuer: issuer.public(),
        environment: text("test"),
        products: Vec::new(),
        not_before: at("2020-01-01"),
        not_after: at("2040-01-01"),
    };
    let mut body = fixture::grant_body();
    change(&mut body);
    let chain = crate::chain::authority_chain(&body.product, &body.environment, &body.license, body.epoch);
    let fact = schemas::event::Body::GrantIssued(Box::new(body));
    let core = schemas::event::Event { at: at(time), body: fact }.encode();
    let before = crate::chain::Head { seq: Seq(seq - 1), link: schemas::ids::Link([5; 32]) };
    let appended = before.append(&chain, &core, &issuer);
    let certificate = trust::sign_certificate(&certificate, &root());
    let grant = trust::detach(chain, (Seq(seq), before.link), core, appended.signature, certificate);
    let verified = trust::verify_grant(&grant, &root().public()).expect("it was just signed");
    AppliedGrant { grant, verified }
}

fn now() -> Reading {
    Reading { wall: at(ISSUED), monotonic: 0 }
}

fn apply(writer: &Writer, grant: AppliedGrant) -> Result<Done, AppendError> {
    writer.append(Command::Apply(Box::new(grant)), now())
}

fn miles(n: u64, reference: Option<&str>) -> Command {
    let reference = reference.map(|text| UsageRef::new(text).expect("short"));
    Command::Consume(Consume {
        feature: "miles".into(),
        n: Amount::new(n).expect("in range"),
        used_at: None,
        reference,
    })
}

fn seq_of(outcome: Result<Done, AppendError>) -> Seq {
    match outcome {
        Ok(Done::Consumed(consumed)) => consumed.seq,
        other => panic!("a consumption was expected, not {other:?}"),
    }
}

fn code<T>(outcome: Result<T, StoreError>) -> Option<Code> {
    outcome.err().map(|error| error.code())
}

#[test]
fn what_was_answered_is_there_when_the_store_is_opened_again() {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    let seq = seq_of(writer.append(miles(5, None), now()));
    let state = writer.device().expect("readable");
    drop(writer);
    let again = shelf.write().device().expect("readable");
    assert_eq!(again.head().seq, seq);
    assert_eq!(again.saved(), state.saved());
    assert_eq!(again.meters(), state.meters());
    assert_eq!(again.left(), state.left());
    shelf.read().verify().expect("all verifies");
}

#[test]
fn a_copy_of_the_files_taken_while_the_writer_is_open_holds_all_that_was_answered() {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    let copy = tempfile::tempdir().expect("a temporary directory");
    for n in 1..=20 {
        let seq = seq_of(writer.append(miles(n, None), now()));
        for name in ["chain.db", "chain.db-wal"] {
            fs::copy(shelf.folder.path().join(name), copy.path().join(name)).expect("readable");
        }
        let reader = Reader::open(&copy.path().join("chain.db"), root().public()).expect("opens");
        assert_eq!(reader.device().expect("whole").head().seq, seq);
    }
}

/// A store as a process leaves it that dies now.
fn left_by_a_process_that_dies(alive: &Shelf) -> Shelf {
    let died = Shelf::new();
    for name in ["chain.db", "chain.db-wal"] {
        fs::copy(alive.folder.path().join(name), died.folder.path().join(name)).expect("copies");
    }
    // What the log holds is moved into the file, so that a copy of the file is whole.
    rusqlite::Connection::open(died.path())
        .and_then(|db| db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
        .expect("nobody else reads");
    died
}

/// The place that the kept state stands at.
fn kept_at(shelf: &Shelf) -> Seq {
    let db = rusqlite::Connection::open(shelf.path()).expect("opens");
    let seq: i64 = db.query_row("SELECT head_seq FROM state", [], |row| row.get(0)).expect("one row");
    Seq(seq.unsigned_abs())
}

/// The state in memory is the one that the next process finds.
fn is_found_again(writer: &Writer, died: &Shelf) {
    let state = writer.device().expect("readable");
    died.read().verify().expect("all verifies");
    let again = died.write().device().expect("readable");
    assert_eq!((again.saved(), again.meters()), (state.saved(), state.meters()));
    assert_eq!((again.is_closed(), again.left()), (state.is_closed(), state.left()));
    assert_eq!(kept_at(died), state.head().seq, "a store that was closed stands at its last event");
}

fn after(seconds: u64) -> Reading {
    let span = Seconds(seconds);
    Reading { wall: at(ISSUED) + span, monotonic: span.micros() }
}

#[test]
fn the_state_may_trail_its_events_and_is_folded_from_them() {
    let alive = Shelf::activated();
    let writer = alive.write();
    for n in 0..2_000 {
        writer.append(miles(n % 7 + 1, None), after(n)).expect("counts");
    }
    let died = left_by_a_process_that_dies(&alive);
    assert!((Seq(1_000)..Seq(2_000)).contains(&kept_at(&died)));
    damaged_by(&died, "UPDATE events SET signature = zeroblob(64) WHERE seq = 1998");
    damaged_by(&died, "DELETE FROM events WHERE seq = 1998");
    is_found_again(&writer, &died);
}

#[test]
fn what_events_do_not_tell_does_not_trail() {
    let receipt = || Command::Apply(Box::new(grant_at(2, "2026-12-01", |_| {})));
    let groups: [fn(&Writer); 2] = [
        |writer| drop(writer.append_all(vec![miles(1, None), Command::Note], after(72_000))),
        |writer| writer.keep_time(after(72_000)).expect("kept"),
    ];
    for act in groups {
        let alive = Shelf::activated();
        let writer = alive.write();
        writer.append(miles(1, None), after(2)).expect("counts");
        act(&writer);
        is_found_again(&writer, &left_by_a_process_that_dies(&alive));
    }
    let alive = Shelf::activated();
    let writer = alive.write();
    let outcomes = writer.append_all(vec![Command::Close, receipt()], now());
    assert!(outcomes.iter().all(Result::is_ok));
    is_found_again(&writer, &left_by_a_process_that_dies(&alive));
}

#[test]
fn the_clock_that_one_receipt_cured_stays_cured_under_a_later_one() {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    writer.append(Command::Close, Reading { wall: at("2030-01-01"), monotonic: 0 }).expect("closes");
    let head = writer.device().expect("readable").head();
    apply(&writer, grant(2, |body| body.ack = head.into())).expect("the receipt");
    apply(&writer, grant(3, |_| {})).expect("a later one that knows less");
    drop(writer);
    shelf.read().verify().expect("all verifies");
}

#[test]
fn a_store_of_the_first_version_gets_the_new_number_when_it_is_found_sound() {
    let number = |shelf: &Shelf| -> u32 {
        let db = rusqlite::Connection::open(shelf.path()).expect("opens");
        db.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a number")
    };
    for (damage, expected) in [("SELECT 1", 4), ("DELETE FROM state", 1)] {
        let shelf = Shelf::activated();
        let first = "DELETE FROM refinery_schema_history WHERE version > 1; PRAGMA user_version = 1;
            DROP TABLE refusals; DROP TABLE floor; DROP TABLE kept; DROP TABLE floor_meters;";
        rusqlite::Connection::open(shelf.path())
            .and_then(|db| db.execute_batch(&format!("{first} {damage}")))
            .expect("executes");
        assert_eq!(shelf.try_write().is_ok(), expected == 4, "{damage}");
        assert_eq!(number(&shelf), expected, "{damage}");
    }
}

#[test]
fn units_given_back_trail_like_units_used() {
    let back = |n| {
        let n = Amount::new(n).expect("in range");
        Command::Return(Return { feature: "render".into(), n, period: None })
    };
    let alive = Shelf::activated();
    let writer = alive.write();
    for (seconds, command) in (1..).zip([miles(1, None), back(3), miles(2, None), back(4)]) {
        writer.append(command, after(seconds)).expect("is carried out");
    }
    let state = writer.device().expect("readable");
    assert!(state.meters().values().any(|meter| meter.returned.get() == 7));
    let died = left_by_a_process_that_dies(&alive);
    assert!(kept_at(&died) < state.head().seq, "the state trails");
    is_found_again(&writer, &died);
}

#[test]
fn a_grant_that_asks_quota_back_and_what_is_given_are_kept_together() {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    let asking = |grant: &mut schemas::grant::GrantBody| {
        let line = grant.quotas[0];
        let n = Total::new(60).expect("small");
        grant.return_requests = vec![ReturnRequest { feature: line.feature, period: line.first, n }];
    };
    apply(&writer, grant(2, asking)).expect("applies");
    let state = writer.device().expect("readable");
    assert_eq!(state.left(), [40, 100]);
    drop(writer);
    let again = shelf.write().device().expect("readable");
    assert_eq!((again.saved(), again.left()), (state.saved(), state.left()));
    shelf.read().verify().expect("all verifies");
    damaged_by(&shelf, "UPDATE meters SET returned = 0 WHERE returned > 0");
}

#[test]
fn many_threads_append_and_each_acknowledged_event_is_there_once() {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    let mut places: Vec<Seq> = thread::scope(|scope| {
        let threads: Vec<_> = (0..64)
            .map(|_| scope.spawn(|| (0..20).map(|_| seq_of(writer.append(miles(1, None), now()))).collect()))
            .collect();
        threads.into_iter().flat_map(|thread| -> Vec<Seq> { thread.join().expect("no panic") }).collect()
    });
    places.sort();
    let first = places[0].0;
    assert_eq!(places, (first..first + 64 * 20).map(Seq).collect::<Vec<_>>());
    let device = writer.device().expect("readable");
    assert_eq!(device.head().seq, *places.last().expect("many"));
    assert_eq!(device.meters().values().map(|meter| meter.gross.get()).sum::<u64>(), 64 * 20);
    shelf.read().verify().expect("all verifies");
}

#[test]
fn a_ref_counts_once_also_within_one_commit_and_after_reopening() {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    let outcomes =
        writer.append_all(vec![miles(5, Some("a")), miles(5, Some("a")), miles(7, Some("b"))], now());
    let places: Vec<Seq> = outcomes.into_iter().map(seq_of).collect();
    assert_eq!((places[0], places[2]), (places[1], places[0].next()));
    drop(writer);
    let writer = shelf.write();
    assert_eq!(seq_of(writer.append(miles(5, Some("a")), now())), places[0]);
    let device = writer.device().expect("readable");
    assert_eq!(device.meters().values().map(|meter| meter.gross.get()).sum::<u64>(), 12);
}

#[test]
fn commands_after_a_refused_one_are_not_carried_out() {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    let render = Command::Consume(Consume {
        feature: "render".into(),
        n: Amount::new(101).expect("in range"),
        used_at: None,
        reference: None,
    });
    let outcomes = writer.append_all(vec![miles(1, None), render, miles(1, None)], now());
    let codes: Vec<_> =
        outcomes.iter().map(|outcome| outcome.as_ref().err().map(AppendError::code)).collect();
    assert_eq!(codes, [None, Some(Code::QuotaExhausted)]);
    assert_eq!(writer.device().expect("readable").saved(), shelf.read().device().expect("readable").saved());
}

#[test]
fn a_commit_that_fails_leaves_the_state_as_it_was() {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    let before = writer.device().expect("readable").saved();
    let other = rusqlite::Connection::open(shelf.path()).expect("opens");
    other
        .execute_batch("CREATE TRIGGER fail BEFORE INSERT ON events BEGIN SELECT raise(ABORT, 'no'); END")
        .expect("executes");
    let failed = writer.append(miles(1, None), now());
    assert_eq!(failed.err().map(|error| error.code()), Some(Code::StoreFailed));
    assert_eq!(writer.device().expect("readable").saved(), before);
    other.execute_batch("DROP TRIGGER fail").expect("executes");
    let seq = seq_of(writer.append(miles(1, None), now()));
    assert_eq!(seq, Seq(before.head.seq.0 + 2), "the start of the process is recorded again");
    shelf.read().verify().expect("all verifies");
}

fn wait_for_more(count: &AtomicU64) {
    let before = count.load(Ordering::SeqCst);
    while count.load(Ordering::SeqCst) < before + 20 {
        thread::yield_now();
    }
}

/// Executes a statement beside writers that leave the database free for moments only.
fn squeeze_in(db: &rusqlite::Connection, sql: &str) {
    while let Err(error) = db.execute_batch(sql) {
        assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy), "{sql}");
    }
}

#[test]
fn commits_that_fail_among_many_threads_lose_and_invent_nothing() {
    let shelf = Shelf::activated();
    let other = rusqlite::Connection::open(shelf.path()).expect("opens");
    other.busy_timeout(std::time::Duration::ZERO).expect("settable");
    other
        .execute_batch(
            "CREATE TABLE fail (now INTEGER);
            CREATE TRIGGER fail BEFORE INSERT ON events WHEN EXISTS (SELECT 1 FROM fail)
                BEGIN SELECT raise(ABORT, 'no'); END",
        )
        .expect("executes");
    let writer = shelf.write();
    let (kept, failed, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    let count = if writer.append(miles(1, None), now()).is_ok() { &kept } else { &failed };
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for _ in 0..3 {
            wait_for_more(&kept);
            squeeze_in(&other, "INSERT INTO fail VALUES (1)");
            wait_for_more(&failed);
            squeeze_in(&other, "DELETE FROM fail");
        }
        done.store(true, Ordering::SeqCst);
    });
    let kept = kept.into_inner();
    seq_of(writer.append(miles(1, None), now()));
    let device = writer.device().expect("readable");
    assert_eq!(device.meters().values().map(|meter| meter.gross.get()).sum::<u64>(), kept + 1);
    assert_eq!(shelf.read().device().expect("readable").saved(), device.saved());
    shelf.read().verify().expect("all verifies");
}

#[test]
fn a_reader_sees_one_state_and_writes_nothing() {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    let reader = shelf.read();
    let before = reader.device().expect("readable").head();
    seq_of(writer.append(miles(1, None), now()));
    assert_eq!(reader.device().expect("readable").head(), before);
    assert_ne!(shelf.read().device().expect("readable").head(), before);
}

#[test]
fn a_report_holds_what_is_not_acknowledged_in_runs_that_verify() {
    let shelf = Shelf::new();
    let request = shelf.read().report().expect("reports");
    assert_eq!(request.attachments.len(), 1);
    let writer = shelf.write();
    apply(&writer, grant(1, |_| {})).expect("applies");
    let many = (0..5_000).map(|_| miles(1, None)).collect();
    writer.append_all(many, now());
    let report = shelf.read().report().expect("reports");
    let runs: Vec<_> =
        report.runs.iter().map(|bytes| run::verify_device(bytes).expect("a good run")).collect();
    let spans: Vec<_> = runs.iter().map(|run| (run.span().first.0, run.span().last.0)).collect();
    assert_eq!(spans, [(1, 4_096), (4_097, 5_004)]);
    assert_eq!(runs[1].header().prev, runs[0].head().link);
    assert!(report.last_grant.is_some());

    let ack = schemas::grant::Ack { seq: Seq(4_000), link: runs[0].link_at(Seq(4_000)).expect("in the run") };
    apply(&writer, grant(2, |body| body.ack = ack)).expect("applies");
    let rest = shelf.read().report().expect("reports");
    let rest = run::verify_device(&rest.runs[0]).expect("a good run");
    assert_eq!((rest.span().first, rest.header().prev), (Seq(4_001), ack.link));

    let head = writer.device().expect("readable").head();
    apply(&writer, grant(3, |body| body.ack = head.into())).expect("applies");
    let head = writer.device().expect("readable").head();
    let again = grant(4, |body| {
        body.ack = head.into();
        body.resend_from = Some(Seq(2));
    });
    apply(&writer, again).expect("applies");
    let resent = shelf.read().report().expect("reports");
    assert_eq!(run::verify_device(&resent.runs[0]).expect("a good run").span().first, Seq(2));
}

fn contents(folder: &std::path::Path) -> std::collections::BTreeMap<std::ffi::OsString, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("readable");
    let entries = entries.map(|entry| entry.expect("readable"));
    entries.map(|entry| (entry.file_name(), fs::read(entry.path()).expect("readable"))).collect()
}

#[test]
fn reading_leaves_the_directory_as_it_was() {
    let shelf = Shelf::activated();
    let clean = contents(shelf.folder.path());
    let left_by_the_dead = tempfile::tempdir().expect("a temporary directory");
    let writer = shelf.write();
    seq_of(writer.append(miles(1, None), now()));
    for (name, bytes) in contents(shelf.folder.path()) {
        fs::write(left_by_the_dead.path().join(name), bytes).expect("writable");
    }
    drop(writer);
    let settled = contents(shelf.folder.path());
    assert_eq!(settled.keys().collect::<Vec<_>>(), clean.keys().collect::<Vec<_>>());
    for folder in [shelf.folder.path(), left_by_the_dead.path()] {
        let mut before = contents(folder);
        let reader = Reader::open(&folder.join("chain.db"), root().public()).expect("opens");
        reader.report().expect("reports");
        reader.verify().expect("verifies");
        drop(reader);
        let mut after = contents(folder);
        // The index of the log is no data: it is made anew by whoever opens it.
        before.remove("chain.db-shm".as_ref() as &std::ffi::OsStr);
        after.remove("chain.db-shm".as_ref() as &std::ffi::OsStr);
        assert!(before == after);
    }
}

#[test]
fn a_store_that_cannot_change_opens_under_any_name() {
    let shelf = Shelf::activated();
    let folder = shelf.folder.path().join("a?b#c%d e");
    fs::create_dir(&folder).expect("writable");
    fs::copy(shelf.path(), folder.join("chain.db")).expect("copied");
    let db = database::open_unchanging(&folder.join("chain.db")).expect("opens");
    assert!(db.execute("DELETE FROM events", []).is_err());
    assert_eq!(contents(&folder).len(), 1);
}

#[test]
fn a_report_of_nothing_new_is_the_last_event_again() {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    writer.append(Command::Close, now()).expect("closes");
    let head = writer.device().expect("readable").head();
    apply(&writer, grant(2, |body| body.ack = head.into())).expect("the receipt");
    let report = shelf.read().report().expect("reports");
    let run = run::verify_device(&report.runs[0]).expect("a good run");
    assert_eq!((run.span().first, run.head()), (head.seq, head));
}

#[test]
fn an_acknowledgement_of_another_history_is_not_believed() {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    let ack = schemas::grant::Ack { seq: Seq(2), link: schemas::ids::Link([1; 32]) };
    let done = apply(&writer, grant(2, |body| body.ack = ack)).expect("is recorded");
    assert!(matches!(done, Done::NotApplied(error) if error.code() == Code::AckUnknown));
    assert_eq!(writer.device().expect("readable").grant().map(|grant| grant.verified.seq), Some(Seq(1)));
}

#[test]
fn damage_is_named_and_changes_nothing() {
    let damages: [(&str, &str); 6] = [
        ("the last event is gone", "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)"),
        ("the last event is another", "UPDATE events SET core = x'930007' WHERE seq = 4"),
        ("the state was set back", "UPDATE state SET head_seq = 3"),
        ("the state is gone", "DELETE FROM state"),
        (
            "the grant is another",
            "UPDATE grants SET content = CAST(substr(content, 1, length(content) - 1) || x'00' AS BLOB)",
        ),
        ("a table is gone", "PRAGMA user_version = 0"),
    ];
    for (name, sql) in damages {
        let shelf = Shelf::activated();
        rusqlite::Connection::open(shelf.path()).and_then(|db| db.execute_batch(sql)).expect("executes");
        let before = fs::read(shelf.path()).expect("readable");
        assert_eq!(code(shelf.try_write()), Some(Code::NeedsRepair), "{name}");
        assert!(fs::read(shelf.path()).expect("readable") == before, "{name}");
    }
}

#[test]
fn a_cut_file_is_damage() {
    let shelf = Shelf::activated();
    let bytes = fs::read(shelf.path()).expect("readable");
    for len in [0, 1, 100, 4_096, bytes.len() / 2, bytes.len() - 4_096] {
        fs::write(shelf.path(), &bytes[..len]).expect("writable");
        assert_eq!(code(shelf.try_write()), Some(Code::NeedsRepair), "cut to {len}");
    }
}

#[test]
fn what_lies_deeper_is_found_by_verification() {
    let damages = [
        "UPDATE events SET core = x'930007' WHERE seq = 2",
        "UPDATE events SET signature = zeroblob(64) WHERE seq = 2",
        "UPDATE meters SET gross = gross - 1",
        "INSERT INTO meters VALUES (9, 0, 1, 0, 0)",
        "UPDATE attachments SET value = x'00'",
    ];
    for sql in damages {
        let shelf = Shelf::activated();
        seq_of(shelf.write().append(miles(5, None), now()));
        rusqlite::Connection::open(shelf.path()).and_then(|db| db.execute_batch(sql)).expect("executes");
        assert_eq!(code(shelf.read().verify()), Some(Code::NeedsRepair), "{sql}");
    }
}

#[test]
fn a_counter_that_was_set_back_is_damage_at_once() {
    for sql in ["UPDATE meters SET gross = 0", "DELETE FROM meters"] {
        let shelf = Shelf::activated();
        seq_of(shelf.write().append(miles(5, None), now()));
        seq_of(shelf.write().append(miles(5, None), now()));
        rusqlite::Connection::open(shelf.path()).and_then(|db| db.execute_batch(sql)).expect("executes");
        assert_eq!(code(shelf.try_write()), Some(Code::NeedsRepair), "{sql}");
    }
}

#[test]
fn a_newer_store_is_not_touched_and_another_key_does_not_sign() {
    let shelf = Shelf::activated();
    let process =
        Process { instance: InstanceId([1; 16]), boot: InstanceId([2; 16]), fingerprint: Vec::new() };
    let other = SecretKey::from_seed(&[1; 32]);
    let opened = Writer::open(&shelf.path(), other, root().public(), process, |_| {});
    assert_eq!(code(opened), Some(Code::NeedsRepair));
    rusqlite::Connection::open(shelf.path())
        .and_then(|db| db.execute_batch("PRAGMA user_version = 99"))
        .expect("executes");
    assert_eq!(code(shelf.try_write()), Some(Code::UnsupportedVersion));
}

#[test]
fn grants_of_another_root_are_damage() {
    let shelf = Shelf::activated();
    let reader = Reader::open(&shelf.path(), PublicKey([7; 32])).expect("opens");
    assert_eq!(code(reader.device()), Some(Code::NeedsRepair));
}

#[test]
fn only_grants_that_are_needed_are_kept() {
    let shelf = Shelf::new();
    let writer = shelf.write();
    let revoked =
        schemas::grant::Revocations { version: 3, certificates: vec![schemas::ids::CertificateId([9; 32])] };
    apply(&writer, grant(1, |_| {})).expect("applies");
    apply(&writer, grant(2, |body| body.revocations = revoked.clone())).expect("applies");
    for seq in 3..6 {
        apply(&writer, grant(seq, |_| {})).expect("applies");
    }
    drop(writer);
    let kept = rusqlite::Connection::open(shelf.path()).and_then(|db| {
        db.query_row("SELECT group_concat(seq) FROM grants", [], |row| row.get::<_, String>(0))
    });
    assert_eq!(kept.as_deref(), Ok("2,5"));
    assert_eq!(shelf.write().device().expect("readable").revocations(), &revoked);
}

#[test]
fn checks_see_what_was_answered_before_it_is_answered() {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    let left = || {
        let snapshot = shelf.published.lock().expect("no test panics while it publishes").clone();
        snapshot.expect("published when opened").check_at(Some("render"), None, at(ISSUED)).remaining
    };
    assert_eq!(left(), Some(100));
    let render = Consume {
        feature: "render".into(),
        n: Amount::new(30).expect("in range"),
        used_at: None,
        reference: None,
    };
    seq_of(writer.append(Command::Consume(render), now()));
    assert_eq!(left(), Some(70));
    writer.append(Command::Close, now()).expect("closes");
    let published = shelf.published.lock().expect("no test panics while it publishes").clone();
    assert_eq!(published.map(|snapshot| snapshot.basis.life), Some(Life::Closed));
}

#[test]
fn the_mark_is_kept_when_it_is_due_and_not_more_often() {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    let mark = || shelf.read().device().expect("readable").saved().mark;
    writer.catch_up(after(200)).expect("nothing is due");
    assert_eq!(mark(), at(ISSUED));
    writer.catch_up(after(300)).expect("kept");
    assert_eq!(mark(), at(ISSUED) + Seconds(300));
    let head = writer.device().expect("readable").head();
    writer.keep_time(after(301)).expect("kept");
    assert_eq!(mark(), at(ISSUED) + Seconds(301));
    assert_eq!(writer.device().expect("readable").head(), head);
}

/// A reading by a clock that stands where it stood when the licence was issued.
fn held_clock(seconds: u64) -> Reading {
    Reading { wall: at(ISSUED), monotonic: Seconds(seconds).micros() }
}

/// The time by what checks were told last.
fn checked_at(shelf: &Shelf, reading: Reading) -> Micros {
    let snapshot = shelf.published.lock().expect("no test panics while it publishes").clone();
    snapshot.expect("published when opened").mark.time(reading)
}

#[test]
fn time_passes_for_whoever_has_the_store_open_or_comes_back_to_it() {
    let shelf = Shelf::activated();
    let kept = || shelf.read().device().expect("readable").saved().mark;
    let writer = shelf.write();
    writer.go_on(None, held_clock(100));
    assert_eq!(checked_at(&shelf, held_clock(160)), at(ISSUED) + Seconds(60), "checks know of it");
    assert_eq!(kept(), at(ISSUED), "and nothing is written for it");
    writer.keep_time(held_clock(400)).expect("kept");
    assert_eq!(kept(), at(ISSUED) + Seconds(300));
    let seen = writer.device().expect("readable").seen();
    drop(writer);
    // Another process was here, whose clock came no further.
    let writer = shelf.write();
    writer.append(miles(1, None), held_clock(0)).expect("counts");
    drop(writer);
    let writer = shelf.write();
    writer.go_on(Some(&seen), held_clock(700));
    writer.catch_up(held_clock(700)).expect("kept");
    assert_eq!(kept(), at(ISSUED) + Seconds(600));
}

#[test]
fn time_goes_on_when_a_commit_fails() {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    writer.go_on(None, held_clock(0));
    let other = rusqlite::Connection::open(shelf.path()).expect("opens");
    other
        .execute_batch("CREATE TRIGGER no BEFORE UPDATE ON state BEGIN SELECT raise(ABORT, 'full'); END")
        .expect("executes");
    assert!(writer.keep_time(held_clock(300)).is_err());
    other.execute_batch("DROP TRIGGER no").expect("executes");
    writer.keep_time(held_clock(600)).expect("kept");
    assert_eq!(shelf.read().device().expect("readable").saved().mark, at(ISSUED) + Seconds(600));
}

#[test]
fn one_holds_the_lock_and_the_next_is_told_so() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("lock");
    let held = ProcessLock::take_within(&path, 1).expect("free");
    assert_eq!(code(ProcessLock::take_within(&path, 2)), Some(Code::Busy));
    drop(held);
    ProcessLock::take_within(&path, 1).expect("free again");
}

/// What a person with a database tool may do to a store, and what is said of it then.
fn damaged_by(shelf: &Shelf, sql: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("chain.db");
    fs::copy(shelf.path(), &path).expect("copied");
    let db = rusqlite::Connection::open(&path).expect("opens");
    let changed = db.execute(sql, []).expect("the statement fits the tables");
    assert!(changed > 0, "{sql}");
    drop(db);
    let opened = Reader::open(&path, root().public()).and_then(|reader| reader.device());
    assert!(matches!(opened, Err(StoreError::Damaged(_))), "{sql}: {:?}", opened.map(|device| device.head()));
}

#[test]
fn what_is_kept_beside_the_events_is_held_against_them() {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    for _ in 0..3 {
        writer.append(miles(2, None), now()).expect("counts");
    }
    drop(writer);
    for sql in [
        "UPDATE meters SET gross = 0",
        "DELETE FROM meters",
        "DELETE FROM grants",
        "UPDATE state SET applied = NULL",
        "UPDATE state SET mark = 1000000",
        "DELETE FROM events WHERE seq = (SELECT max(seq) - 1 FROM events)",
        "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)",
    ] {
        damaged_by(&shelf, sql);
    }
}

#[test]
fn an_older_grant_that_is_put_back_undoes_no_suspension() {
    let shelf = Shelf::activated();
    let older = shelf.folder.path().join("older.db");
    fs::copy(shelf.path(), &older).expect("copied");
    let writer = shelf.write();
    apply(&writer, grant(2, |body| body.status = schemas::grant::GrantStatus::Suspended)).expect("applies");
    drop(writer);
    let db = rusqlite::Connection::open(shelf.path()).expect("opens");
    db.execute("ATTACH ?1 AS older", [older.to_str().expect("UTF-8")]).expect("attached");
    db.execute("DELETE FROM main.grants", []).expect("deleted");
    db.execute("INSERT INTO main.grants SELECT * FROM older.grants", []).expect("put back");
    drop(db);
    let opened = Reader::open(&shelf.path(), root().public()).and_then(|reader| reader.device());
    assert!(matches!(opened, Err(StoreError::Damaged(_))));
}
