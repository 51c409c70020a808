//! The life of licences, seats and reserved quota as the vendor decides it, through both programs.

use counterfoil_tests::device::HandMade;
use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{Lab, License};
use serde_json::Value;

const STANDARD: &str = "--max-activations 2 --quota render=1000/month --overage render=100 --sync-every 30d";
/// Deadlines that pass while the test runs.
const SHORT: &str = "--max-activations 2 --quota render=1000 --sync-every 1s --grace 0s --clock-tolerance 0s --same-device count";

/// The statuses of all activations with their reasons, by chain.
fn state(lab: &Lab, chain: &str) -> (String, Option<String>) {
    let shown = lab.vendor(&format!("activation show {chain}")).done();
    (text(&shown, "state"), shown["reason"].as_str().map(str::to_owned))
}

/// What a device that was made by hand is told when it reports all that it did.
fn told(lab: &Lab, name: &str, device: &HandMade) -> (String, Option<String>) {
    lab.write(format!("{name}.cfbundle"), device.bundle());
    lab.vendor(&format!("merge {name}.cfbundle --answers answers")).done();
    state(lab, &device.chain().to_string())
}

fn active() -> (String, Option<String>) {
    ("active".to_owned(), None)
}

fn denied(code: &str) -> (String, Option<String>) {
    ("denied".to_owned(), Some(code.to_owned()))
}

/// The quota of `render` in the present period, which must add up.
fn render(lab: &Lab, license: &License) -> Value {
    let shown = lab.vendor(&format!("license show {}", license.id)).done();
    let quotas = shown["quotas"].as_array().expect("quotas").clone();
    for quota in &quotas {
        let sum =
            signed(quota, "free") + signed(quota, "used") + signed(quota, "held") - signed(quota, "debt");
        assert_eq!(signed(quota, "limit") + signed(quota, "overage"), sum, "{quota:#}");
    }
    quotas[0].clone()
}

fn signed(object: &Value, key: &str) -> i64 {
    object[key].as_i64().unwrap_or_else(|| panic!("no number {key} in {object:#}"))
}

/// Takes the licence as it stands to a device that did not ask.
#[track_caller]
fn refresh(lab: &Lab, device: &str, chain: &str) -> Value {
    lab.vendor(&format!("refresh {chain} -o refresh.cfgrant")).done();
    lab.device(device, "apply refresh.cfgrant").done()
}

/// Starts programs until one reads a later time than `until`: the clock is never set back here.
fn pass(lab: &Lab, until: &str) {
    while text(&lab.device("clock", "status").done(), "time").as_str() < until {}
}

fn all_follows(lab: &Lab) {
    lab.vendor("rebuild --check").done();
    lab.vendor("audit verify --deep").done();
}

#[test]
fn the_same_device_supersedes_counts_or_is_refused() {
    let cases = [
        ("supersede", ("released".to_owned(), None), active()),
        ("count", active(), active()),
        ("refuse", active(), denied("same_device")),
    ];
    for (rule, first_ends, second_gets) in cases {
        let lab = Lab::with_policy(&format!("{STANDARD} --same-device {rule}"));
        let license = lab.issue();
        let [first, second, bare] = [1, 2, 3].map(|seed| HandMade::new(seed, &license));
        let (first, second) = (first.on_device(1), second.on_device(1));
        assert_eq!(told(&lab, "first", &first), active());
        assert_eq!(told(&lab, "second", &second), second_gets, "{rule}");
        assert_eq!(state(&lab, &first.chain().to_string()), first_ends, "{rule}");
        let third = if rule == "count" { denied("no_seat_free") } else { active() };
        assert_eq!(
            told(&lab, "bare", &bare),
            third,
            "{rule}: a device without a fingerprint is like no other"
        );
        all_follows(&lab);
    }
}

