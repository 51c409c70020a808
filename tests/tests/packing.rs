//! Short runs are packed into full ones, by a merge at its end and by `store pack`, and nobody can tell from the evidence:
//! on a file and on PostgreSQL, with forks, gaps and overlaps, and whenever it is killed.

use std::fs;
use std::process::Child;
use std::thread;

use counterfoil_tests::lab::{number, text};
use counterfoil_tests::postgres::database;
use counterfoil_tests::{Chance, HandMade, Lab, License};
use rusqlite::Connection;
use serde_json::Value;

const COUNTED: &str = "--max-activations 1000 --mode render=counted --sync-every 30d";
const HOME: &str = "counterfoil-home";
/// Events of one report.
const EACH: usize = 10;
/// Reports of one device, in all a bit more than what a merge waits for before it looks at them.
const REPORTS: usize = 60;
const KILLS: usize = 6;

/// A device that has recorded this many reports of ten events.
fn device(seed: u64, license: &License, reports: usize) -> HandMade {
    (2..reports * EACH).fold(HandMade::new(seed, license), |device, _| device.consume(1))
}

/// Writes each of a device's reports, so that they are read in the order of their names.
fn write_reports(lab: &Lab, folder: &str, device: &HandMade, reports: std::ops::Range<usize>, turned: bool) {
    for report in reports {
        let (first, last) = (report * EACH + 1, (report + 1) * EACH);
        let name = if turned { 999 - report } else { report };
        lab.write(format!("{folder}/{name:03}.cfbundle"), device.bundle_of(first, last));
    }
}

/// The same licences in a home of its own, in a file.
#[track_caller]
fn beside(lab: &Lab, name: &str) {
    lab.copy(HOME, name);
    let file = lab.path(format!("{name}/copy.db"));
    lab.vendor(&format!("--home {name} store copy --to sqlite:{} --switch", file.display())).done();
}

/// Every row follows from the runs, and every signature holds. How many runs there are.
#[track_caller]
fn sound(lab: &Lab, home: &str) -> u64 {
    lab.vendor(&format!("--home {home} rebuild --check")).done();
    number(&lab.vendor(&format!("--home {home} audit verify --deep")).done(), "runs")
}

/// What can be asked about the ledger, but for the number of its runs.
#[track_caller]
fn told(lab: &Lab, home: &str, license: &License) -> Vec<String> {
    let asked = [
        "digest".to_owned(),
        "audit usage --by chain,day,period".to_owned(),
        format!("audit history {}", license.id),
        "audit clocks".to_owned(),
        "audit forks".to_owned(),
        "activation list".to_owned(),
        format!("license show {}", license.id),
        "quarantine list".to_owned(),
        "export events --format jsonl -o -".to_owned(),
    ];
    asked
        .iter()
        .map(|line| lab.vendor(&format!("--home {home} {line}")).exits(0).stdout().to_owned())
        .collect()
}

/// What devices recorded, as an analyst gets it.
#[track_caller]
fn device_events(lab: &Lab, home: &str) -> Vec<Value> {
    let mut events = lab.vendor(&format!("--home {home} export events --format jsonl -o -")).done_lines();
    events.retain(|event| event["writer"] == "device");
    events
}

#[track_caller]
fn pack(lab: &Lab, home: &str) -> Value {
    lab.vendor(&format!("--home {home} store pack")).done()
}

