//! The whole path by file, as the README tells it: every step is a real command on real files.

use std::fs;

use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{Lab, License};
use schemas::numbers::Micros;
use serde_json::Value;

const STANDARD: &str = "--type subscription --valid 365d --max-activations 2 --quota render=1000/month \
                        --sync-every 30d --grace 7d";

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

#[track_caller]
fn both_programs_read(lab: &Lab, file: &str, kind: &str) {
    for shown in
        [lab.vendor(&format!("show {file}")).done(), lab.device("dev1", &format!("show {file}")).done()]
    {
        assert_eq!(shown["file"], kind, "{shown:#}");
    }
    lab.vendor(&format!("verify {file}")).done();
    lab.device("dev1", &format!("verify {file}")).done();
}

fn issued() -> (Lab, License) {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    (lab, license)
}

#[test]
fn a_device_goes_from_its_request_to_its_deactivation() {
    let (lab, license) = issued();

    let asked =
        lab.device("dev1", &format!("activate --license-key {} --request request.cfbundle", license.key));
    let asked = asked.done();
    assert_eq!(asked["state"], "pending");
    lab.device("dev1", "check render").refused_by_check("not_activated");
    let merged = lab.vendor("merge request.cfbundle --answers out").done();
    assert_eq!((number(&merged, "merged"), number(&merged, "refused")), (1, 0));
    let applied = lab.device("dev1", "apply out/request.cfgrant").done();
    assert_eq!(
        (text(&applied, "state"), text(&applied, "license_id")),
        ("active".to_owned(), license.id.clone())
    );
    assert_eq!(text(&applied, "chain"), text(&asked, "chain"));

    assert_eq!(lab.device("dev1", "check render").done()["allowed"], true);
    assert_eq!(lab.device("dev1", "check export").done()["code"], "allowed");
    assert_eq!(left(&lab, "dev1"), 500);
    assert_eq!(number(&lab.device("dev1", "consume render 5").done(), "total"), 5);
    assert_eq!(number(&lab.device("dev1", "consume render 7").done(), "total"), 12);
    lab.device("dev1", "set site 'plant 7'").done();
    assert_eq!(left(&lab, "dev1"), 488);

    lab.device("dev1", "report -o usage.cfbundle").done();
    let merged = lab.vendor("merge usage.cfbundle --answers out").done();
    assert_eq!(number(&merged, "merged"), 1);
    lab.device("dev1", "apply out/usage.cfgrant").done();
    let status = lab.device("dev1", "status").done();
    assert_eq!(
        (text(&status, "state"), text(&status, "license_id")),
        ("active".to_owned(), license.id.clone())
    );
    assert_eq!(used(&lab), 12);
    // The report topped the device up to its share again, and did not deactivate it.
    assert_eq!(left(&lab, "dev1"), 500);
    assert_eq!(number(&lab.vendor("merge usage.cfbundle --answers again").done(), "known"), 1);
    assert_eq!(used(&lab), 12);

    lab.device("dev1", "check beta").refused_by_check("feature_absent");
    lab.vendor(&format!("license change {} --valid 730d --feature beta", license.id)).done();
    let chain = text(&status, "chain");
    lab.vendor(&format!("refresh {chain} -o refresh.cfgrant")).done();
    let refreshed = lab.device("dev1", "apply refresh.cfgrant").done();
    let changes = refreshed["changes"].as_array().expect("changes");
    for what in ["feature beta", "valid until"] {
        assert!(changes.iter().any(|change| change["what"] == what), "{what}: {refreshed:#}");
    }
    for feature in ["beta", "export", "render"] {
        assert_eq!(lab.device("dev1", &format!("check {feature}")).done()["allowed"], true, "{feature}");
    }

    lab.device("dev1", "consume render 3").done();
    let closed = lab.device("dev1", "deactivate --file bye.cfbundle").done();
    assert_eq!(closed["state"], "deactivated");
    lab.device("dev1", "check render").refused_by_check("deactivated");
    lab.device("dev1", "consume render 1").refused(4, "deactivated");
    assert_eq!(number(&lab.vendor("merge bye.cfbundle --answers out").done(), "merged"), 1);
    assert_eq!(used(&lab), 15, "the last usage travels with the deactivation");

    lab.vendor("audit verify --deep").done();
    lab.vendor("rebuild --check").done();
    lab.device("dev1", "verify").done();
}

