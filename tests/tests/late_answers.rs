//! Answers that came too late to be applied, through the real programs.

use std::collections::BTreeSet;

use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{Lab, picture};

/// How often something is asked for again before it counts as never coming.
const TRIES: usize = 10_000;

fn lab(import_for: &str) -> Lab {
    Lab::with_policy(&format!(
        "--max-activations 5 --quota render=1000/month --sync-every 30d --import-for {import_for}"
    ))
}

#[test]
fn while_an_answer_can_be_applied_the_same_request_gets_it_byte_for_byte() {
    let lab = lab("1d");
    let license = lab.issue();
    lab.request("dev1", &license);
    lab.vendor("merge dev1.cfbundle --answers out").done();
    let (answer, tables) = (lab.read("out/dev1.cfgrant"), picture::tables(&lab.home()));
    lab.vendor("merge dev1.cfbundle --answers again").done();
    assert_eq!(lab.read("again/dev1.cfgrant"), answer);
    assert_eq!(picture::tables(&lab.home()), tables, "nothing was written");
}

/// The device refused its answer, has nothing new to say, and sends the same request.
#[test]
fn an_answer_that_came_too_late_is_given_anew() {
    let lab = lab("1s");
    let license = lab.issue();
    lab.request("dev1", &license);
    lab.vendor("merge dev1.cfbundle --answers out").done();
    let first = lab.read("out/dev1.cfgrant");
    let comes = (0..TRIES).any(|_| {
        lab.vendor("merge dev1.cfbundle --answers out").done();
        lab.read("out/dev1.cfgrant") != first
    });
    assert!(comes, "the same answer for ever");
    lab.vendor("rebuild --check").done();
    lab.vendor("audit verify --deep").done();
}

/// A released activation has its last grant again on `refresh`, and a new one where that can no longer be applied.
#[test]
fn a_refresh_of_what_ended_can_be_applied() {
    let lab = lab("1s");
    let license = lab.issue();
    lab.request("dev1", &license);
    lab.vendor("merge dev1.cfbundle").done();
    let chain = text(&lab.device("dev1", "status").done(), "chain");
    lab.vendor(&format!("activation release {chain} --override --reason moved --yes")).done();
    let mut seen = BTreeSet::new();
    let comes = (0..TRIES).any(|_| {
        lab.vendor(&format!("refresh {chain} -o refresh.cfgrant")).done();
        seen.insert(lab.read("refresh.cfgrant"));
        seen.len() > 1
    });
    assert!(comes, "the same file for ever");
    let shown = lab.vendor("show refresh.cfgrant").done();
    assert_eq!(text(&shown["answers"][0], "status"), "released");
}

#[test]
fn a_report_of_all_holds_what_was_acknowledged_and_changes_nothing() {
    let lab = lab("1d");
    let license = lab.issue();
    lab.activate("dev1", &license);
    lab.device("dev1", "consume render 5").done();
    lab.sync("dev1");
    let events = number(&lab.device("dev1", "status").done(), "events");
    let written = lab.device("dev1", "report --all -o all.cfbundle").done();
    assert_eq!(number(&written, "events"), events);
    assert!(number(&written, "unacknowledged") < events);
    let before = picture::tables(&lab.home());
    let merged = lab.vendor("merge all.cfbundle").done();
    assert_eq!(number(&merged, "events"), number(&written, "unacknowledged"), "the rest was known");
    assert_ne!(picture::tables(&lab.home()), before);
    let tables = picture::tables(&lab.home());
    assert_eq!(number(&lab.vendor("merge all.cfbundle").done(), "known"), 1);
    assert_eq!(picture::tables(&lab.home()), tables);
}
