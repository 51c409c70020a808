//! What a licence file promises a device that was set back, through the real programs: it is told to go on with a successor
//! only where that is given the seat, and then it is.

use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{Lab, License};
use serde_json::Value;

const HEALING: &str = "--quota render=900/month --sync-every 30d --on-fork heal";

/// A device that was activated, and set back after it had reported. Its report of what it did since is `NAME.cfbundle`,
/// not merged yet. Returns its chain.
fn set_back(lab: &Lab, name: &str, license: &License) -> String {
    let chain = lab.activate(name, license);
    lab.device(name, "consume render 10").done();
    lab.sync(name);
    let backup = format!("{name}-backup");
    lab.copy(name, &backup);
    lab.device(name, "consume render 20").done();
    lab.sync(name);
    lab.put_back(&backup, name);
    lab.device(name, "consume render 5").done();
    lab.report(name, &format!("{name}.cfbundle"));
    chain
}

fn merge(lab: &Lab, name: &str) -> Value {
    lab.vendor(&format!("merge {name}.cfbundle --answers out")).done()
}

/// What the newest answer to a device tells it to do about its fork.
fn told(lab: &Lab, name: &str) -> Option<String> {
    let shown = lab.vendor(&format!("show out/{name}.cfgrant")).done();
    forked(&shown).map(str::to_owned)
}

/// The text at the first `forked` in a document.
fn forked(document: &Value) -> Option<&str> {
    match document {
        Value::Object(map) => {
            map.get("forked").and_then(Value::as_str).or_else(|| map.values().find_map(forked))
        }
        Value::Array(values) => values.iter().find_map(forked),
        _ => None,
    }
}

fn apply(lab: &Lab, name: &str) -> Value {
    lab.device(name, &format!("apply out/{name}.cfgrant")).exits_any(&[0, 5]).json()
}

fn chain(lab: &Lab, name: &str) -> String {
    text(&lab.device(name, "status").done(), "chain")
}

/// The state of a device's activation, as the vendor lists it.
fn state(lab: &Lab, chain: &str) -> String {
    text(&lab.vendor(&format!("activation show {chain}")).done(), "state")
}

fn taken(lab: &Lab) -> usize {
    let listed = lab.vendor("activation list").done();
    let activations = listed["activations"].as_array().expect("activations");
    activations.iter().filter(|activation| activation["state"] == "active").count()
}

/// The vendor lowered the number of activations below what is taken: nobody would be given a seat.
#[test]
fn a_device_whose_successor_would_have_no_seat_keeps_its_chain() {
    let lab = Lab::with_policy(&format!("{HEALING} --max-activations 3 --heals 5/365d"));
    let license = lab.issue();
    lab.activate("dev2", &license);
    let old = set_back(&lab, "dev1", &license);
    lab.vendor(&format!("license change {} --max-activations 1", license.id)).done();
    merge(&lab, "dev1");
    assert_eq!(told(&lab, "dev1").as_deref(), Some("stop"));
    apply(&lab, "dev1");
    assert_eq!((chain(&lab, "dev1"), state(&lab, &old)), (old.clone(), "active".to_owned()));
    lab.device("dev1", "check export").done();
    lab.device("dev1", "consume render 1").refused(4, "forked");

    lab.vendor(&format!("license change {} --max-activations 2", license.id)).done();
    lab.device("dev1", "set site berlin").done();
    lab.report("dev1", "dev1.cfbundle");
    merge(&lab, "dev1");
    assert_eq!(told(&lab, "dev1").as_deref(), Some("heal"));
    apply(&lab, "dev1");
    let new = chain(&lab, "dev1");
    assert_ne!(new, old);
    // Lowered again while the successor's request is on its way.
    lab.vendor(&format!("license change {} --max-activations 1", license.id)).done();
    lab.report("dev1", "dev1.cfbundle");
    assert_eq!(number(&merge(&lab, "dev1"), "denied"), 0);
    assert_eq!(text(&apply(&lab, "dev1"), "state"), "active");
    assert_eq!((state(&lab, &old), state(&lab, &new)), ("released".to_owned(), "active".to_owned()));
    assert_eq!(taken(&lab), 2, "no more than before");
    lab.vendor("rebuild --check").done();
}

/// Two devices of one licence were set back, and one heal is left.
#[test]
fn of_two_devices_one_is_healed_and_the_other_keeps_its_chain() {
    let lab = Lab::with_policy(&format!("{HEALING} --max-activations 3 --heals 1/365d"));
    let license = lab.issue();
    let [first, second] = ["dev1", "dev2"].map(|name| set_back(&lab, name, &license));
    merge(&lab, "dev1");
    merge(&lab, "dev2");
    assert_eq!((told(&lab, "dev1").as_deref(), told(&lab, "dev2").as_deref()), (Some("heal"), Some("stop")));
    for name in ["dev2", "dev1"] {
        apply(&lab, name);
        lab.report(name, &format!("{name}.cfbundle"));
        assert_eq!(number(&merge(&lab, name), "denied"), 0, "{name}");
        assert_eq!(text(&apply(&lab, name), "state"), "active", "{name}");
    }
    assert_ne!(chain(&lab, "dev1"), first);
    assert_eq!((chain(&lab, "dev2"), state(&lab, &second)), (second, "active".to_owned()));
    lab.device("dev1", "consume render 1").done();
    lab.device("dev2", "consume render 1").refused(4, "forked");
    lab.device("dev2", "check export").done();
    lab.vendor("rebuild --check").done();
}

/// What the old chain ended with arrives before the successor's request does, and another device asks in between.
#[test]
fn the_seat_waits_for_the_successor_and_an_operator_can_free_it() {
    let lab = Lab::with_policy(&format!("{HEALING} --max-activations 1 --heals 1/365d"));
    let license = lab.issue();
    let old = set_back(&lab, "dev1", &license);
    merge(&lab, "dev1");
    apply(&lab, "dev1");
    lab.report("dev1", "both.cfbundle");
    counterfoil_tests::device::split_by_chain(&lab.read("both.cfbundle"), &lab.path("parts"));
    lab.vendor("merge parts/0.cfbundle").done();
    assert_eq!(state(&lab, &old), "released");
    let shown = lab.vendor(&format!("activation show {old}")).done();
    assert!(text(&shown, "seat_free_at") > text(&shown, "released_at"), "{shown:#}");
    lab.request("dev9", &license);
    assert_eq!(number(&lab.vendor("merge dev9.cfbundle").done(), "denied"), 1);
    lab.copy("counterfoil-home", "freed");
    lab.vendor(&format!("--home freed activation release {old} --override")).done();
    let freed = lab.vendor("--home freed merge dev9.cfbundle").done();
    assert_eq!(number(&freed, "denied"), 0);

    lab.vendor("merge parts/1.cfbundle --answers out/parts").done();
    let applied = lab.device("dev1", "apply out/parts/1.cfgrant").done();
    assert_eq!(text(&applied, "state"), "active", "{applied:#}");
    let shown = lab.vendor(&format!("activation show {old}")).done();
    assert_eq!(text(&shown, "released"), "closed");
    for home in ["counterfoil-home", "freed"] {
        lab.vendor(&format!("--home {home} rebuild --check")).done();
    }
}