/// Reports that came one by one, all at once in the wrong order, or as one: the evidence is the same, and so it stays when the
/// first are packed.
#[track_caller]
fn short_reports_come_to_what_one_long_report_comes_to(lab: &Lab) {
    let license = lab.issue();
    let device = device(1, &license, REPORTS);
    beside(lab, "whole");
    beside(lab, "turned");
    write_reports(lab, "inbox", &device, 0..REPORTS, false);
    write_reports(lab, "backward", &device, 0..REPORTS, true);
    lab.write("whole.cfbundle", device.bundle());

    let mut packed = 0;
    for report in 0..REPORTS {
        let merged = lab.vendor(&format!("merge inbox/{report:03}.cfbundle --answers out")).done();
        assert_eq!((number(&merged, "merged"), number(&merged, "events")), (1, EACH as u64), "{merged:#}");
        assert_eq!(merged.get("not_packed"), None, "{merged:#}");
        packed += number(&merged, "packed");
    }
    assert!(packed >= 32, "{packed} runs were packed by merges");
    let runs = sound(lab, HOME);
    assert!(runs < REPORTS as u64, "{runs} runs of {REPORTS} reports and as many answers");
    lab.vendor("--home whole merge whole.cfbundle --answers out-whole").done();
    let turned = lab.vendor("--home turned merge backward --answers out-turned").done();
    assert_eq!(number(&turned, "events"), (REPORTS * EACH) as u64, "{turned:#}");
    assert!(number(&turned, "packed") >= 32, "{turned:#}");
    let digest = lab.digest(HOME);
    assert_eq!((lab.digest("whole"), lab.digest("turned")), (digest.clone(), digest.clone()));
    assert_eq!(device_events(lab, HOME), device_events(lab, "whole"));
    assert_eq!(device_events(lab, "turned"), device_events(lab, "whole"));
    sound(lab, "turned");

    let before = told(lab, HOME, &license);
    let did = pack(lab, HOME);
    assert!(number(&did, "runs") > number(&did, "into"), "{did:#}");
    assert_eq!(told(lab, HOME, &license), before);
    assert_eq!(sound(lab, HOME), runs - number(&did, "runs") + number(&did, "into"));
    assert_eq!(number(&pack(lab, HOME), "runs"), 0, "there is nothing left to be packed");

    let again = lab.vendor("merge inbox whole.cfbundle --answers again").done();
    assert_eq!(number(&again, "known"), REPORTS as u64 + 1, "{again:#}");
    assert_eq!((number(&again, "events"), number(&again, "packed")), (0, 0), "{again:#}");
    assert_eq!(told(lab, HOME, &license), before, "what is known changes nothing");
    let longer = (0..7).fold(device, |device, _| device.consume(1));
    lab.write("longer.cfbundle", longer.bundle_of(REPORTS * EACH / 2, longer.len()));
    let extended = lab.vendor("merge longer.cfbundle").done();
    assert_eq!((number(&extended, "merged"), number(&extended, "events")), (1, 7), "{extended:#}");
    lab.vendor("--home whole merge longer.cfbundle").done();
    assert_eq!(lab.digest(HOME), lab.digest("whole"));
    lab.vendor("rebuild").done();
    sound(lab, HOME);
    assert_eq!(lab.digest(HOME), lab.digest("whole"));
}

#[test]
fn in_a_file_short_reports_come_to_what_one_long_report_comes_to() {
    short_reports_come_to_what_one_long_report_comes_to(&Lab::with_policy(COUNTED));
}

#[test]
fn on_postgres_short_reports_come_to_what_one_long_report_comes_to() {
    short_reports_come_to_what_one_long_report_comes_to(&Lab::with_store(&database(), COUNTED));
}

