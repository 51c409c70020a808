//! Whatever statement of a command fails on PostgreSQL, and however it fails: the ledger ends as if nothing had happened,
//! or the command says that it was not done, and the same again ends there. Nothing is done twice.

use std::sync::OnceLock;

use counterfoil_tests::faults::{Before, Office, was_done};
use counterfoil_tests::lab::{number, text};
use counterfoil_tests::proxy::RAISES;
use counterfoil_tests::{Cell, HandMade, Lab, License, Ran, Tables};

const COUNTED: &str = "--max-activations 1000 --mode render=counted --sync-every 30d";

/// A ledger that everything of an inbox but what was merged earlier is still to be merged into.
fn before() -> Before {
    let before = Before::with_policy(COUNTED);
    let licenses: Vec<License> = (0..3).map(|_| before.lab.issue()).collect();
    write_inbox(&before.lab, &licenses);
    before.lab.vendor("merge earlier").done();
    before
}

/// Devices that are new and known, one that forks, one that lacks its beginning, one that waits for an event, and one that
/// no licence knows; with what was merged of them before.
fn write_inbox(lab: &Lab, licenses: &[License]) {
    for (seed, license) in (0..4).zip(licenses.iter().cycle()) {
        let device = HandMade::new(seed, license).consume(1).consume(2);
        lab.write(format!("inbox/{seed}.cfbundle"), device.bundle());
        if seed < 2 {
            lab.write(format!("earlier/{seed}.cfbundle"), device.bundle_of(1, 3));
        }
    }
    lab.write("inbox/forked.cfbundle", HandMade::new(0, &licenses[0]).consume(9).bundle());
    lab.write(
        "inbox/parked.cfbundle",
        HandMade::new(1, &licenses[1]).consume(1).consume(2).consume(3).consume(4).bundle_of(6, 6),
    );
    lab.write(
        "inbox/headless.cfbundle",
        HandMade::new(50, &licenses[1]).consume(1).consume(1).bundle_of(4, 4),
    );
    lab.write("inbox/forged.cfbundle", HandMade::new(51, &licenses[2]).with_bad_proof().bundle());
}

/// How a ledger stands: its digest, and what is in quarantine. Each of its rows follows from the runs: no use is counted
/// twice.
fn standing(office: &Office<'_>, lab: &Lab) -> (String, Vec<Vec<Cell>>) {
    office.vendor("rebuild --check").done();
    let quarantine =
        "SELECT code, source, chain, digest, first_seq, last_seq FROM quarantine ORDER BY code, digest";
    (lab.digest(&office.home), Tables::of(&lab.path(&office.home)).rows(quarantine, &[]))
}

#[test]
fn whatever_statement_of_a_merge_fails_the_ledger_ends_as_if_nothing_had_happened() {
    let before = before();
    // What it comes to without a fault, which is tried first.
    let (merged, expected) = (OnceLock::new(), OnceLock::new());
    before.each_fault(|office, plan, may_be_told| {
        let url = office.anew();
        let merge = format!("merge inbox --answers out-{}", office.home);
        let ran = office.disturbed(&merge, plan);
        let was_done = was_done(&ran, 6, plan, may_be_told);
        let events = |ran: &Ran| number(&ran.json(), "events");
        let merged = *merged.get_or_init(|| events(&ran));
        assert!(!was_done || events(&ran) == merged, "{plan:?}: {ran:?}");
        let again = events(&office.vendor(&merge).exits(6));
        assert_eq!(again, if was_done { 0 } else { merged }, "{plan:?}: {ran:?}");
        let standing = standing(office, &before.lab);
        assert_eq!(standing, *expected.get_or_init(|| standing.clone()), "{plan:?}: {ran:?}");
        before.server.drop_database(&url);
    });
}

