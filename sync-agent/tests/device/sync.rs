//! The library: reporting over a connection that is cut wherever it can be.

use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use counterfoil_sync_agent::transport::ExchangeError;
use counterfoil_sync_agent::{Agent, AgentReader, Code, Consume, State, SyncError, Synced, Transport, sync};
use schemas::event::Body;
use schemas::grant::{Ack, GrantBody, GrantStatus, ReturnRequest};
use schemas::ids::{ChainId, Link};
use schemas::numbers::{Amount, Micros, Seconds, Seq, Total};
use schemas::period::{Period, Reset};
use schemas::terms::OnFork;
use schemas::text::UsageRef;

use crate::bench::{Device, kinds};
use crate::vendor::{RENDER, license_key};
use crate::wire::{Act, Office, Wire};

/// A device with its vendor at the other end of a wire.
struct Line {
    device: Device,
    office: Arc<Mutex<Office>>,
    wire: Wire,
}

impl Line {
    fn new() -> Self {
        Self::granting(|_| {})
    }

    /// A line to a vendor whose grants differ from the usual ones.
    fn granting(change: impl FnMut(&mut GrantBody) + Send + 'static) -> Self {
        let device = Device::new();
        let clock = Arc::clone(&device.clock);
        let office = Office::new(move || clock.now(), change);
        let wire = Office::on_the_wire(&office);
        Self { device, office, wire }
    }

    fn activated(&self) -> Agent {
        let agent = self.device.open();
        agent.activate(&license_key()).expect("asks");
        assert_eq!(self.sync(&agent).expect("syncs").state, State::Active);
        agent
    }

    fn sync(&self, agent: &Agent) -> Result<Synced, SyncError> {
        agent.sync(&self.wire.transport())
    }

    fn office(&self) -> MutexGuard<'_, Office> {
        self.office.lock().expect("no test panics while it holds this")
    }

    /// How many runs came since the `before`th that hold nothing new.
    fn repeated(&self, before: usize) -> usize {
        let office = self.office();
        let known = office.spans[..before].iter().map(|span| span.1).max().unwrap_or(0);
        let (mut repeated, mut known) = (0, known);
        for (_, last) in &office.spans[before..] {
            repeated += usize::from(*last <= known);
            known = known.max(*last);
        }
        repeated
    }
}

fn chain_of(agent: &Agent) -> ChainId {
    agent.status().expect("readable").chain.expect("a chain")
}

/// Counts so many uses, each of which takes about 200 bytes of a report. The last place after them.
fn consume(agent: &Agent, uses: usize, name: &str) -> u64 {
    let uses = (0..uses).map(|n| Consume {
        feature: "miles".into(),
        n: Amount::new(1).expect("in range"),
        used_at: None,
        reference: UsageRef::new(&format!("{name}-{n:0>50}")),
    });
    let outcomes = agent.consume_many(uses.collect());
    outcomes.into_iter().map(|outcome| outcome.expect("counts").seq.0).max().expect("some")
}

#[test]
fn a_backlog_goes_in_parts_and_each_is_acknowledged() {
    let line = Line::new();
    let agent = line.activated();
    let last = consume(&agent, 4_000, "a");
    let before = line.office().spans.len();
    let synced = line.sync(&agent).expect("syncs");
    assert!(synced.parts >= 3, "{synced:?}");
    assert!(synced.events >= 4_000, "{synced:?}");
    assert_eq!(line.office().spans.len() - before, usize::try_from(synced.parts).expect("few"));
    assert_eq!(line.repeated(before), 0);
    assert_eq!(line.office().gaps, 0);
    assert!(line.office().has(chain_of(&agent)) >= last);
    // What applying the answers recorded is all that is left.
    assert_eq!(agent.status().expect("readable").unacknowledged, 1);
    agent.verify().expect("all verifies");
}

