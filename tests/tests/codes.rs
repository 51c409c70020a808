//! The whole path by codes that people type, through both programs: no file passes between the two but the product pack.

use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{Lab, License};
use schemas::numbers::{Micros, Seconds};
use schemas::typed::{Day, Kind, Lines, TypedCode};
use serde_json::Value;
use sync_agent::{LicenseKey, State};

const STANDARD: &str = "--type subscription --valid 365d --max-activations 2 --quota render=1000/month \
                        --sync-every 30d --grace 7d";

fn issued(options: &str) -> (Lab, License) {
    let lab = Lab::with_either(options);
    let license = lab.issue();
    (lab, license)
}

#[track_caller]
fn all_follows(lab: &Lab) {
    lab.vendor("rebuild --check").done();
    lab.vendor("audit verify --deep").done();
}

/// What a device may still use of `render`.
#[track_caller]
fn left(lab: &Lab, device: &str) -> u64 {
    number(&lab.device(device, "check render").done(), "remaining")
}

/// Limit with overage, used, held and free units of `render` in the present period, which must add up.
#[track_caller]
fn render(lab: &Lab, license: &License) -> [i64; 4] {
    let shown = lab.vendor(&format!("license show {}", license.id)).done();
    let of = |key: &str| shown["quotas"][0][key].as_i64().unwrap_or_else(|| panic!("no {key} in {shown:#}"));
    let all = of("limit") + of("overage");
    assert_eq!(all, of("free") + of("used") + of("held") - of("debt"), "{shown:#}");
    [all, of("used"), of("held"), of("free")]
}

/// The values of `what` before and after among the changes that a device tells.
#[track_caller]
fn change(applied: &Value, what: &str) -> Option<[Option<String>; 2]> {
    let changes = applied["changes"].as_array().expect("changes");
    let change = changes.iter().find(|change| change["what"] == what)?;
    Some(["before", "after"].map(|key| change[key].as_str().map(str::to_owned)))
}

fn day(text: &str) -> u64 {
    Micros::parse(text).expect("RFC 3339").get() / 86_400_000_000
}

