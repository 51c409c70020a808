//! What codes must not give away: time, units, terms and seats that the ledger does not know of.

use counterfoil_tests::lab::text;
use counterfoil_tests::{Lab, License};
use schemas::numbers::{Micros, Seconds};
use schemas::typed::Day;
use serde_json::Value;

const STANDARD: &str = "--type subscription --valid 365d --max-activations 2 --quota render=1000/month \
                        --sync-every 90d --grace 7d";

fn issued(options: &str) -> (Lab, License) {
    let lab = Lab::with_either(options);
    let license = lab.issue();
    (lab, license)
}

/// A request is the same code before and after the clock was set, and an unlock code for it can be had again and kept. It took
/// all the time back that had passed since.
#[test]
fn an_answer_to_a_request_sets_no_clock_right_that_was_set_after_the_request_was_first_shown() {
    let (lab, license) = issued(STANDARD);
    let chain = lab.activate_by_code("dev1", &license);
    lab.vendor(&format!("refresh {chain} -o refreshed.cfgrant")).done();
    let request = lab.request_code("dev1", &license);
    let kept = text(&lab.answer_code(&request, &license).done(), "code");
    let set_forward = lab.agent_ahead("dev1", Seconds::days(200));
    set_forward.set("site", "plant 7").expect("the record stays open");
    drop(set_forward);
    assert_eq!(lab.request_code("dev1", &license), request);
    assert_eq!(lab.apply_code("dev1", &kept).done()["state"], "active");
    let status = lab.device("dev1", "status").done();
    assert!(status["clock_noted"].is_number(), "{status:#}");
    lab.device("dev1", "check render").refused_by_check("overdue");
}

/// Of a month that no code tells of the vendor knows nothing, and whoever leaves it out gains no time.
#[test]
fn only_a_return_that_leaves_nothing_out_moves_the_deadline() {
    let (lab, license) = issued(STANDARD);
    lab.activate_by_code("dev1", &license);
    let before = text(&lab.device("dev1", "status").done(), "sync_by");
    let today = text(&lab.device("dev1", "status").done(), "time");
    lab.device("dev1", "consume render 400").done();
    lab.vendor(&format!("license change {} --sync-every 60d", license.id)).done();

    let later = lab.agent_ahead("dev1", Seconds::days(40));
    later.consume("render", 7).expect("quota is held for the months that follow");
    let told = lab.take_code(&later.report_by_code(None).expect("shown").to_string()).done();
    let untold: Vec<&str> =
        told["untold"].as_array().expect("days").iter().filter_map(Value::as_str).collect();
    assert_eq!(text(&told, "sync_by"), before, "{told:#}");
    assert_eq!(untold[0][..7], today[..7], "the month before was left out: {told:#}");

    for day in untold {
        let day = Day::of(Micros::parse(day).expect("a day")).expect("after 2020");
        lab.take_code(&later.report_by_code(Some(day)).expect("shown").to_string()).done();
    }
    later.consume("render", 1).expect("there are more");
    let told = lab.take_code(&later.report_by_code(None).expect("shown").to_string()).done();
    assert_eq!(told["untold"], Value::Array(Vec::new()));
    assert!(text(&told, "sync_by") < before, "60 days from now on: {told:#}");
    drop(later);

    lab.device("dev1", "report --code --day 2020-01-05").done();
    let old = text(&lab.device("dev1", "report --code --day 2020-01-05").done(), "code");
    lab.take_code(&old).refused(4, "code_day");
}

#[test]
fn what_no_code_can_tell_is_refused_and_nothing_is_written() {
    let (lab, license) = issued(STANDARD);
    let request = lab.request_code("dev1", &license);
    let answer = format!("code answer {request} --license-key {}", license.key);
    lab.vendor("policy create far --product studio --valid 365d --sync-every 600d --air-gapped")
        .refused(2, "terms_invalid");
    lab.vendor(&format!("license change {} --valid 20000d", license.id)).done();
    let before = lab.vendor_picture();
    lab.vendor(&answer).refused(4, "code_unfit");
    assert_eq!(lab.vendor_picture(), before);
    lab.vendor(&format!("{answer} --valid 300")).done();
}

/// What was used is evidence, whatever became of the licence: it was refused with the answer that could not be given.
#[test]
fn what_a_return_tells_is_taken_in_although_no_code_can_answer_it() {
    let (lab, license) = issued(STANDARD);
    lab.activate_by_code("dev1", &license);
    lab.device("dev1", "consume render 70").done();
    lab.vendor(&format!("license change {} --grace 1d", license.id)).done();
    let told = lab.return_code("dev1");
    lab.take_code(&told).refused(4, "code_policy");
    let taken_in = lab.vendor_picture();
    lab.take_code(&told).refused(4, "code_policy");
    assert_eq!(lab.vendor_picture(), taken_in, "once is enough");
    let usage = lab.vendor("audit usage").done();
    assert_eq!((&usage["rows"][0]["n"], &usage["rows"][0]["basis"]), (&70.into(), &"code".into()));
    let answered = lab.vendor(&format!("code return {told} --policy 1")).done();
    assert_eq!(lab.apply_code("dev1", &text(&answered, "code")).done()["state"], "active");
    lab.vendor("rebuild --check").done();
}

#[test]
fn conditions_that_were_tightened_are_not_loosened_by_a_code() {
    let (lab, license) = issued(STANDARD);
    let request = lab.request_code("dev1", &license);
    for change in ["--grace 1d", "--maintenance 30d", "--after block"] {
        lab.vendor(&format!("license change {} {change}", license.id)).done();
        lab.answer_code(&request, &license).refused(4, "code_policy");
    }
    lab.vendor(&format!("code answer {request} --license-key {} --policy 1", license.key)).done();
}