#[test]
fn every_file_is_shown_and_verified_by_both_programs() {
    let (lab, license) = issued();
    let chain = lab.activate("dev1", &license);
    lab.device("dev1", "consume render 5").done();
    lab.device("dev1", "set site 'plant 7'").done();
    lab.device("dev1", "report -o usage.cfbundle").done();
    lab.device("dev1", "report -o usage.txt --armor").done();
    lab.vendor(&format!("refresh {chain} -o refresh.cfgrant")).done();
    lab.vendor(&format!("refresh {chain} -o refresh.txt --armor")).done();
    lab.device("dev1", "deactivate --file bye.cfbundle").done();
    both_programs_read(&lab, "studio.cfpack", "pack");
    both_programs_read(&lab, "dev1.cfbundle", "bundle");
    both_programs_read(&lab, "answers/dev1.cfgrant", "grant");
    for file in ["usage.cfbundle", "usage.txt", "bye.cfbundle"] {
        both_programs_read(&lab, file, "bundle");
    }
    for file in ["refresh.cfgrant", "refresh.txt"] {
        both_programs_read(&lab, file, "grant");
    }
    let shown = lab.device("dev1", "show usage.cfbundle").done();
    let kinds: Vec<&Value> =
        shown["runs"][0]["events"].as_array().expect("events").iter().map(|event| &event["kind"]).collect();
    assert!(kinds.contains(&&Value::from("feature.consumed")), "{kinds:?}");
    assert_eq!(shown["attachments"][0]["text"], "plant 7");
}

#[test]
fn a_file_is_known_by_its_content_and_not_by_its_name() {
    let (lab, license) = issued();
    lab.request("dev1", &license);
    fs::rename(lab.path("dev1.cfbundle"), lab.path("holiday.jpg")).expect("writable");
    assert_eq!(number(&lab.vendor("merge holiday.jpg --answers out").done(), "merged"), 1);
    fs::rename(lab.path("out/holiday.cfgrant"), lab.path("out/photo.png")).expect("answered");
    assert_eq!(lab.device("dev1", "apply out/photo.png").done()["state"], "active");
}

#[test]
fn the_text_form_does_for_every_file() {
    let lab = Lab::empty();
    lab.vendor("init").done();
    lab.vendor("product create studio --feature export --feature render:metered").done();
    lab.vendor("product pack studio -o studio.cfpack --armor").done();
    lab.vendor(&format!("policy create standard --product studio {STANDARD}")).done();
    let license = lab.issue();
    lab.device("dev1", &format!("activate --license-key {} --request r.txt --armor", license.key)).done();
    lab.vendor("merge r.txt --answers out").done();
    lab.device("dev1", "apply out/r.cfgrant").done();
    lab.device("dev1", "consume render 5").done();
    lab.device("dev1", "report -o u.txt --armor").done();
    let mailed = String::from_utf8(lab.read("u.txt")).expect("text").replace('\n', "\r\n");
    lab.write("mailed.txt", format!("\r\n{mailed}"));
    assert_eq!(number(&lab.vendor("merge mailed.txt --answers out").done(), "merged"), 1);
    assert_eq!(used(&lab), 5);
}

#[test]
fn an_older_licence_file_is_superseded_and_the_same_again_changes_nothing() {
    let (lab, license) = issued();
    let chain = lab.activate("dev1", &license);
    lab.vendor(&format!("refresh {chain} -o refresh.cfgrant")).done();
    lab.device("dev1", "apply refresh.cfgrant").done();
    let events = number(&lab.device("dev1", "status").done(), "events");
    let again = lab.device("dev1", "apply refresh.cfgrant").done();
    assert_eq!(again["changes"].as_array().map(Vec::len), Some(0));
    assert_eq!(number(&lab.device("dev1", "status").done(), "events"), events);
    lab.device("dev1", "apply answers/dev1.cfgrant").refused(4, "superseded");
}

#[test]
fn a_licence_file_works_on_its_own_device_only() {
    let (lab, license) = issued();
    lab.activate("dev1", &license);
    lab.activate("dev2", &license);
    lab.device("dev2", "apply answers/dev1.cfgrant").refused(4, "grant_foreign");
    lab.request("dev3", &license);
    lab.device("dev3", "apply answers/dev1.cfgrant").refused(4, "grant_foreign");
    lab.device("dev3", "check export").refused_by_check("not_activated");
}

#[test]
fn what_is_beyond_the_quota_is_refused_and_counts_nothing() {
    let (lab, license) = issued();
    lab.activate("dev1", &license);
    lab.device("dev1", "consume render 501").refused(4, "quota_exhausted");
    assert_eq!(left(&lab, "dev1"), 500);
    lab.device("dev1", "consume render 500").done();
    lab.device("dev1", "consume render 1").refused(4, "quota_exhausted");
    lab.device("dev1", "check render").refused_by_check("quota_exhausted");
    lab.sync("dev1");
    assert_eq!(used(&lab), 500);
}

