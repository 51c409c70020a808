//! The file path's stories over either carrier: what holds where files travel holds where people type codes. What a code cannot
//! carry stands by name, with its reason, in `carrier::NOT_BY_CODE`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use counterfoil_tests::carrier::{Carrier, NOT_BY_CODE};
use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{Lab, License};
use serde_json::Value;

const STANDARD: &str = "--type subscription --valid 365d --max-activations 2 --quota render=1000/month \
                        --sync-every 30d --grace 7d";
const WITH_OVERAGE: &str =
    "--max-activations 2 --quota render=1000/month --overage render=100 --sync-every 30d";

/// Makes each story a test by file and a test by code.
macro_rules! over_either {
    ($($story:ident,)*) => {
        mod by_file {
            use counterfoil_tests::Carrier;
            $(#[test] fn $story() { super::$story(Carrier::File); })*
        }

        mod by_code {
            use counterfoil_tests::Carrier;
            $(#[test] fn $story() { super::$story(Carrier::Code); })*
        }

        /// The stories that are told over either.
        const STORIES: &[&str] = &[$(stringify!($story)),*];
    };
}

over_either! {
    a_device_goes_from_its_request_to_its_deactivation,
    an_older_licence_file_is_superseded_and_the_same_again_changes_nothing,
    a_licence_file_works_on_its_own_device_only,
    what_is_beyond_the_quota_is_refused_and_counts_nothing,
    a_seat_that_is_given_back_is_given_to_the_next,
    a_refused_device_can_still_be_activated_anew,
    the_history_tells_both_sides_in_order_of_time,
    a_seat_that_an_operator_took_back_is_free_after_the_deadline,
    a_seat_without_a_deadline_takes_an_override,
    units_that_were_written_off_are_taken_from_the_device_and_its_use_still_counts,
    a_licence_is_extended_reduced_and_changed_and_its_devices_follow,
    late_reports_are_taken_in_and_flagged_whatever_became_of_the_licence,
    a_closing_that_ends_an_activation_is_not_late,
}

/// A story of the file suites is told here over either carrier, or it is listed why it is not.
#[test]
fn every_story_of_the_file_suites_is_told_by_codes_or_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let suites =
        ["file_cycle.rs", "life.rs"].map(|name| fs::read_to_string(folder.join(name)).expect("there"));
    let told = suites.iter().flat_map(|suite| suite.split("#[test]\n").skip(1)).map(|test| {
        test.strip_prefix("fn ").and_then(|test| test.split('(').next()).expect("a test is a function")
    });
    let told: BTreeSet<&str> = told.collect();
    let listed = NOT_BY_CODE.iter().map(|(what, _)| *what).filter(|what| what.contains('_'));
    let by_code: BTreeSet<&str> = STORIES.iter().copied().chain(listed.clone()).collect();
    assert_eq!(told, by_code);
    assert!(listed.clone().all(|name| !STORIES.contains(&name)), "told and listed");
    assert!(NOT_BY_CODE.iter().all(|(_, why)| !why.is_empty()));
}

/// Units of `render` that the vendor knows of.
#[track_caller]
fn used(lab: &Lab) -> u64 {
    let usage = lab.vendor("audit usage").done();
    let rows = usage["rows"].as_array().expect("rows");
    rows.iter().filter(|row| row["feature"] == "render").map(|row| number(row, "n")).sum()
}

/// What a device may still use of `render`.
#[track_caller]
fn left(lab: &Lab, device: &str) -> u64 {
    number(&lab.device(device, "check render").done(), "remaining")
}

/// The quota of `render` in the present period, which must add up.
#[track_caller]
fn render(lab: &Lab, license: &License) -> Value {
    let shown = lab.vendor(&format!("license show {}", license.id)).done();
    let quota = shown["quotas"][0].clone();
    let sum =
        signed(&quota, "free") + signed(&quota, "used") + signed(&quota, "held") - signed(&quota, "debt");
    assert_eq!(signed(&quota, "limit") + signed(&quota, "overage"), sum, "{quota:#}");
    quota
}

fn signed(object: &Value, key: &str) -> i64 {
    object[key].as_i64().unwrap_or_else(|| panic!("no number {key} in {object:#}"))
}

#[track_caller]
fn all_follows(lab: &Lab) {
    lab.vendor("rebuild --check").done();
    lab.vendor("audit verify --deep").done();
}

fn issued(carrier: Carrier, options: &str) -> (Lab, License) {
    let lab = carrier.lab(options);
    let license = lab.issue();
    (lab, license)
}

/// The licence as a device names it: a code does not tell its identifier.
#[track_caller]
fn is_named(carrier: Carrier, said: &Value, license: &License) {
    let named = carrier.tells("the licence's identifier").then_some(license.id.as_str());
    assert_eq!(said["license_id"].as_str(), named, "{said:#}");
}

fn a_device_goes_from_its_request_to_its_deactivation(carrier: Carrier) {
    let (lab, license) = issued(carrier, STANDARD);
    let asked = carrier.ask(&lab, "dev1", &license);
    let status = lab.device("dev1", "status").done();
    assert_eq!(status["state"], "pending");
    lab.device("dev1", "check render").refused_by_check("not_activated");
    let chain = carrier.decide(&lab, "dev1", &license, &asked).expect("a seat is free");
    assert_eq!(text(&status, "chain"), chain);
    is_named(carrier, &lab.device("dev1", "status").done(), &license);

    assert_eq!(lab.device("dev1", "check render").done()["allowed"], true);
    assert_eq!(lab.device("dev1", "check export").done()["code"], "allowed");
    assert_eq!(left(&lab, "dev1"), 500);
    assert_eq!(number(&lab.device("dev1", "consume render 5").done(), "total"), 5);
    assert_eq!(number(&lab.device("dev1", "consume render 7").done(), "total"), 12);
    lab.device("dev1", "set site 'plant 7'").done();
    assert_eq!(left(&lab, "dev1"), 488);

    let told = carrier.report(&lab, "dev1");
    let answer = carrier.take_in(&lab, &told);
    carrier.apply(&lab, "dev1", &answer).done();
    let status = lab.device("dev1", "status").done();
    assert_eq!(text(&status, "state"), "active");
    is_named(carrier, &status, &license);
    assert_eq!(used(&lab), 12);
    // The report topped the device up to its share again, and did not deactivate it.
    assert_eq!(left(&lab, "dev1"), 500);
    let before = lab.vendor_picture();
    assert_eq!(carrier.take_in(&lab, &told), answer);
    assert_eq!(lab.vendor_picture(), before, "what is known is not counted again");
    let shown = lab.vendor(&format!("activation show {chain}")).done();
    let site = shown["variables"].as_array().expect("variables").iter().any(|it| it["name"] == "site");
    assert_eq!(site, carrier.tells("values that were set"), "{shown:#}");

    lab.device("dev1", "check beta").refused_by_check("feature_absent");
    let beta =
        if carrier.tells("a feature that no policy of the pack holds") { "--feature beta" } else { "" };
    lab.vendor(&format!("license change {} --valid 730d {beta}", license.id)).done();
    let refreshed = carrier.refresh(&lab, "dev1", &chain);
    let changes = refreshed["changes"].as_array().expect("changes");
    assert!(changes.iter().any(|change| change["what"] == "valid until"), "{refreshed:#}");
    let features: &[&str] = carrier.either(&["beta", "export", "render"], &["export", "render"]);
    for feature in features {
        assert_eq!(lab.device("dev1", &format!("check {feature}")).done()["allowed"], true, "{feature}");
    }

    lab.device("dev1", "consume render 3").done();
    let told = carrier.close(&lab, "dev1");
    lab.device("dev1", "check render").refused_by_check("deactivated");
    lab.device("dev1", "consume render 1").refused(4, "deactivated");
    carrier.take_in(&lab, &told);
    assert_eq!(used(&lab), 15, "the last usage travels with the deactivation");

    all_follows(&lab);
    lab.device("dev1", "verify").done();
}

fn an_older_licence_file_is_superseded_and_the_same_again_changes_nothing(carrier: Carrier) {
    let (lab, license) = issued(carrier, STANDARD);
    let asked = carrier.ask(&lab, "dev1", &license);
    let first = carrier.answer(&lab, "dev1", &license, &asked).expect("a seat is free");
    carrier.apply(&lab, "dev1", &first).done();
    let told = carrier.report(&lab, "dev1");
    let second = carrier.take_in(&lab, &told);
    carrier.apply(&lab, "dev1", &second).done();
    let before = lab.device_picture("dev1");
    let again = carrier.apply(&lab, "dev1", &second).done();
    assert_eq!(again["changes"].as_array().map(Vec::len), Some(0));
    carrier.apply(&lab, "dev1", &first).refused(4, carrier.either("superseded", "code_answered_earlier"));
    assert_eq!(lab.device_picture("dev1"), before);
}

fn a_licence_file_works_on_its_own_device_only(carrier: Carrier) {
    let (lab, license) = issued(carrier, STANDARD);
    let asked = carrier.ask(&lab, "dev1", &license);
    let answer = carrier.answer(&lab, "dev1", &license, &asked).expect("a seat is free");
    carrier.activate(&lab, "dev2", &license);
    let (exit, code) = carrier.either((4, "grant_foreign"), (5, "code_mismatch"));
    carrier.apply(&lab, "dev2", &answer).refused(exit, code);
    carrier.ask(&lab, "dev3", &license);
    carrier.apply(&lab, "dev3", &answer).refused(exit, code);
    lab.device("dev3", "check export").refused_by_check("not_activated");
    assert_eq!(carrier.apply(&lab, "dev1", &answer).done()["state"], "active");
}

fn what_is_beyond_the_quota_is_refused_and_counts_nothing(carrier: Carrier) {
    let (lab, license) = issued(carrier, STANDARD);
    carrier.activate(&lab, "dev1", &license);
    lab.device("dev1", "consume render 501").refused(4, "quota_exhausted");
    assert_eq!(left(&lab, "dev1"), 500);
    lab.device("dev1", "consume render 500").done();
    lab.device("dev1", "consume render 1").refused(4, "quota_exhausted");
    lab.device("dev1", "check render").refused_by_check("quota_exhausted");
    carrier.sync(&lab, "dev1");
    assert_eq!(used(&lab), 500);
}

fn a_seat_that_is_given_back_is_given_to_the_next(carrier: Carrier) {
    let (lab, license) = issued(carrier, STANDARD);
    carrier.activate(&lab, "dev1", &license);
    carrier.activate(&lab, "dev2", &license);
    let asked = carrier.ask(&lab, "dev3", &license);
    assert_eq!(carrier.decide(&lab, "dev3", &license, &asked), Err("no_seat_free".to_owned()));
    let told = carrier.close(&lab, "dev1");
    carrier.take_in(&lab, &told);
    // The same request again is decided afresh, and whoever was denied before has a deadline like any other.
    carrier.decide(&lab, "dev3", &license, &asked).expect("a seat was given back");
    assert_eq!(lab.device("dev3", "check render").done()["allowed"], true);
    let [second, third] = ["dev2", "dev3"].map(|device| lab.device(device, "status").done());
    assert!(third["sync_by"].is_string(), "{third:#}");
    assert!(text(&third, "sync_by") >= text(&second, "sync_by"));
    all_follows(&lab);
}

fn a_refused_device_can_still_be_activated_anew(carrier: Carrier) {
    let (lab, license) = issued(carrier, STANDARD);
    let first = carrier.activate(&lab, "dev1", &license);
    lab.device("dev1", "consume render 20").done();
    let told = carrier.close(&lab, "dev1");
    carrier.take_in(&lab, &told);
    let second = carrier.activate(&lab, "dev1", &license);
    assert_ne!(first, second, "a chain that was closed stays closed");
    lab.device("dev1", "consume render 1").done();
    carrier.sync(&lab, "dev1");
    assert_eq!(used(&lab), 21);
}

fn the_history_tells_both_sides_in_order_of_time(carrier: Carrier) {
    let (lab, license) = issued(carrier, STANDARD);
    let chain = carrier.activate(&lab, "dev1", &license);
    carrier.sync(&lab, "dev1");
    let told = carrier.close(&lab, "dev1");
    carrier.take_in(&lab, &told);
    let history = lab.vendor(&format!("audit history {}", license.id)).done();
    let events = history["events"].as_array().expect("events");
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["kind"].as_str()).collect();
    assert_eq!(kinds.first(), Some(&"license.issued"));
    for kind in ["grant.issued", "activation.released"] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
    for kind in ["chain.opened", "activation.requested", "grant.applied", "chain.closed"] {
        assert_eq!(kinds.contains(&kind), carrier.tells("the device's own events"), "{kind}: {kinds:?}");
    }
    let received = kinds.iter().filter(|kind| **kind == "code.received").count();
    assert_eq!(received, carrier.either(0, 3), "{kinds:?}");
    let times: Vec<_> = events
        .iter()
        .map(|event| schemas::numbers::Micros::parse(&text(event, "at")).expect("RFC 3339"))
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    let activations = lab.vendor("activation list").done();
    let listed = &activations["activations"][0];
    assert_eq!((text(listed, "chain"), text(listed, "license_id")), (chain, license.id.clone()));
    assert_eq!(listed["state"], "released");
}