#[test]
fn a_superseded_device_is_told_and_what_it_holds_stays_out() {
    let lab = Lab::with_policy(&format!("{STANDARD} --same-device supersede"));
    let license = lab.issue();
    let [first, second] = [1, 2].map(|seed| HandMade::new(seed, &license).on_device(1));
    told(&lab, "first", &first);
    told(&lab, "second", &second);
    let chain = first.chain().to_string();
    let shown = lab.vendor(&format!("activation show {chain}")).done();
    assert_eq!(shown["released"], "superseded");
    let refreshed = lab.vendor(&format!("refresh {chain} -o refresh.cfgrant")).done();
    assert_eq!(refreshed["status"], "released");
    assert_eq!(number(&render(&lab, &license), "held"), 1_000);
    let late = first.consume(5);
    assert_eq!(told(&lab, "late", &late).0, "released");
    let quota = render(&lab, &license);
    assert_eq!((number(&quota, "used"), number(&quota, "held")), (5, 995), "evidence always counts");
    let shown = lab.vendor(&format!("activation show {chain}")).done();
    assert_eq!(shown["findings"][0]["code"], "reported_late", "{shown:#}");
    all_follows(&lab);
}

#[test]
fn a_reinstalled_device_without_quota_is_told_who_holds_it_and_what_frees_it() {
    let lab = Lab::with_policy(
        "--max-activations 1 --quota render=1000/month --sync-every 30d --same-device supersede",
    );
    let license = lab.issue();
    let [old, new] = [1, 2].map(|seed| HandMade::new(seed, &license).on_device(1));
    assert_eq!(told(&lab, "old", &old.clone().consume(30)), active());
    assert_eq!(told(&lab, "new", &new), active());
    let stranded = |line: &str| -> Vec<(String, u64)> {
        let shown = lab.vendor(line).done();
        let all = shown["stranded"].as_array().expect("what is stranded").clone();
        all.iter().map(|units| (text(units, "chain"), number(units, "units"))).collect()
    };
    let (old, new) = (old.chain().to_string(), new.chain().to_string());
    let license_shown = format!("license show {}", license.id);
    let held = stranded(&license_shown);
    assert!(!held.is_empty() && held.iter().all(|(chain, units)| *chain == old && *units > 0), "{held:?}");
    assert_eq!(stranded(&format!("activation show {old}")), held);
    assert_eq!(stranded(&format!("activation show {new}")), held, "it lacks what the other holds");
    assert_eq!(number(&render(&lab, &license), "next_share"), 0);
    lab.vendor(&format!("activation write-off {old} --override")).done();
    lab.vendor(&format!("refresh {new} -o refresh.cfgrant")).done();
    for line in [license_shown, format!("activation show {old}"), format!("activation show {new}")] {
        assert_eq!(stranded(&line), [], "{line}");
    }
    assert_eq!(number(&render(&lab, &license), "held"), 970, "the new chain holds what is left");
    all_follows(&lab);
}

#[test]
fn a_seat_moves_to_another_device_only_so_often() {
    let lab = Lab::with_policy("--max-activations 1 --transfers 1/90d --sync-every 30d");
    let license = lab.issue();
    let device = |seed: u64, number: u8| HandMade::new(seed, &license).on_device(number);
    assert_eq!(told(&lab, "a", &device(1, 1)), active());
    told(&lab, "a", &device(1, 1).close());
    assert_eq!(told(&lab, "b", &device(2, 2)), active());
    told(&lab, "b", &device(2, 2).close());
    assert_eq!(told(&lab, "c", &device(3, 3)), denied("transfers_exhausted"));
    let shown = lab.vendor(&format!("license show {}", license.id)).done();
    assert_eq!((number(&shown["seats"], "taken"), number(&shown["seats"], "transfers_left")), (0, 0));
    // The denied request is decided afresh when it comes again.
    assert_eq!(told(&lab, "c", &device(3, 3)), denied("transfers_exhausted"));
    lab.vendor(&format!("license change {} --transfers 2/90d", license.id)).done();
    assert_eq!(told(&lab, "c", &device(3, 3)), active());
    lab.vendor(&format!("license change {} --transfers unlimited", license.id)).done();
    let shown = lab.vendor(&format!("license show {}", license.id)).done();
    assert_eq!(shown["seats"]["transfers_left"], Value::Null);
    all_follows(&lab);
}

