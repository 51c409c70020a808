//! What a vendor does with licences, and what the devices are told: issuing by the dozen, suspending, quotas, seats.

use std::collections::BTreeSet;

use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{Lab, License};
use serde_json::Value;

const STANDARD: &str =
    "--type subscription --valid 365d --max-activations 2 --quota render=1000/month --sync-every 30d";

#[track_caller]
fn left(lab: &Lab, device: &str) -> u64 {
    number(&lab.device(device, "check render").done(), "remaining")
}

#[track_caller]
fn refreshed(lab: &Lab, device: &str) -> Value {
    let chain = text(&lab.device(device, "status").done(), "chain");
    lab.vendor(&format!("refresh {chain} -o refresh.cfgrant")).done();
    lab.device(device, "apply refresh.cfgrant").done()
}

#[track_caller]
fn standing(lab: &Lab, license: &License) -> String {
    text(&lab.vendor(&format!("license show {}", license.id)).done(), "status")
}

#[test]
fn many_licences_are_issued_at_once_each_with_its_key() {
    let lab = Lab::with_policy(STANDARD);
    let issued = lab.vendor("license issue --policy standard --customer 'ACME GmbH' --count 50").done_lines();
    let licenses: Vec<License> = issued.iter().map(License::read).collect();
    assert_eq!(licenses.len(), 50);
    let ids: BTreeSet<&str> = licenses.iter().map(|license| license.id.as_str()).collect();
    let keys: BTreeSet<&str> = licenses.iter().map(|license| license.key.as_str()).collect();
    assert_eq!((ids.len(), keys.len()), (50, 50));
    lab.activate("dev1", &licenses[0]);
    lab.activate("dev2", &licenses[49]);
    let listed = lab.vendor("license list --customer 'ACME GmbH'").done();
    assert_eq!(listed["licenses"].as_array().map(Vec::len), Some(50));
    let shown = lab.vendor(&format!("license show {}", licenses[7].id)).done();
    assert_eq!(text(&shown, "license_key"), licenses[7].key, "support can show a key again");
    lab.vendor("rebuild --check").done();
}

