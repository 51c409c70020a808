//! Whatever statement of a command fails on PostgreSQL, and however it fails: the command is done as if nothing had happened,
//! or says that it was not, and then nothing is. A merge and a copy are made again, and end where they would have.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use counterfoil_tests::faults::{Office, Original, done_or_told};
use counterfoil_tests::lab::{number, text};
use counterfoil_tests::proxy::RAISES;
use counterfoil_tests::{Cell, HandMade, Lab, License, Ran, Tables};

const COUNTED: &str = "--max-activations 1000 --mode render=counted --sync-every 30d";

/// A ledger that everything of an inbox but what was merged earlier is still to be merged into.
fn original() -> Original {
    let original = Original::with_policy(COUNTED);
    let licenses: Vec<License> = (0..3).map(|_| original.lab.issue()).collect();
    write_inbox(&original.lab, &licenses);
    // Where no service runs, what is told waits in the ledger.
    original.lab.vendor("webhook create https://1.1.1.1/").done();
    original.lab.vendor("merge earlier").done();
    original
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

/// The same after that merge: with branches, a fork, runs that are parked, and a quarantine.
fn original_with_everything() -> Original {
    let original = original();
    original.lab.vendor("merge inbox").exits(6).json();
    original
}

/// How a ledger stands: its digest, what is in quarantine, what is parked, and what is told of which licence. Each of its rows
/// follows from the runs: no use is counted twice.
type Standing = (String, Vec<Vec<Cell>>, Vec<Vec<Cell>>, Vec<Vec<Cell>>);

fn standing(lab: &Lab, home: &str) -> Standing {
    lab.vendor(&format!("--home {home} rebuild --check")).done();
    let quarantine =
        "SELECT code, source, chain, digest, first_seq, last_seq FROM quarantine ORDER BY code, digest";
    let parked = "SELECT chain, digest, first_seq, last_seq, bytes FROM parked ORDER BY chain, digest";
    let told = "SELECT license_id, topic FROM deliveries ORDER BY license_id, topic";
    let tables = Tables::of(&lab.path(home));
    (lab.digest(home), tables.rows(quarantine, &[]), tables.rows(parked, &[]), tables.rows(told, &[]))
}

#[test]
fn whatever_statement_of_a_merge_fails_the_ledger_ends_as_if_nothing_had_happened() {
    let original = original();
    // What it comes to without a fault, which is tried first.
    let (merged, expected) = (OnceLock::new(), OnceLock::new());
    original.each_fault(2, |office, plan, may_be_told| {
        let url = office.anew();
        let merge = format!("merge inbox --answers out-{}", office.home);
        let ran = office.disturbed(&merge, plan);
        let was_done = done_or_told(&ran, 6, plan, may_be_told);
        let events = |ran: &Ran| number(&ran.json(), "events");
        let merged = *merged.get_or_init(|| events(&ran));
        assert!(!was_done || events(&ran) == merged, "{plan:?}: {ran:?}");
        let again = events(&office.vendor(&merge).exits(6));
        assert_eq!(again, if was_done { 0 } else { merged }, "{plan:?}: {ran:?}");
        let standing = standing(&original.lab, &office.home);
        assert_eq!(standing, *expected.get_or_init(|| standing.clone()), "{plan:?}: {ran:?}");
        original.server.drop_database(&url);
    });
}

#[test]
fn whatever_statement_of_issuing_fails_all_licences_are_there_or_none() {
    let original = original();
    let licenses = |office: &Office<'_>| -> Vec<String> {
        let listed = office.vendor("license list").done()["licenses"].clone();
        listed.as_array().expect("a list").iter().map(|license| text(license, "license_id")).collect()
    };
    original.each_fault(1, |office, plan, may_be_told| {
        let url = office.anew();
        let ran = office.disturbed("license issue --policy standard --customer B --count 3", plan);
        let was_done = done_or_told(&ran, 0, plan, may_be_told);
        let there = licenses(office);
        assert_eq!(there.len(), if was_done { 6 } else { 3 }, "{plan:?}: {ran:?}");
        if was_done {
            let issued: BTreeSet<String> =
                ran.lines().iter().map(|issued| text(issued, "license_id")).collect();
            assert_eq!(issued.len(), 3, "{plan:?}: {ran:?}");
            assert!(issued.iter().all(|issued| there.contains(issued)), "{plan:?}: {ran:?}");
        }
        office.vendor("rebuild --check").done();
        original.server.drop_database(&url);
    });
}