#[test]
fn cut_anywhere_nothing_is_lost_and_one_part_at_most_goes_again() {
    let line = Line::new();
    let agent = line.activated();
    let acts: [fn() -> Act; 12] = [
        || Act::Close,
        || Act::Read(1),
        || Act::Read(100),
        || Act::Read(1_000),
        || Act::Read(30_000),
        || Act::Write(0),
        || Act::Write(1),
        || Act::Write(40),
        || Act::Write(120),
        || Act::Write(200),
        || Act::Write(700),
        || Act::Write(usize::MAX),
    ];
    for (n, act) in acts.into_iter().enumerate() {
        let last = consume(&agent, 2_000, &format!("cut{n}"));
        let before = line.office().spans.len();
        // The first part comes through, the second one is cut.
        line.wire.then([Act::Slowly, act()]);
        let error = line.sync(&agent).expect_err("it is cut");
        assert_eq!(error.refusal().code(), Code::ServerUnreachable, "cut {n}: {error}");
        line.sync(&agent).expect("goes on");
        let repeated = line.repeated(before);
        assert!(repeated <= 1, "cut {n}: {:?}", &line.office().spans[before..]);
        assert_eq!(line.office().gaps, 0);
        assert!(line.office().has(chain_of(&agent)) >= last, "cut {n}");
    }
    agent.verify().expect("all verifies");
}

#[test]
fn with_nothing_new_the_newest_licence_file_is_fetched() {
    let renewed = Arc::new(Mutex::new(false));
    let flag = Arc::clone(&renewed);
    let line = Line::granting(move |grant| {
        if *flag.lock().expect("no panic") {
            grant.status = GrantStatus::Suspended;
        }
    });
    let agent = line.activated();
    line.sync(&agent).expect("syncs");
    *renewed.lock().expect("no panic") = true;
    let synced = line.sync(&agent).expect("syncs");
    assert_eq!((synced.state, synced.parts), (State::Suspended, 1));
    assert_eq!(synced.why.map(|why| why.code), Some(Code::LicenseSuspended));
}

#[test]
fn others_meter_while_the_network_is_waited_for() {
    let line = Line::new();
    drop(line.activated());
    let (came, has_come) = mpsc::channel();
    let (go_on, wait) = mpsc::channel();
    line.wire.then([Act::Hold(came, wait)]);
    thread::scope(|scope| {
        let syncing = scope.spawn(|| sync(&line.device.config(), &line.wire.transport()));
        has_come.recv().expect("it is asked");
        let agent = line.device.open();
        agent.consume("render", 5).expect("counts");
        drop(agent);
        let reader = AgentReader::open(line.device.config()).expect("opens");
        assert_eq!(reader.check(Some("render"), None).remaining, Some(95));
        go_on.send(()).expect("it waits");
        let synced = syncing.join().expect("no panic").expect("syncs");
        assert_eq!(synced.state, State::Active);
    });
    line.device.open().verify().expect("all verifies");
}

#[test]
fn an_answer_that_another_sync_overtook_is_no_error() {
    let line = Line::new();
    let agent = line.activated();
    let late = Overtaken { line: &line, agent: &agent };
    let synced = agent.sync(&late).expect("syncs");
    assert_eq!((synced.state, synced.parts), (State::Active, 1));
}

/// A transport whose answers come after those of another sync.
#[derive(Debug)]
struct Overtaken<'a> {
    line: &'a Line,
    agent: &'a Agent,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

impl Transport for Overtaken<'_> {
    fn exchange(&self, bundle: &[u8]) -> Result<Vec<u8>, ExchangeError> {
        let answer = self.line.wire.transport().exchange(bundle)?;
        self.line.sync(self.agent).expect("syncs");
        Ok(answer)
    }
}

#[test]
fn what_is_asked_back_is_given_back_in_the_same_sync() {
    let line = Line::granting(|grant| {
        let period = Period::of(Reset::Month, Micros::parse("2026-11-24").expect("a date"));
        let asked = ReturnRequest { feature: RENDER, period, n: Total::new(30).expect("small") };
        grant.return_requests = vec![asked];
    });
    let agent = line.activated();
    assert!(kinds(&agent).contains(&"quota.returned"));
    assert_eq!(agent.status().expect("readable").unacknowledged, 1, "it is reported at once");
    assert_eq!(agent.check("render").remaining, Some(70));
}

#[test]
fn a_request_that_is_denied_is_told_and_is_no_error() {
    let line = Line::granting(|grant| {
        grant.status = GrantStatus::Denied;
        grant.entitlement = None;
        grant.reason = schemas::text::Text::new("no_seat_free");
    });
    let agent = line.device.open();
    agent.activate(&license_key()).expect("asks");
    let synced = line.sync(&agent).expect("syncs");
    assert_eq!((synced.state, synced.why.map(|why| why.code)), (State::Denied, Some(Code::NoSeatFree)));
}

