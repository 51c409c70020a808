//! Periods from open to sealed: late use, early seals, and figures that follow from the evidence or are told not to.

use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{Cell, HandMade, Lab, License, Tables, picture};
use ledger::state;
use serde_json::Value;

const COUNTED: &str = "--valid 365d --max-activations 10 --mode render=counted --quota render=1000000/month";

/// A chain that used 10 units in January and 20 in February 2025, whose months are long over.
fn device(seed: u64, license: &License) -> HandMade {
    HandMade::new(seed, license)
        .opened_at("2025-01-10T00:00:00Z")
        .consume(4)
        .consume(6)
        .at("2025-02-10T00:00:00Z")
        .consume(20)
}

/// A licence with one device, of which the vendor has all up to January.
fn begun(options: &str) -> (Lab, License, HandMade) {
    let lab = Lab::with_policy(&format!("{COUNTED} {options}"));
    let license = lab.issue();
    let device = device(1, &license);
    lab.write("january.cfbundle", device.bundle_of(1, 4));
    lab.write("february.cfbundle", device.bundle_of(5, 5));
    lab.vendor("merge january.cfbundle").done();
    (lab, license, device)
}

#[track_caller]
fn period(lab: &Lab, license: &License, period: &str) -> Value {
    let listed = lab.vendor(&format!("period list {} --feature render", license.id)).done();
    let found = listed["periods"].as_array().expect("periods").iter().find(|line| line["period"] == period);
    found.unwrap_or_else(|| panic!("no {period} in {listed:#}")).clone()
}

#[track_caller]
fn sealed(lab: &Lab, line: &str) -> Vec<String> {
    let report = lab.vendor(&format!("period seal {line}")).done();
    report["sealed"].as_array().expect("sealed").iter().map(|line| text(line, "period")).collect()
}

#[track_caller]
fn follows(lab: &Lab, license: &License, period: &str) {
    let shown = lab.vendor(&format!("period show {} render {period}", license.id)).done();
    assert_eq!(shown["derived"]["follows"], true, "{shown:#}");
    assert_eq!(shown["derived"]["used"], shown["sealed"], "{shown:#}");
    assert_eq!(shown["derived"]["evidence"], shown["evidence"], "{shown:#}");
}

#[track_caller]
fn sound(lab: &Lab) {
    lab.vendor("rebuild --check").done();
    lab.vendor("audit verify --deep").done();
}