/// The keys of an object, in order.
fn keys(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn a_device_goes_by_codes_from_its_request_to_its_deactivation() {
    let (lab, license) = issued(STANDARD);
    let asked = lab.device("dev1", &format!("activate --license-key {} --code", license.key)).done();
    assert_eq!(keys(&asked), ["chain", "code", "license_id", "qr", "state"]);
    assert_eq!((&asked["state"], &asked["license_id"]), (&"pending".into(), &Value::Null));
    assert_eq!(lab.request_code("dev1", &license), text(&asked, "code"), "asking again shows the same code");

    let answered = lab.answer_code(&text(&asked, "code"), &license).done();
    let all = [
        "again",
        "chain",
        "closing",
        "code",
        "license_id",
        "policy",
        "status",
        "sync_by",
        "untold",
        "usage",
        "valid_until",
    ];
    assert_eq!(keys(&answered), all);
    assert_eq!(text(&answered, "license_id"), license.id);
    assert_eq!((&answered["status"], &answered["policy"]), (&"active".into(), &"standard".into()));
    assert_eq!((&answered["again"], &answered["closing"]), (&false.into(), &false.into()));
    lab.device("dev1", "check render").refused_by_check("not_activated");
    let applied = lab.apply_code("dev1", &text(&answered, "code")).done();
    assert_eq!((&applied["state"], &applied["chain"]), (&"active".into(), &asked["chain"]));
    // Whole days, as both sides tell them.
    for (what, key) in [("valid until", "valid_until"), ("check in by", "sync_by")] {
        let told = text(&answered, key);
        assert!(told.ends_with("T00:00:00Z"), "{told}");
        assert_eq!(change(&applied, what), Some([None, Some(told)]));
    }

    assert_eq!(lab.device("dev1", "check export").done()["code"], "allowed");
    assert_eq!(left(&lab, "dev1"), 500);
    lab.device("dev1", "consume render 5").done();
    lab.device("dev1", "consume render 7").done();
    let (answered, applied) = lab.sync_by_code("dev1");
    let usage = answered["usage"].as_array().expect("usage");
    assert_eq!((usage.len(), &usage[0]["feature"], number(&usage[0], "n")), (1, &"render".into(), 12));
    assert_eq!(applied["state"], "active");
    assert_eq!(left(&lab, "dev1"), 500, "it was topped up to its share");

    lab.device("dev1", "consume render 3").done();
    let closed = lab.device("dev1", "deactivate --code").done();
    assert_eq!(keys(&closed), keys(&asked));
    assert_eq!(closed["state"], "deactivated");
    lab.device("dev1", "consume render 1").refused(4, "deactivated");
    assert_eq!(lab.device("dev1", "deactivate --code").done(), closed, "closing again shows the same code");
    let receipt = lab.take_code(&text(&closed, "code")).done();
    assert_eq!((&receipt["closing"], &receipt["status"]), (&true.into(), &"released".into()));
    assert_eq!(number(&receipt["usage"][0], "n"), 15, "what was used in the period, not since the last code");
    assert_eq!(render(&lab, &license), [1_000, 15, 0, 985]);
    let applied = lab.apply_code("dev1", &text(&receipt, "code")).done();
    assert_eq!(change(&applied, "status"), Some([Some("active".to_owned()), Some("released".to_owned())]));
    lab.device("dev1", "verify").done();
    all_follows(&lab);
}

#[test]
fn the_same_code_again_has_the_same_answer_and_writes_nothing() {
    let (lab, license) = issued(STANDARD);
    let asked = lab.request_code("dev1", &license);
    let unlock = text(&lab.answer_code(&asked, &license).done(), "code");
    let again = |answered: Value, unlock: &str, before| {
        assert_eq!((&answered["again"], text(&answered, "code").as_str()), (&true.into(), unlock));
        assert_eq!(lab.vendor_picture(), before, "nothing was written");
    };
    let before = lab.vendor_picture();
    let history = lab.vendor(&format!("audit history {}", license.id)).done();
    again(lab.answer_code(&asked, &license).done(), &unlock, before.clone());
    // What is named beside a code that was answered moves nothing either.
    let other = format!("code answer {asked} --license-key {} --valid 3", license.key);
    again(lab.vendor(&other).done(), &unlock, before);
    assert_eq!(lab.vendor(&format!("audit history {}", license.id)).done(), history);

    lab.apply_code("dev1", &unlock).done();
    lab.device("dev1", "consume render 5").done();
    let told = lab.return_code("dev1");
    assert_eq!(lab.return_code("dev1"), told, "nothing happened since");
    let unlock = text(&lab.take_code(&told).done(), "code");
    let before = lab.vendor_picture();
    again(lab.take_code(&told).done(), &unlock, before);
    lab.apply_code("dev1", &unlock).done();

    let told = text(&lab.device("dev1", "deactivate --code").done(), "code");
    let unlock = text(&lab.take_code(&told).done(), "code");
    let before = lab.vendor_picture();
    again(lab.take_code(&told).done(), &unlock, before);
    all_follows(&lab);
}

/// A code is pasted with the numbers of its lines, dictated in small letters, or typed without its hyphens.
#[test]
fn a_code_is_taken_however_it_was_typed() {
    let (lab, license) = issued("--max-activations 9 --valid 365d --sync-every 30d");
    let in_lines = |code: &str| Lines(&TypedCode::read(None, code).expect("a code")).to_string();
    let forms: [fn(&str) -> String; 4] = [
        |code| code.to_lowercase().replace('0', "o").replace('1', "l"),
        |code| code.replace('-', ""),
        |code| code.replace('-', " "),
        |code| code.replace('-', " – "),
    ];
    for (number, form) in forms.into_iter().enumerate() {
        let device = format!("dev{number}");
        let asked = lab.request_code(&device, &license);
        let answered = lab.answer_code(&form(&asked), &license).done();
        let unlock = text(&answered, "code");
        assert_eq!(lab.apply_code(&device, &form(&unlock)).done()["state"], "active");
        let told = lab.return_code(&device);
        let answered = lab.take_code(&form(&told)).done();
        let stdin = in_lines(&text(&answered, "code"));
        let applied = lab.device_fed(&device, "apply --code", stdin.as_bytes()).done();
        assert_eq!(applied["state"], "active");
    }
    let asked = lab.request_code("pasted", &license);
    let pasted = format!("'{}'", in_lines(&asked));
    assert_eq!(lab.answer_code(&pasted, &license).done()["status"], "active");
}

#[test]
fn what_was_named_of_an_answer_is_what_the_device_gets() {
    let (lab, license) = issued(STANDARD);
    let options = "--product studio --air-gapped --same-device count --valid 365d --max-activations 2 \
                   --sync-every 10d --mode render=counted";
    lab.vendor(&format!("policy create metered {options}")).done();
    lab.vendor("product pack studio -o studio.cfpack").done();
    let asked = lab.request_code("dev1", &license);
    let answer = format!("code answer {asked} --license-key {}", license.key);
    lab.vendor(&format!("{answer} --policy 3")).refused(4, "code_policy");
    lab.vendor(&format!("{answer} --policy 64")).refused(2, "usage");
    lab.vendor(&format!("{answer} --valid 0")).refused(2, "usage");
    let answered = lab.vendor(&format!("{answer} --policy 2 --valid 20")).done();
    assert_eq!(answered["policy"], "metered");
    let applied = lab.apply_code("dev1", &text(&answered, "code")).done();
    assert_eq!(change(&applied, "feature render"), Some([None, Some("counted".to_owned())]));
    let issued_on = day(&text(&lab.device("dev1", "status").done(), "known_since"));
    assert_eq!(day(&text(&answered, "valid_until")) - issued_on, 21, "to the end of the last day");
    assert_eq!(day(&text(&answered, "sync_by")) - issued_on, 11);
    let shown = lab.vendor(&format!("license show {}", license.id)).done();
    let features = shown["features"].as_array().expect("features");
    let mode = features.iter().find(|feature| feature["name"] == "render").map(|feature| &feature["mode"]);
    assert_eq!(mode, Some(&"counted".into()), "the licence is what the device was told");

    // A report asks for more time and gets it; the licence's end stays the end.
    let told = lab.return_code("dev1");
    let answered = lab.vendor(&format!("code return {told} --valid 5000")).done();
    let end = text(&shown["entitlement"], "valid_until");
    assert_eq!(day(&text(&answered, "valid_until")), day(&end) + 1);
    lab.apply_code("dev1", &text(&answered, "code")).done();
    all_follows(&lab);
}

#[test]
fn a_licence_that_was_changed_is_told_by_no_code_until_a_policy_fits_it() {
    let (lab, license) = issued(STANDARD);
    lab.activate_by_code("dev1", &license);
    lab.vendor(&format!("license change {} --feature beta", license.id)).done();
    let told = lab.return_code("dev1");
    let refusal = lab.take_code(&told).refused(4, "code_policy");
    assert!(text(&refusal, "detail").contains("1 standard"), "{refusal:#}");
    // What it tells was used is taken in all the same, once.
    let before = lab.vendor_picture();
    lab.vendor(&format!("code return {told} --policy 2")).refused(4, "code_policy");
    let asked = lab.request_code("dev2", &license);
    lab.answer_code(&asked, &license).refused(4, "code_policy");
    assert_eq!(lab.vendor_picture(), before);
    let answered = lab.vendor(&format!("code return {told} --policy 1")).done();
    lab.apply_code("dev1", &text(&answered, "code")).done();
    lab.device("dev1", "check beta").refused_by_check("feature_absent");
    let shown = lab.vendor(&format!("license show {}", license.id)).done();
    let names: Vec<&str> =
        shown["features"].as_array().expect("features").iter().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(names, ["export", "render"], "it was changed to what was named");
    lab.answer_code(&asked, &license).done();
    all_follows(&lab);
}

#[test]
fn a_seat_is_free_when_a_code_told_that_it_was_given_back() {
    let (lab, license) = issued(STANDARD);
    lab.activate_by_code("dev1", &license);
    lab.activate_by_code("dev2", &license);
    let asked = lab.request_code("dev3", &license);
    let refusal = lab.answer_code(&asked, &license).refused(4, "no_seat_free");
    assert_eq!(refusal["code"], "no_seat_free");
    let before = lab.vendor_picture();
    lab.answer_code(&asked, &license).refused(4, "no_seat_free");
    assert_eq!(lab.vendor_picture(), before, "the same refusal is written once");
    let closing = text(&lab.device("dev1", "deactivate --code").done(), "code");
    lab.answer_code(&asked, &license).refused(4, "no_seat_free");
    lab.take_code(&closing).done();
    let answered = lab.answer_code(&asked, &license).done();
    lab.apply_code("dev3", &text(&answered, "code")).done();
    assert_eq!(left(&lab, "dev3"), 500);
    lab.answer_code(&lab.request_code("dev4", &license), &license).refused(4, "no_seat_free");
    all_follows(&lab);
}

/// A request that is refused and typed again when a seat is free had no check-in deadline: there was none that could stay.
#[test]
fn whoever_was_refused_first_has_a_deadline_like_any_other() {
    let (lab, license) = issued("--max-activations 1 --valid 365d --sync-every 30d");
    lab.activate_by_code("dev1", &license);
    let asked = lab.request_code("dev2", &license);
    lab.answer_code(&asked, &license).refused(4, "no_seat_free");
    lab.take_code(&text(&lab.device("dev1", "deactivate --code").done(), "code")).done();
    let answered = lab.answer_code(&asked, &license).done();
    lab.apply_code("dev2", &text(&answered, "code")).done();
    let status = lab.device("dev2", "status").done();
    assert_eq!(status["sync_by"], answered["sync_by"]);
    assert_eq!(day(&text(&answered, "sync_by")) - day(&text(&status, "known_since")), 31);
}

/// Devices on machines of their own, in this process: the programs know only the real one.
fn activated_on(lab: &Lab, device: &str, machine: &'static str, license: &License) -> Result<String, String> {
    let agent = lab.agent_on(device, machine);
    let key = LicenseKey::parse(&license.key).expect("a key that was issued");
    let asked = agent.activate_by_code(&key).expect("a new device").to_string();
    let answered = lab.answer_code(&asked, license);
    if answered.exit() != Some(0) {
        return Err(text(&answered.json(), "code"));
    }
    let unlock = TypedCode::read(Some(Kind::Unlock), &text(&answered.done(), "code")).expect("a code");
    Ok(agent.apply_code(&unlock).expect("it is for this device").chain.to_string())
}

#[test]
fn a_device_that_was_installed_again_is_known_by_its_tag() {
    let cases = [
        ("supersede", "released", Ok(())),
        ("count", "active", Ok(())),
        ("refuse", "active", Err("same_device".to_owned())),
    ];
    for (rule, first_is, second_gets) in cases {
        let options = format!("--same-device {rule} --max-activations 2 --valid 365d --sync-every 30d");
        let (lab, license) = issued(&options);
        let first = activated_on(&lab, "before", "desk", &license).expect("a seat is free");
        let second = activated_on(&lab, "after", "desk", &license);
        assert_eq!(second.clone().map(|_| ()), second_gets, "{rule}");
        let shown = lab.vendor(&format!("activation show {first}")).done();
        assert_eq!(shown["state"], first_is, "{rule}: {shown:#}");
        let third = activated_on(&lab, "other", "shelf", &license).map(|_| ());
        let seats = if rule == "count" { Err("no_seat_free".to_owned()) } else { Ok(()) };
        assert_eq!(third, seats, "{rule}: another machine");
        if let (Ok(second), "supersede") = (second, rule) {
            assert_ne!(first, second);
            assert_eq!(shown["released"], "superseded");
            // The record that was left behind tells of itself no more.
            let told = lab.agent_on("before", "desk").report_by_code(None).expect("it has a record");
            let told = lab.take_code(&told.to_string()).done();
            assert_eq!(told["status"], "released");
        }
        all_follows(&lab);
    }
}

#[test]
fn a_seat_moves_by_codes_to_another_machine_only_so_often() {
    let (lab, license) = issued("--max-activations 1 --transfers 1/90d --sync-every 30d --valid 365d");
    let give_back = |device: &str, machine| {
        let told = lab.agent_on(device, machine).deactivate_by_code().expect("it is activated");
        lab.take_code(&told.to_string()).done();
    };
    activated_on(&lab, "a", "desk", &license).expect("the first");
    give_back("a", "desk");
    activated_on(&lab, "b", "shelf", &license).expect("one transfer");
    give_back("b", "shelf");
    assert_eq!(activated_on(&lab, "c", "attic", &license), Err("transfers_exhausted".to_owned()));
    lab.vendor(&format!("license change {} --transfers 2/90d", license.id)).done();
    activated_on(&lab, "c", "attic", &license).expect("the same request is decided afresh");
    all_follows(&lab);
}

#[test]
fn usage_that_codes_told_is_no_longer_free_for_other_devices() {
    let (lab, license) = issued(STANDARD);
    let first = lab.activate_by_code("dev1", &license);
    assert_eq!(render(&lab, &license), [1_000, 0, 500, 500]);
    lab.device("dev1", "consume render 400").done();
    assert_eq!(render(&lab, &license), [1_000, 0, 500, 500], "nobody told it so far");
    let (_, applied) = lab.sync_by_code("dev1");
    assert_eq!(change(&applied, "quota of render for ").or(Some([None, None])), Some([None, None]));
    assert_eq!((left(&lab, "dev1"), render(&lab, &license)), (500, [1_000, 400, 500, 100]));
    lab.activate_by_code("dev2", &license);
    assert_eq!((left(&lab, "dev2"), render(&lab, &license)), (100, [1_000, 400, 600, 0]));
    lab.device("dev2", "consume render 101").refused(4, "quota_exhausted");
    lab.device("dev2", "consume render 100").done();
    lab.sync_by_code("dev2");
    assert_eq!(render(&lab, &license), [1_000, 500, 500, 0]);
    lab.device("dev2", "check render").refused_by_check("quota_exhausted");
    let shown = lab.vendor(&format!("activation show {first}")).done();
    let quota = &shown["quotas"][0];
    let of = |key: &str| number(quota, key);
    assert_eq!([of("granted"), of("used"), of("returned"), of("held")], [900, 400, 0, 500], "{shown:#}");
    assert_eq!(shown["told_by_code"]["head"]["held"], Value::Null, "no event was carried: {shown:#}");
    // What the first one gives back, the second one gets.
    lab.take_code(&text(&lab.device("dev1", "deactivate --code").done(), "code")).done();
    assert_eq!(render(&lab, &license), [1_000, 500, 0, 500]);
    lab.sync_by_code("dev2");
    assert_eq!((left(&lab, "dev2"), render(&lab, &license)), (500, [1_000, 500, 500, 0]));
    all_follows(&lab);
}

#[test]
fn what_became_of_a_licence_is_told_by_the_next_code() {
    let (lab, license) = issued(STANDARD);
    let chain = lab.activate_by_code("dev1", &license);
    let steps = [
        (format!("license suspend {}", license.id), "suspended", Some("suspended")),
        (format!("license resume {}", license.id), "active", None),
        (format!("--yes license revoke {}", license.id), "revoked", Some("revoked")),
    ];
    for (line, state, refused) in steps {
        lab.vendor(&line).done();
        let (answered, applied) = lab.sync_by_code("dev1");
        assert_eq!((&answered["status"], &applied["state"]), (&state.into(), &state.into()));
        match refused {
            Some(code) => lab.device("dev1", "check render").refused_by_check(code),
            None => assert_eq!(left(&lab, "dev1"), 500),
        }
        assert_eq!(lab.vendor(&format!("activation show {chain}")).done()["state"], state);
    }
    lab.answer_code(&lab.request_code("dev2", &license), &license).refused(4, "revoked");

    let license = lab.issue();
    let chain = lab.activate_by_code("dev3", &license);
    lab.vendor(&format!("activation release {chain} --override")).done();
    assert_eq!(left(&lab, "dev3"), 500, "it does not know");
    let (_, applied) = lab.sync_by_code("dev3");
    assert_eq!(applied["state"], "released");
    lab.device("dev3", "check export").exits(4).json();
    assert_ne!(lab.activate_by_code("dev3", &license), chain, "it asks anew with a record of its own");
    all_follows(&lab);
}

/// What `check` says of `render` on a clock that stands so many days ahead, without a trace of it afterwards.
fn check_in(lab: &Lab, device: &str, days: u64) -> String {
    lab.copy(device, "in-time");
    let code = lab.agent_ahead("in-time", Seconds::days(days)).check("render").code;
    std::fs::remove_dir_all(lab.path("in-time")).expect("just copied");
    code.word().to_owned()
}

#[test]
fn a_check_in_deadline_passes_and_the_next_code_moves_it() {
    let (lab, license) = issued(STANDARD);
    lab.activate_by_code("dev1", &license);
    let said = [5, 33, 45].map(|days| check_in(&lab, "dev1", days));
    assert_eq!(said, ["allowed", "check_in_due", "overdue"]);
    let status = lab.device("dev1", "status").done();
    let (answered, _) = lab.sync_by_code("dev1");
    assert!(text(&answered, "sync_by") >= text(&status, "sync_by"));
    assert_eq!(number(&lab.device("dev1", "check render").done(), "remaining"), 500);
    let ended = check_in(&lab, "dev1", 366);
    assert!(["overdue", "expired"].contains(&ended.as_str()), "{ended}");
}

/// Answers to what was shown before the clock was noted may have been kept: they prove nothing of the time after it.
#[test]
fn a_clock_that_was_set_forward_is_set_right_by_an_answer_to_a_later_report() {
    let (lab, license) = issued(STANDARD);
    lab.activate_by_code("dev1", &license);
    let before = lab.return_code("dev1");
    let kept = text(&lab.take_code(&before).done(), "code");
    let set_forward = lab.agent_ahead("dev1", Seconds::days(400));
    set_forward.set("site", "plant 7").expect("the record stays open to what is no use of the licence");
    drop(set_forward);
    let status = lab.device("dev1", "status").done();
    assert!(status["clock_noted"].is_number(), "{status:#}");
    lab.device("dev1", "check render").exits(4).json();

    assert_eq!(lab.apply_code("dev1", &kept).done()["state"], "active");
    let status = lab.device("dev1", "status").done();
    assert!(status["clock_noted"].is_number(), "an answer from before the note: {status:#}");
    lab.device("dev1", "check render").exits(4).json();

    lab.sync_by_code("dev1");
    let status = lab.device("dev1", "status").done();
    assert_eq!(status["clock_noted"], Value::Null, "{status:#}");
    assert_eq!(left(&lab, "dev1"), 500);
    lab.device("dev1", "consume render 1").done();
    let (answered, _) = lab.sync_by_code("dev1");
    assert_eq!(number(&answered["usage"][0], "n"), 1);
    lab.device("dev1", "verify").done();
    all_follows(&lab);
}

#[test]
fn a_period_that_is_over_is_told_by_a_day_in_it() {
    let (lab, license) =
        issued("--valid 365d --max-activations 2 --quota render=1000/month --sync-every 90d");
    let chain = lab.activate_by_code("dev1", &license);
    let today = text(&lab.device("dev1", "status").done(), "time")[..10].to_owned();
    lab.device("dev1", "consume render 30").done();
    let later = lab.agent_ahead("dev1", Seconds::days(40));
    assert_eq!(later.consume("render", 7).expect("quota is held for the next months").total.get(), 7);
    let day = Day::of(Micros::parse(&today).expect("a day")).expect("after 2020");
    let told = later.report_by_code(Some(day)).expect("a day that has come");
    let answered = lab.take_code(&told.to_string()).done();
    let usage = answered["usage"].as_array().expect("usage").clone();
    assert_eq!(
        (usage.len(), text(&usage[0], "period"), number(&usage[0], "n")),
        (1, today[..7].to_owned(), 30)
    );
    let now = later.report_by_code(None).expect("the present period");
    let answered = lab.take_code(&now.to_string()).done();
    assert_eq!(number(&answered["usage"][0], "n"), 7);
    assert_ne!(answered["usage"][0]["period"], usage[0]["period"]);
    let shown = lab.vendor(&format!("activation show {chain}")).done();
    let quotas = shown["quotas"].as_array().expect("quotas");
    let used: u64 = quotas.iter().map(|quota| number(quota, "used")).sum();
    assert_eq!(used, 37, "{shown:#}");
    drop(later);
    lab.device("dev1", "report --code --day 2999-01-01").refused(2, "usage");
    lab.device("dev1", "report --code --day 2019-12-31").refused(2, "usage");
    all_follows(&lab);
}

#[test]
fn a_new_pack_leaves_devices_of_the_old_one_alone_and_lets_them_ask_again() {
    let (lab, license) = issued(STANDARD);
    for device in ["old", "updated"] {
        lab.activate_by_code(device, &license);
        lab.device(device, "consume render 5").done();
    }
    let asked = lab.request_code("updated", &license);
    lab.vendor("policy create second --product studio --air-gapped --max-activations 9").done();
    lab.vendor("product pack studio -o new.cfpack").done();
    // The old application goes on by its own pack.
    let (answered, applied) = lab.sync_by_code("old");
    assert_eq!((&answered["policy"], &applied["state"]), (&"standard".into(), &"active".into()));
    // The new one has what it has, and takes codes by its own pack only: the vendor learns of that by a request.
    let new = |line: &str| lab.device("updated", &format!("--pack new.cfpack {line}"));
    assert_eq!(new("check render").done()["allowed"], true);
    let told = text(&new("report --code").done(), "code");
    let unlock = text(&lab.take_code(&told).done(), "code");
    new(&format!("apply --code {unlock}")).refused(4, "code_other_pack");
    let renewed = text(&new(&format!("activate --license-key {} --code", license.key)).done(), "code");
    assert_ne!(renewed, asked, "a request names the pack");
    let answered = lab.answer_code(&renewed, &license).done();
    assert_eq!(answered["again"], false);
    let unlock = text(&answered, "code");
    let before = lab.device_picture("updated");
    let refused = lab.apply_code("updated", &unlock);
    assert!([Some(4), Some(5)].contains(&refused.exit()), "the old application was set back: {refused:?}");
    assert_eq!(lab.device_picture("updated"), before);
    assert_eq!(new(&format!("apply --code {unlock}")).done()["state"], "active");
    assert_eq!(number(&new("check render").done(), "remaining"), 495, "the two hold all that there is");
    // From now on its reports may unlock what only the new pack holds.
    let told = text(&new("report --code").done(), "code");
    let answered = lab.vendor(&format!("code return {told} --policy 2")).done();
    assert_eq!(answered["policy"], "second");
    new(&format!("apply --code {}", text(&answered, "code"))).done();
    let told = lab.return_code("old");
    lab.vendor(&format!("code return {told} --policy 2")).refused(4, "code_policy");
    all_follows(&lab);
}

#[test]
fn a_device_goes_on_by_file_after_codes_and_back() {
    let (lab, license) = issued(STANDARD);
    let chain = lab.activate_by_code("dev1", &license);
    lab.device("dev1", "consume render 5").done();
    lab.sync_by_code("dev1");
    lab.device("dev1", "consume render 7").done();
    let merged = lab.sync("dev1");
    assert_eq!(number(&merged, "merged"), 1);
    assert_eq!(render(&lab, &license), [1_000, 12, 500, 488], "what was told twice counts once");
    let shown = lab.vendor(&format!("activation show {chain}")).done();
    assert_eq!(shown["told_by_code"]["head"]["held"], true, "{shown:#}");
    let status = lab.device("dev1", "status").done();
    assert_eq!(text(&status, "license_id"), license.id, "a file tells it");

    lab.device("dev1", "consume render 1").done();
    let (answered, _) = lab.sync_by_code("dev1");
    assert_eq!(text(&answered, "chain"), chain);
    assert_eq!(number(&answered["usage"][0], "n"), 13);
    assert_eq!(render(&lab, &license), [1_000, 13, 500, 487]);
    // And once more, with a file that it did not ask for.
    lab.vendor(&format!("refresh {chain} -o refresh.cfgrant")).done();
    lab.device("dev1", "apply refresh.cfgrant").done();
    lab.sync_by_code("dev1");
    lab.device("dev1", "apply refresh.cfgrant").refused(4, "superseded");
    lab.sync("dev1");
    lab.device("dev1", "deactivate --file bye.cfbundle").done();
    lab.vendor("merge bye.cfbundle").done();
    assert_eq!(render(&lab, &license), [1_000, 13, 0, 987]);
    lab.device("dev1", "verify").done();
    all_follows(&lab);
}

#[test]
fn a_device_that_came_by_file_goes_on_by_codes() {
    let (lab, license) = issued(STANDARD);
    let chain = lab.activate("dev1", &license);
    lab.device("dev1", "consume render 11").done();
    lab.device("dev1", "report --code").refused(4, "code_not_here");
    assert_eq!(lab.activate_by_code("dev1", &license), chain);
    assert_eq!(left(&lab, "dev1"), 489);
    lab.device("dev1", "consume render 2").done();
    let (answered, _) = lab.sync_by_code("dev1");
    assert_eq!(number(&answered["usage"][0], "n"), 13);
    assert_eq!(render(&lab, &license), [1_000, 13, 500, 487]);
    // Its events come later, after the code that closed it.
    let closing = text(&lab.device("dev1", "deactivate --code").done(), "code");
    lab.take_code(&closing).done();
    assert_eq!(render(&lab, &license), [1_000, 13, 0, 987]);
    lab.device("dev1", "deactivate --file bye.cfbundle").done();
    lab.vendor("merge bye.cfbundle").done();
    assert_eq!(render(&lab, &license), [1_000, 13, 0, 987]);
    let shown = lab.vendor(&format!("activation show {chain}")).done();
    assert_eq!(shown["told_by_code"]["head"]["held"], true, "{shown:#}");
    all_follows(&lab);
}

/// Two chains of one licence, one told by codes and one by files, share its seats and its quota.
#[test]
fn codes_and_files_share_seats_and_quota() {
    let (lab, license) = issued(STANDARD);
    lab.activate("by-file", &license);
    lab.activate_by_code("by-code", &license);
    lab.request("third", &license);
    lab.vendor("merge third.cfbundle --answers answers").done();
    assert_eq!(lab.device("third", "apply answers/third.cfgrant").done()["state"], "denied");
    lab.device("by-file", "consume render 300").done();
    lab.device("by-code", "consume render 200").done();
    lab.sync_by_code("by-code");
    assert_eq!(left(&lab, "by-code"), 300, "no more was free");
    lab.sync("by-file");
    assert_eq!(render(&lab, &license), [1_000, 500, 500, 0]);
    all_follows(&lab);
}

/// What the backup lacks of a device that only codes come from, nobody can send: the device asks again by the request that it has.
#[test]
fn a_device_whose_answers_a_restored_vendor_lost_asks_again() {
    for reported_before_the_backup in [false, true] {
        let (lab, license) = issued(STANDARD);
        let chain = lab.activate_by_code("dev1", &license);
        lab.device("dev1", "consume render 5").done();
        if reported_before_the_backup {
            lab.sync_by_code("dev1");
        }
        lab.vendor("backup -o saved").done();
        lab.device("dev1", "consume render 6").done();
        lab.sync_by_code("dev1");
        lab.device("dev1", "consume render 7").done();
        let status = lab.device("dev1", "status").done();
        std::fs::rename(lab.home(), lab.path("lost")).expect("writable");
        lab.vendor("restore saved").done();

        let told = lab.return_code("dev1");
        let before = lab.vendor_picture();
        lab.take_code(&told).refused(3, "code_chain_unknown");
        assert_eq!(lab.vendor_picture(), before);
        assert_eq!(lab.activate_by_code("dev1", &license), chain, "it goes on with its record");
        assert_eq!(lab.device("dev1", "status").done()["sync_by"], status["sync_by"], "asking gains no time");
        let (answered, _) = lab.sync_by_code("dev1");
        assert_eq!(number(&answered["usage"][0], "n"), 18);
        assert_eq!(render(&lab, &license)[1], 18);
        lab.device("dev1", "verify").done();
        all_follows(&lab);
    }
}

/// The policy that was named of an answer changed the licence, and the device that it was named for was refused.
#[test]
fn a_device_that_is_refused_changes_no_licence() {
    let (lab, license) = issued("--max-activations 1 --valid 365d --sync-every 30d");
    let options =
        "--product studio --air-gapped --same-device count --max-activations 1 --mode render=counted";
    lab.vendor(&format!("policy create metered {options}")).done();
    lab.vendor("product pack studio -o studio.cfpack").done();
    lab.activate_by_code("dev1", &license);
    let asked = lab.request_code("dev2", &license);
    let before = lab.vendor_picture();
    lab.vendor(&format!("code answer {asked} --license-key {} --policy 2", license.key))
        .refused(4, "no_seat_free");
    assert_eq!(lab.vendor_picture(), before);
    // Without one, that it asked and was refused is kept.
    lab.answer_code(&asked, &license).refused(4, "no_seat_free");
    let shown = lab.vendor("activation list").done();
    let states: Vec<&str> = shown["activations"]
        .as_array()
        .expect("activations")
        .iter()
        .filter_map(|it| it["state"].as_str())
        .collect();
    assert!(states.contains(&"denied"), "{shown:#}");
    all_follows(&lab);
}

#[test]
fn a_device_that_was_set_back_tells_nothing_before_it_has_caught_up() {
    let (lab, license) = issued(STANDARD);
    lab.activate_by_code("dev1", &license);
    lab.device("dev1", "consume render 1").done();
    lab.copy("dev1", "backup");
    lab.device("dev1", "consume render 400").done();
    lab.sync_by_code("dev1");
    assert_eq!(render(&lab, &license), [1_000, 401, 500, 99]);
    lab.put_back("backup", "dev1");
    let before = lab.vendor_picture();
    lab.take_code(&lab.return_code("dev1")).refused(4, "code_stale");
    assert_eq!(lab.vendor_picture(), before);
    assert_eq!(render(&lab, &license), [1_000, 401, 500, 99], "what was told stays told");
    all_follows(&lab);
}

/// Copies are found where records are carried out; what follows is told by codes too.
#[test]
fn what_a_copy_may_still_do_is_told_by_a_code() {
    for (on_fork, refused) in [("flag", None), ("stop", Some("forked")), ("heal", Some("forked"))] {
        let (lab, license) = issued(&format!("{STANDARD} --on-fork {on_fork}"));
        lab.activate("dev1", &license);
        lab.copy("dev1", "copy");
        for (device, n) in [("dev1", 5), ("copy", 7)] {
            lab.device(device, &format!("consume render {n}")).done();
            lab.report(device, "report.cfbundle");
            lab.vendor("merge report.cfbundle --answers answers").done();
        }
        assert_eq!(render(&lab, &license)[1], 12, "both");
        lab.activate_by_code("dev1", &license);
        match refused {
            Some(code) => lab.device("dev1", "check render").refused_by_check(code),
            None => assert_eq!(lab.device("dev1", "check render").done()["allowed"], true),
        }
        assert_eq!(lab.device("dev1", "check export").done()["allowed"], true, "what is not counted goes on");
        let (answered, _) = lab.sync_by_code("dev1");
        assert_eq!(number(&answered["usage"][0], "n"), 5, "its own");
        assert_eq!(render(&lab, &license)[1], 12, "no code lets what is proved be forgotten");
        all_follows(&lab);
    }
}

#[test]
fn a_record_that_waits_for_its_answer_has_nothing_to_report() {
    let (lab, license) = issued(STANDARD);
    let asked = lab.request_code("dev1", &license);
    lab.device("dev1", "report --code").refused(4, "code_not_here");
    lab.device("dev1", "deactivate --code").refused(4, "code_not_here");
    assert_eq!(lab.request_code("dev1", &license), asked);
    let unlock = text(&lab.answer_code(&asked, &license).done(), "code");
    assert_eq!(lab.apply_code("dev1", &unlock).done()["state"], "active");
    assert_eq!(lab.agent_ahead("dev1", Seconds(0)).status().expect("a record").state, State::Active);
}