fn a_seat_that_an_operator_took_back_is_free_after_the_deadline(carrier: Carrier) {
    let options = "--max-activations 1 --sync-every 30d --grace 7d --clock-tolerance 1d";
    let (lab, license) = issued(carrier, options);
    let chain = carrier.activate(&lab, "dev1", &license);
    let sync_by = text(&lab.vendor(&format!("activation show {chain}")).done(), "sync_by");
    let released = lab.vendor(&format!("activation release {chain} --reason lost")).done();
    let days = |time: &str| schemas::numbers::Micros::parse(time).expect("RFC 3339").get() / 86_400_000_000;
    assert_eq!(days(&text(&released, "seat_free_at")) - days(&sync_by), 8, "grace and tolerance on top");
    assert_eq!((&released["is_free"], &released["overridden"]), (&false.into(), &false.into()));
    let asked = carrier.ask(&lab, "dev2", &license);
    assert_eq!(carrier.decide(&lab, "dev2", &license, &asked), Err("no_seat_free".to_owned()));
    lab.vendor(&format!("activation release {chain}")).refused(4, "status_unchanged");
    let released = lab.vendor(&format!("activation release {chain} --override")).done();
    assert_eq!((&released["is_free"], &released["overridden"]), (&true.into(), &true.into()));
    carrier.decide(&lab, "dev2", &license, &asked).expect("the seat was freed");
    assert_eq!(carrier.refresh(&lab, "dev1", &chain)["state"], "released");
    lab.device("dev1", "check export").exits(4).json();
    all_follows(&lab);
}