#[test]
fn whatever_statement_of_a_change_fails_it_is_made_once_or_not_at_all() {
    let original = original();
    let license = text(&original.lab.vendor("license list").done()["licenses"][0], "license_id");
    original.each_fault(1, |office, plan, may_be_told| {
        let url = office.anew();
        let changes = |office: &Office<'_>| {
            let history = office.vendor(&format!("audit history {license}")).done();
            let events = history["events"].as_array().expect("events");
            events.iter().filter(|event| event["kind"] == "entitlement.changed").count()
        };
        let ran = office.disturbed(&format!("license change {license} --valid 730d"), plan);
        let was_done = done_or_told(&ran, 0, plan, may_be_told);
        assert_eq!(changes(office), usize::from(was_done), "{plan:?}: {ran:?}");
        office.vendor("rebuild --check").done();
        original.server.drop_database(&url);
    });
}

#[test]
fn whatever_statement_of_a_rebuild_fails_every_row_follows_from_the_runs() {
    let original = original_with_everything();
    let expected = standing(&original.lab, "counterfoil-home");
    original.each_fault(1, |office, plan, may_be_told| {
        let url = office.anew();
        // What it has to make good.
        original.server.run(&url, "DELETE FROM usage; UPDATE chains SET seq = 0");
        let ran = office.disturbed("rebuild", plan);
        if !done_or_told(&ran, 0, plan, may_be_told) {
            office.vendor("rebuild").done();
        }
        assert_eq!(standing(&original.lab, &office.home), expected, "{plan:?}: {ran:?}");
        original.server.drop_database(&url);
    });
}

#[test]
fn whatever_statement_of_a_copy_into_a_file_fails_the_file_is_whole_or_not_there() {
    let original = original_with_everything();
    let expected = standing(&original.lab, "counterfoil-home");
    original.each_fault(0, |office, plan, _| {
        let url = office.anew();
        let file = original.lab.path(format!("{}/ledger.db", office.home));
        let copy = format!("store copy --to sqlite:{} --switch", file.display());
        let ran = office.disturbed(&copy, plan);
        if !done_or_told(&ran, 0, plan, !plan.is_empty()) {
            assert!(!file.exists(), "{plan:?}: {ran:?}");
            office.vendor(&copy).done();
        }
        assert_eq!(standing(&original.lab, &office.home), expected, "{plan:?}: {ran:?}");
        std::fs::remove_file(&file).expect("the copy");
        original.server.drop_database(&url);
    });
}

#[test]
fn whatever_statement_of_a_copy_onto_a_server_fails_it_may_be_made_again() {
    let original = original_with_everything();
    let empty = original.server.database();
    original.server.run(&empty, RAISES);
    // In the home, so that each copy of the home has a ledger of its own: one that all opened had files that came and went
    // while the home was copied.
    original.lab.vendor("store copy --to sqlite: --switch").done();
    let expected = standing(&original.lab, "counterfoil-home");
    original.each_fault(1, |office, plan, _| {
        let url = original.server.copy_of(&empty);
        let home = format!("{}-copied", office.home);
        original.lab.copy("counterfoil-home", &home);
        let copy = format!("store copy --to {} --switch", office.proxy.through(&url));
        let ran = office.disturbed_in(&home, &copy, plan);
        if !done_or_told(&ran, 0, plan, !plan.is_empty()) {
            assert_eq!(original.lab.digest(&home), expected.0, "{plan:?}: {ran:?}");
            original.lab.vendor(&format!("--home {home} {copy}")).done();
        }
        assert_eq!(standing(&original.lab, &home), expected, "{plan:?}: {ran:?}");
        std::fs::remove_dir_all(original.lab.path(&home)).expect("the copy of the home");
        original.server.drop_database(&url);
    });
}