#[test]
fn a_seat_that_an_operator_took_back_is_free_after_the_deadline() {
    let lab = Lab::with_policy("--max-activations 1 --sync-every 30d --grace 7d --clock-tolerance 1d");
    let license = lab.issue();
    let chain = lab.activate("dev1", &license);
    let sync_by = text(&lab.vendor(&format!("activation show {chain}")).done(), "sync_by");
    let released = lab.vendor(&format!("activation release {chain} --reason lost")).done();
    let days = |time: &str| schemas::numbers::Micros::parse(time).expect("RFC 3339").get() / 86_400_000_000;
    assert_eq!(days(&text(&released, "seat_free_at")) - days(&sync_by), 8, "grace and tolerance on top");
    assert_eq!((&released["is_free"], &released["overridden"]), (&false.into(), &false.into()));
    lab.request("dev2", &license);
    lab.vendor("merge dev2.cfbundle --answers answers").done();
    assert_eq!(lab.device("dev2", "apply answers/dev2.cfgrant").done()["state"], "denied");
    assert_eq!(lab.device("dev2", "status").done()["reason"], "no_seat_free");
    lab.vendor(&format!("activation release {chain}")).refused(4, "status_unchanged");
    let released = lab.vendor(&format!("activation release {chain} --override")).done();
    assert_eq!((&released["is_free"], &released["overridden"]), (&true.into(), &true.into()));
    lab.vendor("merge dev2.cfbundle --answers answers").done();
    assert_eq!(lab.device("dev2", "apply answers/dev2.cfgrant").done()["state"], "active");
    assert_eq!(refresh(&lab, "dev1", &chain)["state"], "released");
    lab.device("dev1", "check export").exits(4).json();
    all_follows(&lab);
}

#[test]
fn a_seat_without_a_deadline_takes_an_override() {
    let lab = Lab::with_policy("--max-activations 1 --quota render=10");
    let license = lab.issue();
    let chain = lab.activate("dev1", &license);
    let refusal = lab.vendor(&format!("activation release {chain}")).refused(4, "no_deadline");
    assert!(text(&refusal, "hint").contains("--override"), "{refusal:#}");
    lab.vendor(&format!("activation write-off {chain}")).refused(4, "no_deadline");
    lab.vendor(&format!("activation release {chain} --override")).done();
    lab.vendor("activation release --silent").refused(2, "usage");
    lab.vendor(&format!("activation release --silent {} --all", license.id)).refused(2, "usage");
}

#[test]
fn silent_devices_lose_their_seats_and_then_what_they_hold() {
    let lab = Lab::with_policy(SHORT);
    lab.activate("clock", &lab.issue());
    let license = lab.issue();
    let [first, second] = ["dev1", "dev2"].map(|device| lab.activate(device, &license));
    let deadline = text(&lab.vendor(&format!("activation show {second}")).done(), "sync_by");
    pass(&lab, &deadline);
    let released = lab.vendor(&format!("activation release --silent {}", license.id)).done();
    assert_eq!(released["released"].as_array().map(Vec::len), Some(2));
    assert_eq!(lab.vendor(&format!("activation show {first}")).done()["released"], "silent");
    let again = lab.vendor("activation release --silent --all").done();
    assert_eq!(again["released"].as_array().map(Vec::len), Some(1), "the other licence's device: {again:#}");
    let shown = lab.vendor(&format!("license show {}", license.id)).done();
    assert_eq!(number(&shown["seats"], "taken"), 0);
    assert_eq!(number(&render(&lab, &license), "held"), 1_000, "what they hold is still out");
    let written_off = lab.vendor(&format!("activation write-off {first} --feature render")).done();
    assert_eq!(number(&written_off["written_off"][0], "units"), 500);
    lab.vendor(&format!("activation write-off {first}")).refused(4, "status_unchanged");
    let quota = render(&lab, &license);
    assert_eq!((signed(&quota, "free"), number(&quota, "held")), (500, 500));
    all_follows(&lab);
}

