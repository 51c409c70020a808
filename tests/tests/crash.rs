//! Nothing that was acknowledged is lost, wherever a program is killed, on either side.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Child;
use std::thread;

use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{Chance, HandMade, Lab, picture};
use serde_json::Value;

const COUNTED: &str = "--max-activations 1000 --mode render=counted --sync-every 30d";
const BATCH_ROUNDS: usize = 8;
const MERGE_ROUNDS: usize = 5;

/// A line of a batch for each number of the range, named after it.
fn batch(lines: std::ops::Range<usize>) -> String {
    lines.fold(String::new(), |mut batch, line| {
        writeln!(batch, r#"{{"feature":"render","n":1,"ref":"line-{line}"}}"#)
            .expect("a string takes every write");
        batch
    })
}

/// Runs a batch and kills the agent as soon as it acknowledged `kill_after` lines. Returns every place that it
/// acknowledged before it died.
fn killed(lab: &Lab, stdin: String, kill_after: usize) -> Vec<u64> {
    let mut child = lab.start_device("dev1", "consume --batch -");
    let mut input = child.stdin.take().expect("a pipe");
    let feeder = thread::spawn(move || input.write_all(stdin.as_bytes()).is_ok());
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut acknowledged = Vec::new();
    for line in lines.by_ref().take(kill_after) {
        acknowledged.push(place(&line.expect("text")));
    }
    kill(&mut child);
    // What it wrote before it died counts; the last line may be cut.
    acknowledged.extend(lines.map_while(Result::ok).filter_map(|line| whole_place(&line)));
    feeder.join().expect("the feeder ends with the pipe");
    acknowledged
}

fn kill(child: &mut Child) {
    child.kill().expect("it is ours");
    child.wait().expect("it was started");
}

fn place(line: &str) -> u64 {
    whole_place(line).unwrap_or_else(|| panic!("no acknowledgement: {line}"))
}

fn whole_place(line: &str) -> Option<u64> {
    serde_json::from_str::<Value>(line).ok()?["seq"].as_u64()
}

/// The places and refs of all consumptions on the device.
fn recorded(lab: &Lab) -> Vec<(u64, String)> {
    let history = lab.device("dev1", "history").done_lines();
    let consumed = history.iter().filter(|event| event["kind"] == "feature.consumed");
    consumed.map(|event| (number(event, "seq"), text(&event["body"], "reference"))).collect()
}

#[test]
fn a_killed_batch_loses_nothing_that_it_acknowledged() {
    let mut chance = Chance::new();
    let lab = Lab::with_policy(COUNTED);
    lab.activate("dev1", &lab.issue());
    let mut acknowledged = BTreeSet::new();
    for round in 0..BATCH_ROUNDS {
        let lines = round * 1000..(round + 1) * 1000;
        let kill_after = 1 + chance.below(700);
        acknowledged.extend(killed(&lab, batch(lines), kill_after));
        let places: BTreeSet<u64> = recorded(&lab).into_iter().map(|(seq, _)| seq).collect();
        assert!(acknowledged.is_subset(&places), "round {round}: {:?}", acknowledged.difference(&places));
        lab.device("dev1", "verify").done();
        if round % 3 == 2 {
            lab.sync("dev1");
        }
    }
    lab.sync("dev1");
    let refs: Vec<String> = recorded(&lab).into_iter().map(|(_, reference)| reference).collect();
    let distinct: BTreeSet<&String> = refs.iter().collect();
    assert_eq!(distinct.len(), refs.len(), "no line is counted twice");
    let usage = lab.vendor("audit usage").done();
    assert_eq!(number(&usage["rows"][0], "n"), refs.len() as u64);
    lab.vendor("audit verify --deep").done();
    lab.vendor("rebuild --check").done();
}

/// After a kill nobody knows which of the last lines were recorded; with `ref`s the whole batch is simply given again.
#[test]
fn a_killed_batch_given_again_counts_each_line_once() {
    let mut chance = Chance::new();
    let lab = Lab::with_policy(COUNTED);
    lab.activate("dev1", &lab.issue());
    for _ in 0..4 {
        killed(&lab, batch(0..1500), 1 + chance.below(1200));
    }
    let answers = lab.device_fed("dev1", "consume --batch -", batch(0..1500).as_bytes()).done_lines();
    assert_eq!(answers.len(), 1500);
    assert!(answers.iter().any(|answer| answer["repeated"] == true), "some were recorded before a kill");
    assert_eq!(recorded(&lab).len(), 1500);
    lab.sync("dev1");
    assert_eq!(number(&lab.vendor("audit usage").done()["rows"][0], "n"), 1500);
}

#[test]
fn a_killed_merge_run_again_gives_what_an_undisturbed_one_gives() {
    let mut chance = Chance::new();
    let lab = Lab::with_policy(COUNTED);
    let license = lab.issue();
    for seed in 0..120 {
        let device = HandMade::new(seed, &license).consume(1).consume(2).consume(3);
        lab.write(format!("inbox/{seed}-b.cfbundle"), device.bundle_of(1, 3));
        lab.write(format!("inbox/{seed}-a.cfbundle"), device.bundle_of(4, 5));
    }
    lab.copy("counterfoil-home", "undisturbed");
    let whole = lab.vendor("--home undisturbed merge inbox").done();
    assert_eq!(number(&whole, "events"), 600);
    let mut kills = 0;
    for _ in 0..MERGE_ROUNDS {
        let mut child = lab.start_vendor("merge inbox --answers out --jobs 2");
        kills += u32::from(kill_once_it_wrote(&lab, &mut child, chance.below(250_000) as u64));
        lab.vendor("audit verify").done();
        lab.vendor("rebuild --check").done();
    }
    assert!(kills > 0, "no merge was killed");
    lab.vendor("merge inbox --answers out").done();
    assert_eq!(lab.digest("counterfoil-home"), lab.digest("undisturbed"));
    let usage = |home: &str| lab.vendor(&format!("--home {home} audit usage --by chain,day")).done();
    assert_eq!(usage("counterfoil-home"), usage("undisturbed"));
    assert_eq!(lab.vendor("quarantine list").done()["entries"].as_array().map(Vec::len), Some(0));
    let unfinished = picture::files(&lab.path("out"))
        .keys()
        .filter(|path| path.to_string_lossy().ends_with(".tmp"))
        .count();
    lab.vendor("merge inbox --answers clean").done();
    let answers = fs::read_dir(lab.path("clean")).expect("answers").count();
    assert_eq!(fs::read_dir(lab.path("out")).expect("answers").count() - unfinished, answers);
}

/// Kills a merge as soon as the ledger's log has grown by `bytes`, unless it ends before that. Whether it was killed.
fn kill_once_it_wrote(lab: &Lab, child: &mut Child, bytes: u64) -> bool {
    let log = lab.home().join("ledger.db-wal");
    let size = || fs::metadata(&log).map_or(0, |metadata| metadata.len());
    let goal = size() + bytes;
    while child.try_wait().expect("it was started").is_none() {
        if size() >= goal {
            kill(child);
            return true;
        }
        thread::yield_now();
    }
    false
}

#[test]
fn a_second_agent_on_one_state_directory_is_told_that_it_is_busy() {
    let lab = Lab::with_policy(COUNTED);
    lab.activate("dev1", &lab.issue());
    let mut first = lab.start_device("dev1", "consume --batch -");
    let mut input = first.stdin.take().expect("a pipe");
    // The agent has the directory once it acknowledged a whole group, and keeps it until its input ends.
    input.write_all(batch(0..256).as_bytes()).expect("it reads");
    let mut lines = BufReader::new(first.stdout.take().expect("a pipe")).lines();
    assert_eq!(lines.by_ref().take(256).map_while(Result::ok).count(), 256);
    lab.device("dev1", "consume render 1").refused(8, "busy");
    // What only reads works beside it.
    for line in ["check render", "status", "history", "verify", "report -o beside.cfbundle"] {
        lab.device("dev1", line).exits(0).lines();
    }
    drop(input);
    assert_eq!(lines.count(), 0);
    assert!(first.wait().expect("it was started").success());
    lab.device("dev1", "consume render 1").done();
}

#[test]
fn a_killed_activation_can_be_asked_for_again() {
    let lab = Lab::with_policy(COUNTED);
    let license = lab.issue();
    let line = format!("activate --license-key {} --request dev1.cfbundle", license.key);
    for _ in 0..6 {
        let mut child = lab.start_device("dev1", &line);
        // As soon as the chain has its name the activation counts; before that there is nothing.
        while child.try_wait().expect("it was started").is_none() && !lab.path("dev1/device.key").exists() {
            thread::yield_now();
        }
        kill(&mut child);
        lab.device("dev1", "status").done();
    }
    lab.activate("dev1", &license);
    lab.device("dev1", "verify").done();
    lab.device("dev1", "consume render 1").done();
}

#[test]
fn a_killed_init_leaves_a_whole_home_or_none() {
    let lab = Lab::empty();
    let mut chance = Chance::new();
    for _ in 0..8 {
        let mut child = lab.start_vendor("init");
        let entries = || fs::read_dir(lab.path("")).expect("readable").count();
        let before = entries();
        while child.try_wait().expect("it was started").is_none() && entries() == before {
            thread::yield_now();
        }
        for _ in 0..chance.below(2_000) {
            thread::yield_now();
        }
        // It may have ended by itself in between.
        kill(&mut child);
        if lab.home().exists() {
            lab.vendor("license list").done();
            lab.vendor("audit verify --deep").done();
            fs::remove_dir_all(lab.home()).expect("writable");
        } else {
            lab.vendor("license list").refused(3, "home_missing");
        }
    }
    lab.vendor("init").done();
}

#[test]
fn agents_that_are_started_together_take_turns() {
    let lab = Lab::with_policy(COUNTED);
    lab.activate("dev1", &lab.issue());
    let running: Vec<Child> = (0..6).map(|_| lab.start_device("dev1", "consume render 2")).collect();
    let totals: BTreeSet<u64> =
        running.into_iter().map(|child| number(&Lab::wait(child).done(), "total")).collect();
    assert_eq!(totals, BTreeSet::from([2, 4, 6, 8, 10, 12]));
    lab.device("dev1", "verify").done();
}
