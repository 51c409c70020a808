//! When a report is of use to the vendor: a device that reports by a job of every night writes one only then.

use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use counterfoil_tests::Lab;
use counterfoil_tests::clock::Ahead;
use counterfoil_tests::lab::{number, text};
use schemas::numbers::{Micros, Seconds};
use serde_json::Value;
use sync_agent::wall_clock::Clock;
use sync_agent::{AgentReader, Config, UsefulBecause, Usefulness};

const COUNTED: &str = "--max-activations 4 --mode render=counted --grace 7d";
const NIGHTLY: &str = "report --when-useful -o outbox.cfbundle";
/// From so many events on a report is useful.
const ENOUGH: u64 = 1_000;

/// Counts so many uses of one unit.
#[track_caller]
fn consume(lab: &Lab, uses: u64) {
    let batch = (0..uses).fold(String::new(), |mut batch, _| {
        writeln!(batch, r#"{{"feature":"render","n":1}}"#).expect("a string takes every write");
        batch
    });
    assert_eq!(lab.device_fed("dev1", "consume --batch -", batch.as_bytes()).done_lines().len() as u64, uses);
}

/// What the nightly job does: whether it wrote a report, and why.
#[track_caller]
fn nightly(lab: &Lab) -> (bool, Value) {
    let said = lab.device("dev1", NIGHTLY).done();
    let is_there = lab.path("outbox.cfbundle").exists();
    assert_eq!(said["file"].is_string(), is_there, "{said:#}");
    if is_there {
        fs::remove_file(lab.path("outbox.cfbundle")).expect("it is there");
    }
    assert_eq!(said["report"], lab.device("dev1", "status").done()["report"]);
    (is_there, said["report"].clone())
}

#[track_caller]
fn is_useful(lab: &Lab, because: &str) {
    let (written, report) = nightly(lab);
    assert!(written, "{report:#}");
    assert_eq!((&report["useful"], text(&report, "because").as_str()), (&Value::Bool(true), because));
    assert_eq!(report["at_latest"], Value::Null);
}

#[track_caller]
fn is_not_useful(lab: &Lab) -> Value {
    let (written, report) = nightly(lab);
    assert!(!written, "{report:#}");
    assert_eq!((&report["useful"], &report["because"]), (&Value::Bool(false), &Value::Null));
    let waiting = number(&lab.device("dev1", "status").done(), "unacknowledged");
    assert_eq!((number(&report, "events"), number(&report, "enough")), (waiting, ENOUGH));
    assert!(waiting < ENOUGH);
    report
}

/// What the library says with a clock that stands so many seconds ahead.
fn seen_from(lab: &Lab, ahead: u64) -> Usefulness {
    let pack = Some(lab.read("studio.cfpack"));
    let clock: Arc<dyn Clock> = Arc::new(Ahead(Seconds(ahead)));
    let reader = AgentReader::open(Config { clock, ..Config::new(lab.path("dev1"), pack) }).expect("a state");
    reader.status().report.expect("it has a chain")
}

#[test]
fn a_nightly_job_reports_enough_events_and_not_before() {
    let lab = Lab::with_policy(&format!("{COUNTED} --sync-every 40d"));
    lab.device("dev1", NIGHTLY).refused(4, "not_activated");
    let license = lab.issue();
    lab.request("dev1", &license);
    is_useful(&lab, "request");
    lab.vendor("merge dev1.cfbundle --answers answers").done();
    lab.device("dev1", "apply answers/dev1.cfgrant").done();
    is_not_useful(&lab);
    consume(&lab, 500);
    is_not_useful(&lab);
    // Who asks for a report gets one.
    lab.report("dev1", "asked.cfbundle");
    consume(&lab, 500);
    is_useful(&lab, "enough_events");
    lab.sync("dev1");
    is_not_useful(&lab);
}

#[test]
fn what_the_vendor_waits_for_is_reported_at_once() {
    let lab =
        Lab::with_policy("--max-activations 4 --quota render=400/month --share render=100 --sync-every 40d");
    lab.activate("dev1", &lab.issue());
    lab.device("dev1", "consume render 1").done();
    is_not_useful(&lab);
    lab.device("dev1", "return render 10").done();
    is_useful(&lab, "quota_returned");
    lab.sync("dev1");
    is_not_useful(&lab);
    // A device that was set back learns it from an answer that it cannot apply.
    lab.copy("dev1", "older");
    lab.device("dev1", "consume render 1").done();
    lab.report("dev1", "newer.cfbundle");
    lab.vendor("merge newer.cfbundle --answers answers").done();
    lab.put_back("older", "dev1");
    lab.device("dev1", "apply answers/newer.cfgrant").refused(5, "ack_unknown");
    is_useful(&lab, "set_back");
    lab.device("dev1", "deactivate --file closing.cfbundle").done();
    is_useful(&lab, "closed");
}

#[test]
fn the_last_quarter_before_the_check_in_makes_any_report_useful() {
    const DAY: u64 = 86_400;
    let lab = Lab::with_policy(&format!("{COUNTED} --sync-every 40d"));
    lab.activate("dev1", &lab.issue());
    let report = is_not_useful(&lab);
    let sync_by = Micros::parse(&text(&lab.device("dev1", "status").done(), "sync_by")).expect("RFC 3339");
    let latest = Micros::parse(&text(&report, "at_latest")).expect("RFC 3339");
    assert_eq!(sync_by.since(latest), 10 * DAY * 1_000_000);
    for (days, because) in [
        (0, None),
        (29, None),
        (31, Some(UsefulBecause::CheckIn)),
        (45, Some(UsefulBecause::CheckIn)),
        (400, Some(UsefulBecause::CheckIn)),
    ] {
        let seen = seen_from(&lab, days * DAY);
        assert_eq!((seen.because, seen.useful), (because, because.is_some()), "after {days} days");
        assert_eq!(seen.at_latest, (!seen.useful).then_some(latest), "after {days} days");
    }
}

#[test]
fn without_a_check_in_events_wait_for_thirty_days() {
    const DAY: u64 = 86_400;
    let lab = Lab::with_policy(COUNTED);
    lab.activate("dev1", &lab.issue());
    assert!(is_not_useful(&lab)["at_latest"].is_string());
    assert_eq!(seen_from(&lab, 29 * DAY).because, None);
    assert_eq!(seen_from(&lab, 31 * DAY).because, Some(UsefulBecause::WaitedLong));
}

/// The same through the program alone: it is asked until the time has come.
#[test]
fn a_nightly_job_reports_before_the_check_in() {
    let lab = Lab::with_policy(&format!("{COUNTED} --sync-every 4s"));
    lab.activate("dev1", &lab.issue());
    let because = loop {
        let (written, report) = nightly_alone(&lab);
        if written {
            break text(&report, "because");
        }
    };
    assert_eq!(because, "check_in");
}

/// As [`nightly`], without a look at the status, which may be another one by then.
#[track_caller]
fn nightly_alone(lab: &Lab) -> (bool, Value) {
    let said = lab.device("dev1", NIGHTLY).done();
    (said["file"].is_string(), said["report"].clone())
}

/// A report on stdout is that and nothing else: what is not useful is told on stderr.
#[test]
fn a_report_to_stdout_that_is_not_useful_is_empty() {
    let lab = Lab::with_policy(&format!("{COUNTED} --sync-every 40d"));
    lab.activate("dev1", &lab.issue());
    let said = lab.device("dev1", "report --when-useful -o -").exits(0);
    assert_eq!(said.stdout(), "");
    assert!(!said.stderr().is_empty());
    let both = lab.device("dev1", "report --when-useful --all -o -").exits(2);
    assert!(both.stdout().contains("usage"), "{both:?}");
}