#[test]
fn a_clock_that_was_wrong_is_cured_however_many_parts_come_before_its_note() {
    let line = Line::granting(|grant| grant.import_until = grant.check_in.sync_by);
    let agent = line.activated();
    let right = line.device.clock.now();
    consume(&agent, 3_000, "before");
    line.device.clock.set(right + Seconds::days(2_000));
    agent.keep_time().expect("notes");
    line.device.clock.set(right + Seconds(60));
    assert_eq!(agent.check("miles").code, Code::LicenseExpired);
    let synced = line.sync(&agent).expect("the grant that acknowledges the note is applied");
    assert!(synced.parts >= 2, "{synced:?}");
    assert_eq!(agent.check("miles").code, Code::Allowed);
}

/// A line to a device with a backlog of several parts whose next answer has it go on with a new record: the vendor holds more
/// of the old one than the device.
fn healing() -> (Line, Agent) {
    let heals = Arc::new(Mutex::new(None));
    let healed = Arc::clone(&heals);
    let line = Line::granting(move |grant| {
        if let Some(ahead) = healed.lock().expect("no panic").take() {
            grant.forked = Some(OnFork::Heal);
            grant.ack = ahead;
        }
    });
    let agent = line.activated();
    let head = Seq(consume(&agent, 3_000, "old"));
    *heals.lock().expect("no panic") = Some(Ack { seq: Seq(head.0 + 100), link: Link([9; 32]) });
    (line, agent)
}

#[test]
fn a_device_that_was_set_back_goes_on_and_the_rest_of_its_old_record_goes_first() {
    let (line, agent) = healing();
    let (old, head) = (chain_of(&agent), agent.status().expect("readable").events);
    let synced = line.sync(&agent).expect("syncs");
    assert_eq!(synced.state, State::Active, "{synced:?}");
    assert!(synced.parts >= 3, "{synced:?}");
    assert_ne!(chain_of(&agent), old);
    assert_eq!(line.office().gaps, 0);
    assert!(line.office().has(old) > head.0, "{:?}", line.office().spans);
    let status = agent.status().expect("readable");
    assert_eq!((status.unreported_records.len(), status.unacknowledged), (0, 2));
}

#[test]
fn the_rest_of_an_old_record_goes_on_where_it_was_cut() {
    let (line, agent) = healing();
    let old = chain_of(&agent);
    line.wire.then([Act::Slowly, Act::Slowly, Act::Close]);
    let error = line.sync(&agent).expect_err("it is cut");
    assert_eq!(error.refusal().code(), Code::ServerUnreachable);
    assert_eq!(agent.status().expect("readable").unreported_records, [old]);
    let before = line.office().spans.len();
    let had = line.office().has(old);
    line.sync(&agent).expect("goes on");
    assert_eq!(line.office().spans[before].0, had + 1);
    assert_eq!((line.office().gaps, agent.status().expect("readable").unreported_records.len()), (0, 0));
}

#[test]
fn the_end_of_a_record_is_acknowledged() {
    let line = Line::new();
    let agent = line.activated();
    agent.deactivate().expect("closes");
    let synced = line.sync(&agent).expect("syncs");
    assert_eq!((synced.state, synced.events), (State::Deactivated, 3));
    let mut last = None;
    agent.history(|entry| last = Some(entry.event.body)).expect("a history");
    assert!(matches!(last, Some(Body::ChainClosed(_))));
    let status = agent.status().expect("readable");
    assert_eq!(status.unacknowledged, 0);
    assert!(status.report.is_some_and(|report| !report.useful));
}

#[test]
fn what_is_no_answer_of_a_licence_server_changes_nothing() {
    let line = Line::new();
    let agent = line.activated();
    let before = agent.report().expect("reports");
    let page = "<html>Sign in to this network</html>";
    for (said, code) in [
        (format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len()), Code::ServerInvalid),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(), Code::ServerInvalid),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\u{fffd}CF".to_owned(), Code::ServerInvalid),
    ] {
        line.wire.then([Act::Say(said)]);
        assert_eq!(line.sync(&agent).expect_err("no answer").refusal().code(), code);
        assert_eq!(agent.report().expect("reports"), before);
    }
}

#[test]
fn without_a_chain_there_is_nothing_to_sync() {
    let line = Line::new();
    let error = sync(&line.device.config(), &line.wire.transport()).expect_err("nothing is here");
    assert_eq!(error.refusal().code(), Code::NotActivated);
    assert!(!line.device.state().exists());
    assert!(line.wire.heads().is_empty());
}