#[test]
fn a_seat_that_is_given_back_is_given_to_the_next() {
    let (lab, license) = issued();
    lab.activate("dev1", &license);
    lab.activate("dev2", &license);
    lab.request("dev3", &license);
    lab.vendor("merge dev3.cfbundle --answers answers").done();
    let denied = lab.device("dev3", "apply answers/dev3.cfgrant").done();
    assert_eq!(denied["state"], "denied");
    assert_eq!(lab.device("dev3", "status").done()["reason"], "no_seat_free");
    lab.device("dev1", "deactivate --file bye.cfbundle").done();
    lab.vendor("merge bye.cfbundle").done();
    // The same request again is decided afresh.
    lab.vendor("merge dev3.cfbundle --answers answers").done();
    assert_eq!(lab.device("dev3", "apply answers/dev3.cfgrant").done()["state"], "active");
    assert_eq!(lab.device("dev3", "check render").done()["allowed"], true);
}

#[test]
fn a_refused_device_can_still_be_activated_anew() {
    let (lab, license) = issued();
    let first = lab.activate("dev1", &license);
    lab.device("dev1", "consume render 20").done();
    lab.device("dev1", "deactivate --file bye.cfbundle").done();
    lab.vendor("merge bye.cfbundle").done();
    let second = lab.activate("dev1", &license);
    assert_ne!(first, second, "a chain that was closed stays closed");
    lab.device("dev1", "consume render 1").done();
    lab.sync("dev1");
    assert_eq!(used(&lab), 21);
}

#[test]
fn usage_is_exported_as_it_is_told() {
    let (lab, license) = issued();
    lab.activate("dev1", &license);
    lab.device("dev1", "consume render 5").done();
    // A use that is dated back counts on its day, and against the quota of the present period.
    lab.device("dev1", "consume render 6 --used-at 2026-01-31T23:59:59Z").done();
    lab.sync("dev1");
    lab.vendor("export usage --format csv -o usage.csv").done();
    let csv = String::from_utf8(lab.read("usage.csv")).expect("text");
    let mut lines = csv.lines();
    let headings: Vec<&str> = lines.next().expect("headings").split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let column = |name: &str| headings.iter().position(|heading| *heading == name).expect("a column");
    let cells = |name: &str| rows.iter().map(|row| row[column(name)]).collect::<Vec<_>>();
    assert_eq!(cells("feature"), ["render", "render"]);
    assert_eq!(cells("n"), ["6", "5"]);
    assert_eq!(cells("day")[0], "2026-01-31");
    assert_eq!(cells("period")[0], cells("period")[1]);
    assert_eq!(cells("license_id"), [license.id.as_str(); 2]);
    lab.vendor("export events --format jsonl -o events.jsonl").done();
    let events = String::from_utf8(lab.read("events.jsonl")).expect("text");
    let consumed = events.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    assert_eq!(consumed.filter(|event| event["kind"] == "feature.consumed").count(), 2);
}

#[test]
fn the_history_tells_both_sides_in_order_of_time() {
    let (lab, license) = issued();
    lab.activate("dev1", &license);
    lab.sync("dev1");
    lab.device("dev1", "deactivate --file bye.cfbundle").done();
    lab.vendor("merge bye.cfbundle").done();
    let history = lab.vendor(&format!("audit history {}", license.id)).done();
    let events = history["events"].as_array().expect("events");
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["kind"].as_str()).collect();
    assert_eq!(kinds.first(), Some(&"license.issued"));
    for kind in ["chain.opened", "activation.requested", "grant.issued", "grant.applied", "chain.closed"] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
    assert!(kinds.contains(&"activation.released"), "{kinds:?}");
    // Trailing zeros of a second's fraction are not written, so the texts are not in the order of the instants.
    let times: Vec<Micros> =
        events.iter().map(|event| Micros::parse(&text(event, "at")).expect("RFC 3339")).collect();
    assert!(times.is_sorted(), "{times:?}");
    let chain = text(&lab.device("dev1", "status").done(), "chain");
    let activations = lab.vendor("activation list").done();
    let listed = &activations["activations"][0];
    assert_eq!((text(listed, "chain"), text(listed, "license_id")), (chain, license.id.clone()));
    assert_eq!(listed["state"], "released");
    let licenses = lab.vendor("license list").done();
    assert_eq!(licenses["licenses"][0]["license_id"], license.id);
}