#[test]
fn a_file_of_licences_is_imported_whole_or_not_at_all() {
    let lab = Lab::with_policy(STANDARD);
    lab.write(
        "good.csv",
        "policy,customer,valid,max-activations,quota\n\
         standard,ACME GmbH,30d,5,render=70/month\n\
         standard,\"Muster, Söhne & Co\",730d,1,\n\
         standard,ACME GmbH,,,\n",
    );
    let imported = lab.vendor("license import good.csv").done_lines();
    let licenses: Vec<License> = imported.iter().map(License::read).collect();
    assert_eq!(licenses.len(), 3);
    assert_eq!(text(&imported[1], "customer"), "Muster, Söhne & Co");
    lab.activate("dev1", &licenses[0]);
    assert_eq!(left(&lab, "dev1"), 14, "the share of five devices in 70 units");
    let customers = lab.vendor("customer list").done();
    assert_eq!(customers["customers"].as_array().map(Vec::len), Some(2), "a name is one customer");

    for (name, line) in [
        ("policy", "nosuch,ACME GmbH,30d,5,"),
        ("duration", "standard,ACME GmbH,soon,5,"),
        ("feature", "standard,ACME GmbH,30d,5,nosuch=5"),
        ("number", "standard,ACME GmbH,30d,many,"),
        ("customer", "standard,,30d,5,"),
    ] {
        lab.write(
            "bad.csv",
            format!("policy,customer,valid,max-activations,quota\nstandard,New Ltd,1d,1,\n{line}\n"),
        );
        let refusal = lab.vendor("license import bad.csv").refused(2, "csv_invalid");
        assert!(text(&refusal, "detail").contains('3'), "{name}: the line is named: {refusal:#}");
    }
    lab.write("bad.csv", "policy,customer,colour\nstandard,New Ltd,red\n");
    lab.vendor("license import bad.csv").refused(2, "csv_invalid");
    let listed = lab.vendor("license list").done();
    assert_eq!(listed["licenses"].as_array().map(Vec::len), Some(3), "nothing of a bad file was imported");
    let customers = lab.vendor("customer list").done();
    assert_eq!(customers["customers"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_suspended_licence_stops_its_devices_until_it_is_resumed() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    lab.activate("dev1", &license);
    lab.vendor(&format!("license suspend {} --reason 'payment overdue'", license.id)).done();
    assert_eq!(standing(&lab, &license), "suspended");
    lab.vendor(&format!("license suspend {}", license.id)).refused(4, "status_unchanged");
    // The device does not know yet; it learns it with its next answer.
    assert_eq!(lab.device("dev1", "check render").done()["allowed"], true);
    lab.device("dev1", "consume render 5").done();
    lab.sync("dev1");
    assert_eq!(lab.device("dev1", "status").done()["state"], "suspended");
    lab.device("dev1", "check render").refused_by_check("suspended");
    lab.device("dev1", "consume render 1").refused(4, "suspended");
    // What was used before is evidence and counts.
    assert_eq!(number(&lab.vendor("audit usage").done()["rows"][0], "n"), 5);
    lab.request("dev2", &license);
    lab.vendor("merge dev2.cfbundle --answers answers").done();
    assert_eq!(lab.device("dev2", "apply answers/dev2.cfgrant").done()["state"], "denied");

    lab.vendor(&format!("license resume {}", license.id)).done();
    assert_eq!(refreshed(&lab, "dev1")["state"], "active");
    assert_eq!(lab.device("dev1", "check render").done()["allowed"], true);
    lab.vendor("merge dev2.cfbundle --answers answers").done();
    assert_eq!(lab.device("dev2", "apply answers/dev2.cfgrant").done()["state"], "active");
    lab.vendor(&format!("license resume {}", license.id)).refused(4, "status_unchanged");
}

#[test]
fn a_revoked_licence_ends_for_good_and_reporting_still_works() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    lab.activate("dev1", &license);
    lab.device("dev1", "consume render 5").done();
    lab.vendor(&format!("license revoke {}", license.id)).refused(2, "usage");
    assert_eq!(standing(&lab, &license), "active", "it was not confirmed");
    lab.vendor(&format!("--yes license revoke {} --reason refunded", license.id)).done();
    lab.sync("dev1");
    lab.device("dev1", "check export").refused_by_check("revoked");
    lab.device("dev1", "consume render 1").refused(4, "revoked");
    for verb in ["resume", "suspend"] {
        lab.vendor(&format!("license {verb} {}", license.id)).refused(4, "status_unchanged");
    }
    lab.device("dev1", "deactivate --file bye.cfbundle").done();
    assert_eq!(number(&lab.vendor("merge bye.cfbundle").done(), "refused"), 0);
    assert_eq!(number(&lab.vendor("audit usage").done()["rows"][0], "n"), 5);
    lab.vendor("rebuild --check").done();
}

#[test]
fn an_operator_overrides_a_deadline_and_the_seat_is_free_at_once() {
    let lab = Lab::with_policy("--max-activations 1");
    let license = lab.issue();
    let chain = lab.activate("dev1", &license);
    lab.request("dev2", &license);
    lab.vendor("merge dev2.cfbundle --answers answers").done();
    assert_eq!(lab.device("dev2", "apply answers/dev2.cfgrant").done()["state"], "denied");
    lab.vendor(&format!("activation release {chain} --override --reason 'stolen'")).done();
    lab.vendor("merge dev2.cfbundle --answers answers").done();
    assert_eq!(lab.device("dev2", "apply answers/dev2.cfgrant").done()["state"], "active");
    assert_eq!(refreshed(&lab, "dev1")["state"], "released");
    lab.device("dev1", "check export").exits(4).json();
    lab.vendor(&format!("activation release {chain} --override")).refused(4, "status_unchanged");
}

#[test]
fn a_licence_can_begin_with_its_first_activation() {
    let lab =
        Lab::with_policy("--type subscription --valid 30d --start first-activation --max-activations 2");
    let license = lab.issue();
    lab.activate("dev1", &license);
    let first = lab.device("dev1", "status").done()["entitlement"].clone();
    let chain = text(&lab.device("dev1", "status").done(), "chain");
    let grant = lab.vendor("show answers/dev1.cfgrant").done();
    let issued_at = find(&grant, "issued_at").expect("when the grant was issued");
    let starts_at = text(&first, "starts_at");
    assert!(starts_at[..19] <= issued_at[..19], "{starts_at} and {issued_at}");
    assert_eq!(days_between(&starts_at, &text(&first, "valid_until")), 30);
    let history = lab.vendor(&format!("audit history {}", license.id)).done();
    let changed = |event: &&Value| event["kind"] == "entitlement.changed";
    assert_eq!(history["events"].as_array().expect("events").iter().filter(changed).count(), 1, "{chain}");
    // A second device gets the same dates.
    lab.activate("dev2", &license);
    let second = lab.device("dev2", "status").done()["entitlement"].clone();
    assert_eq!((&second["starts_at"], &second["valid_until"]), (&first["starts_at"], &first["valid_until"]));
    lab.vendor("rebuild --check").done();
}

/// The first text at `key` anywhere in a document.
fn find(document: &Value, key: &str) -> Option<String> {
    match document {
        Value::Object(object) => match object.get(key) {
            Some(Value::String(found)) => Some(found.clone()),
            _ => object.values().find_map(|value| find(value, key)),
        },
        Value::Array(values) => values.iter().find_map(|value| find(value, key)),
        _ => None,
    }
}

fn days_between(from: &str, to: &str) -> u64 {
    let micros = |text: &str| schemas::numbers::Micros::parse(text).expect("RFC 3339").get();
    (micros(to) - micros(from)) / 86_400_000_000
}

#[test]
fn a_device_is_topped_up_to_its_share_as_far_as_units_are_free() {
    let lab =
        Lab::with_policy("--max-activations 4 --quota render=100/month --share render=40 --sync-every 30d");
    let license = lab.issue();
    lab.activate("dev1", &license);
    lab.activate("dev2", &license);
    assert_eq!((left(&lab, "dev1"), left(&lab, "dev2")), (40, 40));
    lab.activate("dev3", &license);
    assert_eq!(left(&lab, "dev3"), 20, "the last one gets what is left");
    lab.activate("dev4", &license);
    lab.device("dev4", "consume render 1").exits(4).json();
    lab.device("dev1", "consume render 30").done();
    lab.sync("dev1");
    assert_eq!(left(&lab, "dev1"), 10, "nothing is free to top it up with");
    lab.device("dev2", "consume render 5").done();
    lab.device("dev2", "deactivate --file bye.cfbundle").done();
    lab.vendor("merge bye.cfbundle").done();
    lab.sync("dev1");
    assert_eq!(left(&lab, "dev1"), 40, "what was given back unused went to it");
    lab.sync("dev4");
    assert_eq!(left(&lab, "dev4"), 5);
    // Spent and held together never pass the limit: 30 + 5 spent, 40 + 20 + 5 held.
    lab.vendor("rebuild --check").done();
}

#[test]
fn a_counted_feature_is_used_without_limit() {
    let lab = Lab::with_policy("--mode render=counted --sync-every 30d");
    let license = lab.issue();
    lab.activate("dev1", &license);
    lab.device("dev1", "consume render 4294967295").done();
    assert_eq!(lab.device("dev1", "check render").done()["allowed"], true);
    lab.device("dev1", "consume render 4294967296").refused(2, "amount_invalid");
    lab.device("dev1", "consume render 0").refused(2, "amount_invalid");
    lab.device("dev1", "consume export 1").refused(4, "feature_not_metered");
    lab.sync("dev1");
    assert_eq!(number(&lab.vendor("audit usage").done()["rows"][0], "n"), 4_294_967_295);
}

#[test]
fn a_ref_counts_a_use_once() {
    let lab = Lab::with_policy("--mode render=counted");
    lab.activate("dev1", &lab.issue());
    let first = lab.device("dev1", "consume render 5 --ref job-1").done();
    let again = lab.device("dev1", "consume render 5 --ref job-1").done();
    assert_eq!((&again["seq"], &again["total"]), (&first["seq"], &first["total"]));
    assert_eq!((&first["repeated"], &again["repeated"]), (&false.into(), &true.into()));
    assert_eq!(number(&lab.device("dev1", "consume render 5 --ref job-2").done(), "total"), 10);
}

#[test]
fn a_batch_stops_at_the_first_bad_line_and_keeps_what_came_before() {
    let lab = Lab::with_policy("--mode render=counted");
    lab.activate("dev1", &lab.issue());
    lab.write(
        "batch.jsonl",
        "{\"feature\":\"render\",\"n\":1}\n\n{\"feature\":\"render\",\"n\":2,\"used_at\":\"2026-01-31T12:00:00Z\"}\n\
         {\"feature\":\"render\"}\n{\"feature\":\"render\",\"n\":4}\n",
    );
    let ran = lab.device("dev1", "consume --batch batch.jsonl").exits(2);
    let lines = ran.lines();
    assert_eq!(lines.len(), 3, "two acknowledgements and a refusal: {ran:?}");
    assert_eq!((number(&lines[0], "line"), number(&lines[1], "line")), (1, 3));
    assert_eq!(lines[2]["code"], "batch_invalid");
    lab.sync("dev1");
    let usage = lab.vendor("audit usage --by day").done();
    let rows: Vec<(String, u64)> = usage["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| (text(row, "day"), number(row, "n")))
        .collect();
    assert_eq!(rows[0], ("2026-01-31".to_owned(), 2), "a use counts on the day when it was");
    assert_eq!(rows.iter().map(|(_, n)| n).sum::<u64>(), 3);
}

#[test]
fn terms_that_are_changed_reach_the_device_and_ask_back_what_is_too_much() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    lab.activate("dev1", &license);
    lab.vendor(&format!("license change {} --max-activations 1 --quota render=100/month", license.id)).done();
    refreshed(&lab, "dev1");
    assert_eq!(left(&lab, "dev1"), 100, "the device gave back what the smaller limit does not allow");
    lab.request("dev2", &license);
    lab.vendor("merge dev2.cfbundle --answers answers").done();
    assert_eq!(lab.device("dev2", "apply answers/dev2.cfgrant").done()["state"], "denied");
    lab.vendor(&format!("license change {} --quota nosuch=5", license.id)).refused(3, "feature_unknown");
    lab.vendor("license change 00000000-0000-0000-0000-000000000000 --valid 1d")
        .refused(3, "license_not_found");
}

/// The shortest validity has passed when the next program starts: the clock is never set back here.
#[test]
fn an_expired_licence_gives_no_seat_and_stops_its_devices() {
    let lab = Lab::with_policy("--valid 365d --max-activations 2");
    let license = lab.issue();
    lab.activate("dev1", &license);
    lab.vendor(&format!("license change {} --valid 1s", license.id)).done();
    let until =
        lab.vendor(&format!("license show {}", license.id)).done()["entitlement"]["valid_until"].clone();
    // Whoever reads a later time than this has passed it.
    while text(&lab.device("dev1", "status").done(), "time").as_str() < until.as_str().expect("a time") {}
    refreshed(&lab, "dev1");
    lab.device("dev1", "check export").refused_by_check("expired");
    lab.request("dev2", &license);
    lab.vendor("merge dev2.cfbundle --answers answers").done();
    assert_eq!(lab.device("dev2", "apply answers/dev2.cfgrant").done()["state"], "denied");
    assert_eq!(lab.device("dev2", "status").done()["reason"], "expired");
    // Reporting goes on.
    assert_eq!(number(&lab.sync("dev1"), "refused"), 0);
}

#[test]
fn lists_are_filtered() {
    let lab = Lab::with_policy(STANDARD);
    lab.vendor("policy create small --product studio --max-activations 1").done();
    let first = lab.issue();
    let issue = |policy: &str, customer: &str| {
        License::read(&lab.vendor(&format!("license issue --policy {policy} --customer '{customer}'")).done())
    };
    let second = issue("small", "Beta AG");
    let third = issue("standard", "Beta AG");
    lab.vendor(&format!("license suspend {}", third.id)).done();
    let listed = |filter: &str| {
        let listed = lab.vendor(&format!("license list {filter}")).done();
        let ids = listed["licenses"]
            .as_array()
            .expect("licenses")
            .iter()
            .map(|license| text(license, "license_id"));
        ids.collect::<BTreeSet<String>>()
    };
    let set = |licenses: &[&License]| {
        licenses.iter().map(|license| license.id.clone()).collect::<BTreeSet<String>>()
    };
    assert_eq!(listed(""), set(&[&first, &second, &third]));
    assert_eq!(listed("--policy small"), set(&[&second]));
    assert_eq!(listed("--customer 'Beta AG'"), set(&[&second, &third]));
    assert_eq!(listed("--status suspended"), set(&[&third]));
    assert_eq!(listed("--customer 'Beta AG' --status active"), set(&[&second]));
    assert_eq!(listed("--product studio --limit 2").len(), 2);
    lab.vendor("license list --customer Nobody").refused(3, "customer_unknown");
    lab.activate("dev1", &first);
    lab.activate("dev2", &second);
    let active = lab.vendor(&format!("activation list --license {}", second.id)).done();
    assert_eq!(active["activations"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        lab.vendor("activation list --status denied").done()["activations"].as_array().map(Vec::len),
        Some(0)
    );
}