#[test]
fn units_that_were_written_off_are_taken_from_the_device_and_its_use_still_counts() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let chain = lab.activate("dev1", &license);
    lab.vendor(&format!("activation write-off {chain}")).refused(4, "not_silent");
    lab.vendor(&format!("activation write-off {chain} --feature nosuch --override"))
        .refused(3, "feature_unknown");
    let quota = render(&lab, &license);
    assert_eq!((signed(&quota, "free"), number(&quota, "held"), number(&quota, "out")), (600, 500, 500));
    lab.vendor(&format!("activation write-off {chain} --override")).done();
    let quota = render(&lab, &license);
    assert_eq!((signed(&quota, "free"), number(&quota, "held")), (1_100, 0));
    lab.device("dev1", "consume render 80").done();
    lab.sync("dev1");
    let quota = render(&lab, &license);
    assert_eq!((signed(&quota, "free"), number(&quota, "used"), number(&quota, "held")), (520, 80, 500));
    assert_eq!(number(&lab.device("dev1", "check render").done(), "remaining"), 500, "X is in its grant");
    let shown = lab.vendor(&format!("activation show {chain}")).done();
    assert_eq!(number(&shown["quotas"][0], "written_off"), 500);
    all_follows(&lab);
}

#[test]
fn a_limit_below_what_is_out_asks_for_the_difference() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let chains = ["dev1", "dev2"].map(|device| lab.activate(device, &license));
    lab.device("dev1", "consume render 450").done();
    lab.sync("dev1");
    assert_eq!(number(&render(&lab, &license), "held"), 650, "100 were free to top it up");
    lab.vendor(&format!("license change {} --quota render=900/month --overage render=0", license.id)).done();
    let quota = render(&lab, &license);
    assert_eq!((signed(&quota, "free"), number(&quota, "next_share")), (-200, 0));
    for (chain, asked) in chains.iter().zip([150, 200]) {
        lab.vendor(&format!("refresh {chain} -o refresh.cfgrant")).done();
        let grant = lab.vendor("show refresh.cfgrant").done();
        let requests = find(&grant, "return_requests").expect("requests to return");
        assert_eq!(number(&requests[0], "n"), asked, "{requests:#}");
    }
    // Nothing was raised, and an honest device goes on with what it holds.
    assert_eq!(signed(&render(&lab, &license), "free"), -200);
    all_follows(&lab);
}

/// The first value at `key` anywhere in a document.
fn find<'a>(document: &'a Value, key: &str) -> Option<&'a Value> {
    match document {
        Value::Object(object) => {
            object.get(key).or_else(|| object.values().find_map(|value| find(value, key)))
        }
        Value::Array(values) => values.iter().find_map(|value| find(value, key)),
        _ => None,
    }
}

#[test]
fn all_devices_that_try_a_product_share_one_licence_each_with_its_own_dates() {
    let lab = Lab::with_policy("--max-activations 1");
    let create = "policy create try --product studio --type trial --valid 14d --quota render=1000";
    lab.vendor(create).done();
    lab.vendor("license issue --policy standard --trial").refused(2, "terms_invalid");
    lab.vendor("license issue --policy try --trial").refused(2, "terms_invalid");
    let license = License::read(&lab.vendor("license issue --policy try --trial --share render=50").done());
    lab.vendor("license issue --policy try --trial --share render=50").refused(1, "trial_exists");
    let trying = |seed: u64, number: u8| HandMade::new(seed, &license).asking_for_a_trial().on_device(number);
    assert_eq!(told(&lab, "a", &trying(1, 1)), active());
    assert_eq!(told(&lab, "b", &trying(2, 2)), active());
    told(&lab, "a", &trying(1, 1).close());
    assert_eq!(told(&lab, "again", &trying(3, 1)), denied("trial_used"));
    let entitlement = |name: &str| {
        let grant = lab.vendor(&format!("show answers/{name}.cfgrant")).done();
        let entitlement = find(&grant, "entitlement").cloned().expect("what is granted");
        [text(&entitlement, "starts_at"), text(&entitlement, "valid_until")]
    };
    let [starts_at, valid_until] = entitlement("b");
    let micros = |time: &str| schemas::numbers::Micros::parse(time).expect("RFC 3339").get();
    assert_eq!(micros(&valid_until) - micros(&starts_at), 14 * 86_400_000_000);
    assert_ne!(entitlement("a"), entitlement("b"));
    told(&lab, "b2", &trying(2, 2).consume(3));
    assert_eq!(entitlement("b2"), entitlement("b"), "a report moves no date");
    let shown = lab.vendor(&format!("license show {}", license.id)).done();
    assert_eq!((&shown["is_trial"], &shown["valid_from_activation"]), (&true.into(), &1_209_600.into()));
    all_follows(&lab);
}