/// A packed ledger is copied and backed up as it is, and goes on elsewhere: also with what the backup did not know.
#[track_caller]
fn a_packed_ledger_goes_on_elsewhere(lab: &Lab, elsewhere: &str) {
    let license = lab.issue();
    let device = device(1, &license, REPORTS);
    let half = REPORTS - 10;
    write_reports(lab, "first", &device, 0..half, false);
    write_reports(lab, "rest", &device, half..REPORTS, false);
    lab.vendor("merge first").done();
    pack(lab, HOME);
    let runs = sound(lab, HOME);
    let before = told(lab, HOME, &license);

    lab.copy(HOME, "copied");
    lab.vendor(&format!("--home copied store copy --to {elsewhere} --switch")).done();
    assert_eq!(told(lab, "copied", &license), before);
    assert_eq!(sound(lab, "copied"), runs);
    lab.vendor("backup -o saved").done();

    // A restored ledger raises its epoch, so that it has an authority chain more.
    lab.vendor("merge rest").done();
    lab.vendor("--home restored restore saved").done();
    assert!(sound(lab, "restored") >= runs);
    for home in ["restored", "copied"] {
        lab.vendor(&format!("--home {home} merge rest first --answers out-{home}")).done();
        assert_eq!(lab.digest(home), lab.digest(HOME));
        assert_eq!(device_events(lab, home), device_events(lab, HOME));
        pack(lab, home);
        assert_eq!(lab.digest(home), lab.digest(HOME));
        sound(lab, home);
    }
}

#[test]
fn packed_in_a_file_it_goes_on_on_a_server() {
    a_packed_ledger_goes_on_elsewhere(&Lab::with_policy(COUNTED), &database());
}

#[test]
fn packed_on_a_server_it_goes_on_in_a_file() {
    let lab = Lab::with_store(&database(), COUNTED);
    let file = lab.path("elsewhere.db");
    a_packed_ledger_goes_on_elsewhere(&lab, &format!("sqlite:{}", file.display()));
}

/// Copies of a device part within runs that are packed: each fork is found at its place, proved, and the branches are packed
/// each by itself.
#[track_caller]
fn copies_that_part_within_packed_runs_are_found(lab: &Lab) {
    let license = lab.issue();
    let device = device(1, &license, REPORTS);
    beside(lab, "whole");
    write_reports(lab, "inbox", &device, 0..REPORTS, false);
    lab.vendor("merge inbox").done();
    pack(lab, HOME);

    // The first copy parts after 205 events and goes on for as many reports; the second one parts from it.
    let begin = |events: usize| (2..events).fold(HandMade::new(1, &license), |device, _| device.consume(1));
    let first = (205..REPORTS * EACH).fold(begin(205), |device, _| device.consume(2));
    let shared = (205..333).fold(begin(205), |device, _| device.consume(2));
    let second = (333..400).fold(shared, |device, _| device.consume(3));
    write_reports(lab, "first", &first, 20..REPORTS, false);
    let merged = lab.vendor("merge first").done();
    assert_eq!(number(&merged, "events"), (REPORTS * EACH - 205) as u64, "{merged:#}");
    pack(lab, HOME);
    lab.write("second.cfbundle", second.bundle_of(300, second.len()));
    let merged = lab.vendor("merge second.cfbundle").done();
    assert_eq!((number(&merged, "forked"), number(&merged, "events")), (1, 67), "{merged:#}");
    sound(lab, HOME);

    let forks = lab.vendor("audit forks").done();
    let fork = &forks["forks"][0];
    assert_eq!((number(fork, "seq"), number(fork, "branches")), (206, 3), "{forks:#}");
    lab.vendor(&format!("audit proof {} -o proof.cfbundle", text(fork, "fork"))).done();
    let proof = lab.vendor("verify proof.cfbundle").done();
    let of_fork =
        proof["checked"].as_array().and_then(|checked| checked.iter().find(|one| one["what"] == "fork"));
    assert_eq!(of_fork.map(|fork| number(fork, "seq")), Some(206), "{proof:#}");

    for (name, copy) in [("b", &device), ("c", &first), ("a", &second)] {
        lab.write(format!("copies/{name}.cfbundle"), copy.bundle());
    }
    lab.vendor("--home whole merge copies").done();
    assert_eq!(lab.digest(HOME), lab.digest("whole"));
    let before = told(lab, HOME, &license);
    pack(lab, HOME);
    assert_eq!(told(lab, HOME, &license), before);
    let again = lab.vendor("merge inbox first second.cfbundle copies").done();
    assert_eq!(number(&again, "events"), 0, "{again:#}");
    assert_eq!(told(lab, HOME, &license), before);
    sound(lab, HOME);
}