fn a_seat_without_a_deadline_takes_an_override(carrier: Carrier) {
    let (lab, license) = issued(carrier, "--max-activations 1 --quota render=10");
    let chain = carrier.activate(&lab, "dev1", &license);
    let refusal = lab.vendor(&format!("activation release {chain}")).refused(4, "no_deadline");
    assert!(text(&refusal, "hint").contains("--override"), "{refusal:#}");
    lab.vendor(&format!("activation write-off {chain}")).refused(4, "no_deadline");
    lab.vendor(&format!("activation release {chain} --override")).done();
    assert_eq!(carrier.refresh(&lab, "dev1", &chain)["state"], "released");
}

fn units_that_were_written_off_are_taken_from_the_device_and_its_use_still_counts(carrier: Carrier) {
    let (lab, license) = issued(carrier, WITH_OVERAGE);
    let chain = carrier.activate(&lab, "dev1", &license);
    lab.vendor(&format!("activation write-off {chain}")).refused(4, "not_silent");
    let quota = render(&lab, &license);
    assert_eq!((signed(&quota, "free"), number(&quota, "held"), number(&quota, "out")), (600, 500, 500));
    lab.vendor(&format!("activation write-off {chain} --override")).done();
    let quota = render(&lab, &license);
    assert_eq!((signed(&quota, "free"), number(&quota, "held")), (1_100, 0));
    lab.device("dev1", "consume render 80").done();
    carrier.sync(&lab, "dev1");
    let quota = render(&lab, &license);
    assert_eq!((signed(&quota, "free"), number(&quota, "used"), number(&quota, "held")), (520, 80, 500));
    assert_eq!(left(&lab, "dev1"), 500, "X is in its grant");
    let shown = lab.vendor(&format!("activation show {chain}")).done();
    assert_eq!(number(&shown["quotas"][0], "written_off"), 500);
    all_follows(&lab);
}