#[test]
fn a_device_has_no_second_trial_whatever_was_changed_on_it() {
    let lab = Lab::with_policy("--max-activations 1");
    lab.vendor("policy create try --product studio --type trial --valid 14d").done();
    let license = License::read(&lab.vendor("license issue --policy try --trial").done());
    let trying = |seed: u64| HandMade::new(seed, &license).asking_for_a_trial();
    assert_eq!(told(&lab, "first", &trying(1).on_device(1)), active());
    assert_eq!(told(&lab, "first", &trying(1).on_device(1).changed_to(2)), active());
    for (seed, number) in [(2, 1), (3, 2)] {
        assert_eq!(told(&lab, "again", &trying(seed).on_device(number)), denied("trial_used"), "{number}");
    }
    assert_eq!(told(&lab, "bare", &trying(4)), denied("fingerprint_missing"));
    assert_eq!(told(&lab, "other", &trying(5).on_device(3)), active());
    all_follows(&lab);
    lab.vendor("rebuild").done();
    assert_eq!(told(&lab, "later", &trying(6).on_device(1)), denied("trial_used"));
}

#[test]
fn a_licence_is_extended_reduced_and_changed_and_its_devices_follow() {
    let lab = Lab::with_policy(&format!("{STANDARD} --valid 365d --maintenance 30d"));
    let license = lab.issue();
    let chain = lab.activate("dev1", &license);
    let mut valid_until = Vec::new();
    for span in ["730d", "10d"] {
        lab.vendor(&format!("license change {} --valid {span}", license.id)).done();
        refresh(&lab, "dev1", &chain);
        valid_until.push(text(&lab.device("dev1", "status").done()["entitlement"], "valid_until"));
    }
    assert!(valid_until[1] < valid_until[0], "{valid_until:?}");
    let covered = |date: &str| lab.device("dev1", &format!("check export --release-date {date}"));
    covered("2026-11-01").done();
    covered("2099-01-01").refused_by_check("version_not_covered");
    lab.vendor(&format!("license change {} --maintenance never --feature beta", license.id)).done();
    refresh(&lab, "dev1", &chain);
    covered("2099-01-01").done();
    lab.device("dev1", "check beta").done();
    lab.vendor(&format!("license change {} --remove-feature beta --remove-feature render", license.id))
        .done();
    refresh(&lab, "dev1", &chain);
    for feature in ["beta", "render"] {
        lab.device("dev1", &format!("check {feature}")).refused_by_check("feature_absent");
    }
    covered("2099-01-01").done();
    all_follows(&lab);
}

#[test]
fn late_reports_are_taken_in_and_flagged_whatever_became_of_the_licence() {
    for end in
        ["license suspend LICENSE", "--yes license revoke LICENSE", "activation release CHAIN --override"]
    {
        let lab = Lab::with_policy(STANDARD);
        let license = lab.issue();
        let chain = lab.activate("dev1", &license);
        lab.device("dev1", "consume render 7").done();
        lab.vendor(&end.replace("LICENSE", &license.id).replace("CHAIN", &chain)).done();
        let findings = |lab: &Lab| {
            let shown = lab.vendor(&format!("activation show {chain}")).done();
            shown["findings"].as_array().expect("findings").clone()
        };
        assert_eq!(findings(&lab), Vec::<Value>::new(), "{end}");
        lab.sync("dev1");
        assert_eq!(findings(&lab)[0]["code"], "reported_late", "{end}");
        assert_eq!(number(&render(&lab, &license), "used"), 7, "{end}");
        all_follows(&lab);
    }
}

#[test]
fn a_closing_that_ends_an_activation_is_not_late() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let chain = lab.activate("dev1", &license);
    lab.device("dev1", "consume render 7").done();
    lab.device("dev1", "deactivate --file bye.cfbundle").done();
    lab.vendor("merge bye.cfbundle --answers answers").done();
    let shown = lab.vendor(&format!("activation show {chain}")).done();
    assert_eq!(shown["findings"], Value::Array(Vec::new()));
    let quota = render(&lab, &license);
    assert_eq!((number(&quota, "used"), number(&quota, "held"), signed(&quota, "free")), (7, 0, 1_093));
}