#[test]
fn in_a_file_copies_that_part_within_packed_runs_are_found() {
    copies_that_part_within_packed_runs_are_found(&Lab::with_policy(COUNTED));
}

#[test]
fn on_postgres_copies_that_part_within_packed_runs_are_found() {
    copies_that_part_within_packed_runs_are_found(&Lab::with_store(&database(), COUNTED));
}

/// So many licences with a device each, and no branch with so many short runs that a merge packs it.
fn unpacked(lab: &Lab, licenses: u64) {
    for seed in 0..licenses {
        let device = device(seed, &lab.issue(), 20);
        write_reports(lab, &format!("inbox/{seed}"), &device, 0..20, false);
    }
    assert_eq!(number(&lab.vendor("merge inbox").done(), "packed"), 0);
}

#[test]
fn a_packing_that_is_killed_loses_nothing_and_goes_on() {
    let mut chance = Chance::new();
    let lab = Lab::with_policy(COUNTED);
    unpacked(&lab, 24);
    lab.copy(HOME, "unpacked");
    let (digest, runs) = (lab.digest(HOME), sound(&lab, HOME));
    let packed = pack(&lab, HOME);
    let expected = runs - number(&packed, "runs") + number(&packed, "into");
    let mut in_the_midst = 0;
    for _ in 0..KILLS {
        lab.put_back("unpacked", HOME);
        let mut child = lab.start_vendor("store pack");
        let killed = kill_once_it_wrote(&lab, &mut child, 1 + chance.below(900_000) as u64);
        assert_eq!(lab.digest(HOME), digest);
        let left = sound(&lab, HOME);
        in_the_midst += u32::from(killed && (expected + 1..runs).contains(&left));
        pack(&lab, HOME);
        assert_eq!((lab.digest(HOME), sound(&lab, HOME)), (digest.clone(), expected));
    }
    assert!(in_the_midst > 0, "no packing was killed in its midst");
    // A backup of a packed ledger is one like any other.
    lab.vendor("backup -o kept").done();
    assert_eq!(lab.digest(HOME), digest);
}

/// Kills a program as soon as the ledger's log holds so many bytes, unless it ends before that. Whether it was killed.
fn kill_once_it_wrote(lab: &Lab, child: &mut Child, bytes: u64) -> bool {
    let log = lab.home().join("ledger.db-wal");
    while child.try_wait().expect("it was started").is_none() {
        if fs::metadata(&log).is_ok_and(|metadata| metadata.len() >= bytes) {
            child.kill().expect("it is ours");
            child.wait().expect("it was started");
            return true;
        }
        thread::yield_now();
    }
    false
}

/// Where stored runs do not follow each other they are not joined; a merge that finds that out is done all the same.
#[test]
fn a_merge_whose_packing_fails_is_done_and_says_so() {
    let lab = Lab::with_policy(COUNTED);
    let license = lab.issue();
    let device = device(1, &license, REPORTS);
    write_reports(&lab, "first", &device, 0..30, false);
    assert_eq!(number(&lab.vendor("merge first").done(), "packed"), 0);
    let ledger = Connection::open(lab.home().join("ledger.db")).expect("a ledger");
    let dropped = "DELETE FROM runs WHERE first_seq = 101 AND writer = 0";
    assert_eq!(ledger.execute(dropped, []).expect("SQL"), 1);
    drop(ledger);
    write_reports(&lab, "second", &device, 30..REPORTS, false);
    let merged = lab.vendor("merge second").done();
    assert_eq!((number(&merged, "events"), number(&merged, "refused")), (300, 0), "{merged:#}");
    assert_eq!(
        (number(&merged, "packed"), &merged["not_packed"]["code"]),
        (0, &"audit_failed".into()),
        "{merged:#}"
    );
    lab.vendor("store pack").refused(5, "audit_failed");
}