fn a_licence_is_extended_reduced_and_changed_and_its_devices_follow(carrier: Carrier) {
    let (lab, license) = issued(carrier, &format!("{WITH_OVERAGE} --valid 365d --maintenance 30d"));
    let chain = carrier.activate(&lab, "dev1", &license);
    let mut valid_until = Vec::new();
    for span in ["730d", "10d"] {
        lab.vendor(&format!("license change {} --valid {span}", license.id)).done();
        carrier.refresh(&lab, "dev1", &chain);
        valid_until.push(text(&lab.device("dev1", "status").done()["entitlement"], "valid_until"));
    }
    assert!(valid_until[1] < valid_until[0], "{valid_until:?}");
    let covered = |date: &str| lab.device("dev1", &format!("check export --release-date {date}"));
    covered("2026-11-01").done();
    covered("2099-01-01").refused_by_check("version_not_covered");
    lab.vendor(&format!("license change {} --maintenance never", license.id)).done();
    if carrier.tells("maintenance that is not the policy's") {
        carrier.refresh(&lab, "dev1", &chain);
        covered("2099-01-01").done();
    } else {
        lab.take_code(&lab.return_code("dev1")).refused(4, "code_policy");
    }
    lab.vendor(&format!("license change {} --remove-feature render", license.id)).done();
    if carrier.tells("a feature that was taken out of the licence") {
        carrier.refresh(&lab, "dev1", &chain);
        lab.device("dev1", "check render").refused_by_check("feature_absent");
    } else {
        lab.take_code(&lab.return_code("dev1")).refused(4, "code_policy");
    }
    all_follows(&lab);
}