#[test]
fn the_same_code_again_tells_what_became_of_the_licence_since() {
    let (lab, license) = issued(STANDARD);
    let request = lab.request_code("dev1", &license);
    let first = lab.answer_code(&request, &license).done();
    lab.vendor(&format!("license suspend {}", license.id)).done();
    let suspended = lab.answer_code(&request, &license).done();
    assert_eq!(suspended["status"], "suspended");
    assert_eq!(lab.apply_code("dev1", &text(&suspended, "code")).done()["state"], "suspended");
    lab.apply_code("dev1", &text(&first, "code")).refused(4, "superseded");
    lab.vendor(&format!("license resume {}", license.id)).done();
    let resumed = lab.answer_code(&request, &license).done();
    assert_eq!((&resumed["status"], &resumed["sync_by"]), (&"active".into(), &first["sync_by"]));
    lab.vendor(&format!("license revoke {} --yes", license.id)).done();
    assert_eq!(lab.answer_code(&request, &license).done()["status"], "revoked");
}

/// A request that came again for a former pack was the last code and counted as an earlier one too: once the licence stood
/// otherwise, it was refused as stale.
#[test]
fn an_application_that_goes_back_to_its_former_pack_is_answered() {
    let (lab, license) = issued(STANDARD);
    lab.activate_by_code("dev1", &license);
    let (former, first) = (lab.read("studio.cfpack"), lab.request_code("dev1", &license));
    lab.vendor("product pack studio -o studio.cfpack").done();
    let second = lab.request_code("dev1", &license);
    assert_ne!(first, second, "another pack");
    lab.unlock("dev1", &text(&lab.answer_code(&second, &license).done(), "code"), "active");
    lab.write("studio.cfpack", former);
    assert_eq!(lab.request_code("dev1", &license), first);
    lab.unlock("dev1", &text(&lab.answer_code(&first, &license).done(), "code"), "active");
    lab.vendor(&format!("license suspend {}", license.id)).done();
    lab.unlock("dev1", &text(&lab.answer_code(&first, &license).done(), "code"), "suspended");
    lab.answer_code(&second, &license).done();
    lab.vendor("rebuild --check").done();
}

#[test]
fn codes_of_copies_contradict_each_other_and_freeze_what_is_reserved() {
    let (lab, license) = issued(&format!("{STANDARD} --on-fork stop"));
    let chain = lab.activate_by_code("dev1", &license);
    lab.copy("dev1", "copy");
    lab.device("dev1", "consume render 70").done();
    lab.device("copy", "consume render 10").done();
    assert_eq!(lab.take_code(&lab.return_code("dev1")).done()["status"], "active");
    let told = lab.take_code(&lab.return_code("copy")).done();
    lab.apply_code("copy", &text(&told, "code")).done();
    lab.device("copy", "check render").refused_by_check("forked");
    lab.device("copy", "check export").done();
    let found = lab.vendor("audit verify").exits(6).json();
    assert_eq!(found["codes"][0]["code"], "code_parted", "{found:#}");
    let shown = lab.vendor(&format!("activation show {chain}")).done();
    assert_eq!(shown["findings"][0]["code"], "code_parted", "{shown:#}");
    lab.vendor("rebuild --check").done();
}

#[test]
fn a_record_that_is_carried_out_must_hold_the_head_that_a_code_named() {
    let (lab, license) = issued(STANDARD);
    let chain = lab.activate_by_code("dev1", &license);
    lab.copy("dev1", "copy");
    lab.device("dev1", "consume render 70").done();
    lab.take_code(&lab.return_code("dev1")).done();
    let head = |lab: &Lab| {
        let shown = lab.vendor(&format!("activation show {chain}")).done();
        shown["told_by_code"]["head"]["held"].clone()
    };
    assert_eq!(head(&lab), Value::Null, "not carried out so far");
    for _ in 0..3 {
        lab.device("copy", "consume render 10").done();
    }
    lab.report("copy", "copy.cfbundle");
    lab.vendor("merge copy.cfbundle").done();
    assert_eq!(head(&lab), false);
    let found = lab.vendor("audit verify").exits(6).json();
    assert_eq!(found["codes"][0]["code"], "code_head_missing", "{found:#}");
    lab.vendor("rebuild --check").done();
}

#[test]
fn figures_that_rest_on_codes_are_told_as_such_and_give_way_to_events() {
    let (lab, license) = issued(STANDARD);
    lab.activate_by_code("dev1", &license);
    lab.device("dev1", "consume render 70").done();
    lab.take_code(&lab.return_code("dev1")).done();
    let usage = |lab: &Lab| {
        let rows = lab.vendor("audit usage").done()["rows"].as_array().expect("rows").clone();
        rows.iter().map(|row| (text(row, "basis"), row["n"].as_u64())).collect::<Vec<_>>()
    };
    assert_eq!(usage(&lab), [("code".to_owned(), Some(70))]);
    lab.vendor("export usage --format csv -o usage.csv").done();
    let csv = String::from_utf8(lab.read("usage.csv")).expect("text");
    assert!(csv.lines().nth(1).is_some_and(|row| row.ends_with(",70,0,0,code")), "{csv}");
    lab.report("dev1", "dev1.cfbundle");
    lab.vendor("merge dev1.cfbundle").done();
    assert_eq!(usage(&lab), [("events".to_owned(), Some(70))]);
    lab.vendor("audit verify --deep").done();
}