#[test]
fn late_use_is_adjusted_and_both_figures_stay_reproducible() {
    let (lab, license, _) = begun("");
    assert_eq!(period(&lab, &license, "2025-01")["state"], "waiting");
    assert_eq!(sealed(&lab, &license.id), ["2025-01"]);
    let january = period(&lab, &license, "2025-01");
    assert_eq!((&january["state"], number(&january, "sealed")), (&"sealed".into(), 10));

    let tables = picture::tables(&lab.home());
    assert_eq!(sealed(&lab, "--all"), [""; 0]);
    assert_eq!(picture::tables(&lab.home()), tables, "sealing again changes nothing");

    // A second device was silent: its January comes late, and its February in time.
    lab.write("late.cfbundle", device(2, &license).bundle());
    lab.vendor("merge late.cfbundle").done();
    let january = period(&lab, &license, "2025-01");
    assert_eq!((number(&january, "used"), number(&january, "sealed")), (20, 10));
    assert_eq!((number(&january, "unadjusted"), number(&january, "added")), (10, 0));

    let report = lab.vendor("period seal --all").done();
    assert_eq!(
        (text(&report["sealed"][0], "period"), number(&report["sealed"][0], "used")),
        ("2025-02".into(), 20)
    );
    assert_eq!(report["adjusted"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (text(&report["adjusted"][0], "period"), number(&report["adjusted"][0], "added")),
        ("2025-01".into(), 10)
    );
    let january = period(&lab, &license, "2025-01");
    assert_eq!(
        (number(&january, "sealed"), number(&january, "added"), number(&january, "unadjusted")),
        (10, 10, 0)
    );

    // The first device's February is late too, and no period is due any more.
    lab.vendor("merge february.cfbundle").done();
    assert_eq!(number(&period(&lab, &license, "2025-02"), "unadjusted"), 20);
    follows(&lab, &license, "2025-01");
    follows(&lab, &license, "2025-02");
    let report = lab.vendor("period seal --all").done();
    assert_eq!(
        (text(&report["adjusted"][0], "period"), number(&report["adjusted"][0], "added")),
        ("2025-02".into(), 20)
    );
    assert_eq!(report["sealed"].as_array().map(Vec::len), Some(0));
    sound(&lab);
    lab.vendor("rebuild").done();
    follows(&lab, &license, "2025-01");
    follows(&lab, &license, "2025-02");
    let history = lab.vendor(&format!("audit history {}", license.id)).done();
    let history = history.to_string();
    assert_eq!(history.matches("usage.adjusted").count(), 2);
    assert_eq!(history.matches("period.sealed").count(), 2);
}

/// No period of it is ever due again; what a device reports for the last one is signed all the same, once.
#[test]
fn late_use_of_a_licence_that_ended_is_adjusted() {
    let (lab, license, _) = begun("");
    lab.vendor("merge february.cfbundle").done();
    lab.vendor(&format!("license revoke {} --reason ended --yes", license.id)).done();
    assert_eq!(sealed(&lab, "--all"), ["2025-01", "2025-02"]);
    lab.write("late.cfbundle", device(2, &license).bundle());
    lab.vendor("merge late.cfbundle").done();
    let report = lab.vendor(&format!("period seal {}", license.id)).done();
    let adjusted = |number: usize| number_and_period(&report["adjusted"][number]);
    assert_eq!((adjusted(0), adjusted(1)), ((10, "2025-01".into()), (20, "2025-02".into())));
    let tables = picture::tables(&lab.home());
    let again = lab.vendor("period seal --all").done();
    assert_eq!((&again["sealed"], &again["adjusted"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    assert_eq!(picture::tables(&lab.home()), tables, "sealing again changes nothing");
    for month in ["2025-01", "2025-02"] {
        assert_eq!(number(&period(&lab, &license, month), "unadjusted"), 0);
        follows(&lab, &license, month);
    }
    sound(&lab);
}

fn number_and_period(adjustment: &Value) -> (u64, String) {
    (number(adjustment, "added"), text(adjustment, "period"))
}

#[test]
fn a_period_that_waits_is_sealed_early_only_for_a_reason() {
    let (lab, license, _) = begun("--finalisation-days 60000");
    lab.vendor("merge february.cfbundle").done();
    assert_eq!(sealed(&lab, &license.id), [""; 0]);
    lab.vendor(&format!("period seal {} --early", license.id)).refused(2, "usage");
    lab.vendor(&format!("period seal {} --reason x", license.id)).refused(2, "usage");
    lab.vendor("period seal").refused(2, "usage");
    let early = format!("{} --early --reason 'contract ended' --before 2025-02-01", license.id);
    assert_eq!(sealed(&lab, &early), ["2025-01"]);
    let january = period(&lab, &license, "2025-01");
    assert_eq!((&january["early"], number(&january, "sealed")), (&true.into(), 10));
    assert_eq!(period(&lab, &license, "2025-02")["state"], "waiting");
    follows(&lab, &license, "2025-01");
    sound(&lab);
}

#[test]
fn only_what_is_asked_for_is_listed() {
    let (lab, license, _) = begun("");
    sealed(&lab, "--all");
    let count =
        |line: &str| lab.vendor(&format!("period list {line}")).done()["periods"].as_array().map(Vec::len);
    assert_eq!(count("--state sealed"), Some(1));
    assert_eq!(count("--state waiting"), Some(0));
    assert_eq!(count(&format!("{} --state open", license.id)), Some(1), "the present month, without use");
    assert_eq!(count("--feature export"), Some(0), "it is on or off");
    lab.vendor("period list --feature nothing").refused(3, "feature_unknown");
    lab.vendor("period list --state late").refused(2, "usage");
    lab.vendor(&format!("period show {} render 2019-01", license.id)).refused(3, "period_unknown");
    lab.vendor(&format!("period show {} render soon", license.id)).refused(2, "usage");
    let open = lab.vendor(&format!("period list {} --state open", license.id)).done();
    let open = text(&open["periods"][0], "period");
    let shown = lab.vendor(&format!("period show {} render {open}", license.id)).done();
    assert_eq!((&shown["state"], shown["derived"].is_null()), (&"open".into(), true));
}

#[test]
fn a_silent_device_is_told_with_the_seal() {
    let lab = Lab::with_policy(&format!("{COUNTED} --sync-every 1s --grace 0s --clock-tolerance 0s"));
    let license = lab.issue();
    lab.write("device.cfbundle", device(1, &license).bundle());
    lab.vendor("merge device.cfbundle").done();
    // Before the seal, the present counts: a second passes while the program is asked again.
    let is_silent = || number(&period(&lab, &license, "2025-01"), "silent") == 1;
    assert!((0..1_000).any(|_| is_silent()), "the deadline never passed");
    sealed(&lab, "--all");
    assert_eq!(number(&period(&lab, &license, "2025-01"), "silent"), 1);
    sound(&lab);
}

/// The seal is signed; what it was made from is not what it was.
#[test]
fn a_figure_that_no_longer_follows_is_told() {
    let (lab, license, _) = begun("");
    lab.vendor("merge february.cfbundle").done();
    sealed(&lab, "--all");
    let show = format!("period show {} render 2025-01", license.id);
    let ledger = Tables::of(&lab.home());
    let device_runs = "writer = 0 AND first_seq = 1";
    let pairs = ledger.row(&format!("SELECT pairs FROM runs WHERE {device_runs}"), &[]).remove(0).bytes();
    let mut changed = pairs.clone();
    *changed.last_mut().expect("not empty") ^= 1;
    let update = format!("UPDATE runs SET pairs = $1 WHERE {device_runs}");
    ledger.execute(&update, &[Cell::Bytes(changed)]);
    let shown = lab.vendor(&show).exits(5).json();
    assert_eq!(
        (&shown["derived"]["follows"], &shown["derived"]["code"]),
        (&false.into(), &"seal_mismatch".into())
    );
    ledger.execute(&update, &[Cell::Bytes(pairs)]);
    lab.vendor(&show).done();
    state_with_one_more(&ledger);
    assert_eq!(lab.vendor(&show).exits(5).json()["derived"]["used"], 10);
    lab.vendor("rebuild --check").exits(6).json();
    lab.vendor("rebuild").done();
    lab.vendor(&show).done();
}

/// Adds a unit to every seal in the kept state.
fn state_with_one_more(ledger: &Tables) {
    let kept = ledger.row("SELECT state FROM licenses", &[]).remove(0).bytes();
    let mut license = state::license(&kept).expect("sound");
    for seal in license.periods.values_mut() {
        seal.used = seal.used.saturating_plus(1);
    }
    let changed = Cell::Bytes(state::of_license(&license));
    assert_eq!(ledger.execute("UPDATE licenses SET state = $1", &[changed]), 1);
}

/// A seal of the epoch that ended still follows, and what came after it is adjusted in the new one.
#[test]
fn a_seal_outlives_a_restore() {
    let (lab, license, _) = begun("");
    sealed(&lab, "--all");
    lab.vendor("backup -o saved").done();
    lab.vendor("--home second restore saved").done();
    std::fs::rename(lab.home(), lab.path("lost")).expect("writable");
    std::fs::rename(lab.path("second"), lab.home()).expect("writable");
    follows(&lab, &license, "2025-01");
    lab.write("late.cfbundle", device(2, &license).bundle());
    lab.vendor("merge late.cfbundle february.cfbundle").done();
    let report = lab.vendor("period seal --all").done();
    assert_eq!(number(&report["adjusted"][0], "added"), 10);
    follows(&lab, &license, "2025-01");
    follows(&lab, &license, "2025-02");
    sound(&lab);
}