fn late_reports_are_taken_in_and_flagged_whatever_became_of_the_licence(carrier: Carrier) {
    for end in
        ["license suspend LICENSE", "--yes license revoke LICENSE", "activation release CHAIN --override"]
    {
        let (lab, license) = issued(carrier, WITH_OVERAGE);
        let chain = carrier.activate(&lab, "dev1", &license);
        lab.device("dev1", "consume render 7").done();
        lab.vendor(&end.replace("LICENSE", &license.id).replace("CHAIN", &chain)).done();
        let findings = || {
            let shown = lab.vendor(&format!("activation show {chain}")).done();
            shown["findings"].as_array().expect("findings").clone()
        };
        assert_eq!(findings(), Vec::<Value>::new(), "{end}");
        carrier.sync(&lab, "dev1");
        assert_eq!(number(&render(&lab, &license), "used"), 7, "{end}");
        if carrier.tells("that a report is late") {
            assert_eq!(findings()[0]["code"], "reported_late", "{end}");
        }
        all_follows(&lab);
    }
}

fn a_closing_that_ends_an_activation_is_not_late(carrier: Carrier) {
    let (lab, license) = issued(carrier, WITH_OVERAGE);
    let chain = carrier.activate(&lab, "dev1", &license);
    lab.device("dev1", "consume render 7").done();
    let told = carrier.close(&lab, "dev1");
    carrier.take_in(&lab, &told);
    let shown = lab.vendor(&format!("activation show {chain}")).done();
    assert_eq!(shown["findings"], Value::Array(Vec::new()));
    let quota = render(&lab, &license);
    assert_eq!((number(&quota, "used"), number(&quota, "held"), signed(&quota, "free")), (7, 0, 1_093));
}