#[test]
fn whatever_statement_of_issuing_fails_all_licences_are_there_or_none() {
    let before = before();
    let licenses = |office: &Office<'_>| -> Vec<String> {
        let listed = office.vendor("license list").done()["licenses"].clone();
        listed.as_array().expect("a list").iter().map(|license| text(license, "license_id")).collect()
    };
    before.each_fault(|office, plan, may_be_told| {
        let url = office.anew();
        let ran = office.disturbed("license issue --policy standard --customer B --count 3", plan);
        let was_done = was_done(&ran, 0, plan, may_be_told);
        let there = licenses(office);
        assert_eq!(there.len(), if was_done { 6 } else { 3 }, "{plan:?}: {ran:?}");
        let issued = if was_done { ran.lines() } else { Vec::new() };
        assert!(issued.iter().all(|issued| there.contains(&text(issued, "license_id"))), "{plan:?}: {ran:?}");
        office.vendor("rebuild --check").done();
        before.server.drop_database(&url);
    });
}

#[test]
fn whatever_statement_of_a_change_fails_it_is_made_once_or_not_at_all() {
    let before = before();
    let license = text(&before.lab.vendor("license list").done()["licenses"][0], "license_id");
    before.each_fault(|office, plan, may_be_told| {
        let url = office.anew();
        let changes = |office: &Office<'_>| {
            let history = office.vendor(&format!("audit history {license}")).done();
            let events = history["events"].as_array().expect("events");
            events.iter().filter(|event| event["kind"] == "entitlement.changed").count()
        };
        let ran = office.disturbed(&format!("license change {license} --valid 730d"), plan);
        let was_done = was_done(&ran, 0, plan, may_be_told);
        assert_eq!(changes(office), usize::from(was_done), "{plan:?}: {ran:?}");
        office.vendor("rebuild --check").done();
        before.server.drop_database(&url);
    });
}

#[test]
fn whatever_statement_of_a_rebuild_fails_every_row_follows_from_the_runs() {
    let before = before();
    before.each_fault(|office, plan, may_be_told| {
        let url = office.anew();
        let standing_before = standing(office, &before.lab);
        let ran = office.disturbed("rebuild", plan);
        was_done(&ran, 0, plan, may_be_told);
        assert_eq!(standing(office, &before.lab), standing_before, "{plan:?}: {ran:?}");
        before.server.drop_database(&url);
    });
}

#[test]
fn whatever_statement_of_a_copy_into_a_file_fails_the_file_is_whole_or_not_there() {
    let before = before();
    before.each_fault(|office, plan, _| {
        let url = office.anew();
        let digest = before.lab.digest(&office.home);
        let file = before.lab.path(format!("{}/copy.db", office.home));
        let copy = format!("store copy --to sqlite:{} --switch", file.display());
        let ran = office.disturbed(&copy, plan);
        if !was_done(&ran, 0, plan, true) {
            assert!(!file.exists(), "{plan:?}: {ran:?}");
            office.vendor(&copy).done();
        }
        office.vendor("rebuild --check").done();
        assert_eq!(before.lab.digest(&office.home), digest, "{plan:?}: {ran:?}");
        std::fs::remove_file(&file).expect("the copy");
        before.server.drop_database(&url);
    });
}

#[test]
fn whatever_statement_of_a_copy_onto_a_server_fails_it_may_be_made_again() {
    let before = before();
    let empty = before.server.database();
    before.server.run(&empty, RAISES);
    let file = before.lab.path("counterfoil-home/ledger.db");
    before.lab.vendor(&format!("store copy --to sqlite:{} --switch", file.display())).done();
    let digest = before.lab.digest("counterfoil-home");
    before.each_fault(|office, plan, _| {
        let url = before.server.copy_of(&empty);
        let home = format!("{}-copied", office.home);
        before.lab.copy("counterfoil-home", &home);
        let copy = format!("store copy --to {} --switch", office.proxy.through(&url));
        let ran = office.disturbed_in(&home, &copy, plan);
        if !was_done(&ran, 0, plan, true) {
            assert_eq!(before.lab.digest(&home), digest, "{plan:?}: {ran:?}");
            before.lab.vendor(&format!("--home {home} {copy}")).done();
        }
        before.lab.vendor(&format!("--home {home} rebuild --check")).done();
        assert_eq!(before.lab.digest(&home), digest, "{plan:?}: {ran:?}");
        std::fs::remove_dir_all(before.lab.path(&home)).expect("the copy of the home");
        before.server.drop_database(&url);
    });
}
