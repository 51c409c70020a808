//! Devices whose state was copied or set back, through the real programs: both histories are kept, the fork is told,
//! and its proof needs nothing but the device's public key.

use counterfoil_tests::device::bundle;
use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{HandMade, Lab};
use serde_json::Value;

const STANDARD: &str = "--valid 365d --max-activations 2 --quota render=1000/month --sync-every 30d";

fn forks(lab: &Lab) -> Vec<Value> {
    lab.vendor("audit forks").done()["forks"].as_array().expect("forks").clone()
}

/// Two histories of one device: ten events that both share, then ten uses of 1 here and of 2 there.
fn histories(lab: &Lab) -> (HandMade, HandMade) {
    let license = lab.issue();
    let together = || {
        let mut device = HandMade::new(1, &license);
        for _ in 0..8 {
            device = device.consume(5);
        }
        device
    };
    let on = |n| (0..10).fold(together(), |device, _| device.consume(n));
    (on(1), on(2))
}

#[test]
fn the_proof_is_short_and_both_programs_check_it_without_a_home() {
    let lab = Lab::with_policy(STANDARD);
    let (first, second) = histories(&lab);
    lab.write("first.cfbundle", first.bundle());
    lab.write("second.cfbundle", second.bundle());
    lab.vendor("merge first.cfbundle second.cfbundle").done();
    let forks = forks(&lab);
    assert_eq!((forks.len(), number(&forks[0], "seq"), number(&forks[0], "branches")), (1, 11, 2));
    let fork = text(&forks[0], "fork");
    lab.vendor(&format!("audit proof {fork} -o proof.cfbundle")).done();
    let size = lab.read("proof.cfbundle").len();
    assert!(size < 600, "{size} bytes");
    let elsewhere = Lab::empty();
    elsewhere.write("proof.cfbundle", lab.read("proof.cfbundle"));
    for checked in [
        elsewhere.vendor("verify proof.cfbundle").done(),
        lab.device("nobody", "verify proof.cfbundle").done(),
    ] {
        let found = checked["checked"].as_array().expect("what was checked");
        let fork = found.iter().find(|checked| checked["what"] == "fork").expect("the fork");
        assert_eq!((number(fork, "seq"), &fork["chain"]), (11, &forks[0]["chain"]));
    }
    let mut forged = lab.read("proof.cfbundle");
    let at = forged.len() - 40;
    forged[at] ^= 1;
    elsewhere.write("forged.cfbundle", forged);
    elsewhere.vendor("verify forged.cfbundle").refused(5, "damaged");
    lab.vendor("audit proof 000000 -o no.cfbundle").refused(3, "fork_unknown");
    lab.vendor("rebuild --check").done();
}

#[test]
fn a_successor_that_claims_another_event_is_proof_and_the_parting_moves_earlier() {
    let lab = Lab::with_policy(STANDARD);
    let (first, second) = histories(&lab);
    lab.write("first.cfbundle", first.bundle());
    lab.write("late.cfbundle", bundle(vec![second.run(15, 16)]));
    lab.write("earlier.cfbundle", bundle(vec![second.run(12, 14)]));
    lab.write("whole.cfbundle", bundle(vec![second.run(5, 13)]));
    lab.vendor("merge first.cfbundle").done();

    let merged = lab.vendor("merge late.cfbundle --answers out").done();
    assert_eq!((number(&merged, "parked"), number(&merged, "forked")), (1, 1));
    assert_eq!(forks(&lab).iter().map(|fork| number(fork, "seq")).collect::<Vec<_>>(), [14]);
    assert_eq!(text(&forks(&lab)[0], "verdict"), "unknown");
    lab.vendor(&format!("audit proof {} -o one.cfbundle", text(&forks(&lab)[0], "fork"))).done();
    lab.vendor("verify one.cfbundle").done();

    lab.vendor("merge earlier.cfbundle").done();
    assert_eq!(number(&forks(&lab)[0], "seq"), 11);
    let before = number(&lab.vendor("audit usage").done()["rows"][0], "n");
    assert_eq!(before, 8 * 5 + 10, "what does not attach does not count");

    let merged = lab.vendor("merge whole.cfbundle").done();
    assert_eq!(number(&merged, "events"), 6, "the parked runs attach with it");
    assert_eq!((number(&forks(&lab)[0], "seq"), number(&forks(&lab)[0], "branches")), (11, 2));
    let after = number(&lab.vendor("audit usage").done()["rows"][0], "n");
    assert_eq!(after, 8 * 5 + 10 + 6 * 2);
    let shown = lab.vendor(&format!("activation show {}", text(&forks(&lab)[0], "chain"))).done();
    assert_eq!(shown["missing"], Value::Array(Vec::new()));
    assert_eq!(shown["fork"]["heads"].as_array().map(Vec::len), Some(2));
    lab.vendor("rebuild --check").done();
}

#[test]
fn what_is_missing_is_shown_and_told_to_the_device() {
    let lab = Lab::with_policy(STANDARD);
    let (device, _) = histories(&lab);
    for (name, first, last) in [("a", 1, 4), ("c", 9, 12), ("d", 15, 20), ("b", 5, 8), ("e", 13, 14)] {
        lab.write(format!("{name}.cfbundle"), bundle(vec![device.run(first, last)]));
    }
    lab.vendor("merge a.cfbundle").done();
    lab.vendor("merge c.cfbundle --answers out").done();
    lab.vendor("merge d.cfbundle --answers out").done();
    let chain = text(&lab.vendor("activation list").done()["activations"][0], "chain");
    let missing = |of: &Value| -> Vec<(u64, u64)> {
        let ranges = of["missing"].as_array().expect("ranges");
        ranges.iter().map(|range| (number(range, "first"), number(range, "last"))).collect()
    };
    let shown = lab.vendor(&format!("activation show {chain}")).done();
    assert_eq!(missing(&shown), [(5, 8), (13, 14)]);
    let told = lab.vendor("show out/d.cfgrant").done().to_string();
    assert!(told.contains("\"missing\":[{\"first\":5,\"last\":8},{\"first\":13,\"last\":14}]"), "{told}");
    let merged = lab.vendor("merge d.cfbundle c.cfbundle").done();
    assert_eq!(number(&merged, "known"), 2, "what waits already is known");
    assert_eq!(number(&lab.vendor("merge b.cfbundle").done(), "events"), 8);
    let shown = lab.vendor(&format!("activation show {chain}")).done();
    assert_eq!(missing(&shown), [(13, 14)]);
    assert_eq!(number(&lab.vendor("merge e.cfbundle").done(), "events"), 8);
    lab.vendor("rebuild --check").done();
}

#[test]
fn what_is_too_much_to_park_waits_in_quarantine_and_goes_in() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let device = (0..70).fold(HandMade::new(1, &license), |device, _| device.consume(1));
    lab.write("begin.cfbundle", bundle(vec![device.run(1, 2)]));
    lab.write("gap.cfbundle", bundle(vec![device.run(3, 3)]));
    for seq in 4..=72 {
        lab.write(format!("rest/{seq}.cfbundle"), bundle(vec![device.run(seq, seq)]));
    }
    lab.vendor("merge begin.cfbundle").done();
    let merged = lab.vendor("merge rest").exits(6).json();
    assert_eq!((number(&merged, "parked"), number(&merged, "refused")), (64, 5));
    let held = lab.vendor("quarantine list").done();
    assert_eq!(held["entries"].as_array().map(Vec::len), Some(5), "{held:#}");
    let merged = lab.vendor("merge gap.cfbundle").done();
    assert_eq!(number(&merged, "events"), 70, "nothing was lost");
    let usage = lab.vendor("audit usage").done();
    assert_eq!(number(&usage["rows"][0], "n"), 70);
}

#[test]
fn a_history_is_known_since_it_came_and_not_since_the_other_one_did() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let together = || HandMade::new(1, &license).consume(5);
    let first = together().consume(1).consume(1).consume(1).close();
    let second = together().consume(2).close();
    lab.write("first.cfbundle", first.bundle());
    lab.write("second.cfbundle", second.bundle());
    for order in [["first", "second"], ["second", "first"]] {
        let home = order.concat();
        lab.copy("counterfoil-home", &home);
        for name in order {
            lab.vendor(&format!("--home {home} merge {name}.cfbundle")).done();
        }
        let history = lab.vendor(&format!("--home {home} audit history {}", license.id)).done();
        let told = history["events"].as_array().expect("events");
        let since = |seq| {
            let at = |event: &&Value| number(event, "seq") == seq && text(event, "writer") == "device";
            text(told.iter().find(at).expect("an event"), "known_at")
        };
        let (opened, of_first, of_second) = (since(1), since(7), since(5));
        assert_eq!(of_first < of_second, order[0] == "first", "{history:#}");
        assert_eq!(opened, of_first.min(of_second));
        lab.vendor(&format!("--home {home} rebuild --check")).done();
    }
}

#[test]
fn a_restored_device_goes_on_with_a_successor_so_often_and_no_more() {
    let lab = Lab::with_policy(&format!("{STANDARD} --on-fork heal --heals 1/365d"));
    let license = lab.issue();
    let old = lab.activate("dev1", &license);
    lab.device("dev1", "consume render 10").done();
    lab.sync("dev1");
    lab.copy("dev1", "backup");
    lab.device("dev1", "consume render 20").done();
    lab.sync("dev1");
    lab.put_back("backup", "dev1");
    lab.device("dev1", "consume render 5").done();
    lab.report("dev1", "after.cfbundle");
    let merged = lab.vendor("merge after.cfbundle --answers out").done();
    assert_eq!(number(&merged, "forked"), 1);
    assert_eq!(text(&forks(&lab)[0], "verdict"), "restored");

    lab.device("dev1", "apply out/after.cfgrant").done();
    let pending = lab.device("dev1", "status").done();
    let new = text(&pending, "chain");
    assert_ne!(new, old, "{pending:#}");
    lab.device("dev1", "consume render 1").refused(4, "forked");
    lab.report("dev1", "successor.cfbundle");
    let merged = lab.vendor("merge successor.cfbundle --answers out").done();
    assert_eq!((number(&merged, "refused"), number(&merged, "parked")), (0, 0), "{merged:#}");
    let applied = lab.device("dev1", "apply out/successor.cfgrant").done();
    assert_eq!(text(&applied, "state"), "active", "{applied:#}");
    lab.device("dev1", "consume render 7").done();
    lab.sync("dev1");

    let states: Vec<(String, String)> = lab.vendor("activation list").done()["activations"]
        .as_array()
        .expect("activations")
        .iter()
        .map(|activation| (text(activation, "chain"), text(activation, "state")))
        .collect();
    assert!(states.contains(&(old.clone(), "released".to_owned())), "{states:?}");
    assert!(states.contains(&(new.clone(), "active".to_owned())), "{states:?}");
    let used: u64 = lab.vendor("audit usage").done()["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| number(row, "n"))
        .sum();
    assert_eq!(used, 10 + 20 + 5 + 7, "the union of all that was done");

    lab.copy("dev1", "second");
    lab.device("dev1", "consume render 2").done();
    lab.sync("dev1");
    lab.put_back("second", "dev1");
    lab.device("dev1", "consume render 3").done();
    lab.report("dev1", "again.cfbundle");
    lab.vendor("merge again.cfbundle --answers out").done();
    lab.device("dev1", "apply out/again.cfgrant").done();
    let stopped = lab.device("dev1", "status").done();
    assert_eq!(text(&stopped, "chain"), new, "one heal a year: it stops spending and keeps its chain");
    lab.device("dev1", "consume render 1").refused(4, "forked");
    lab.device("dev1", "check export").done();
    lab.vendor("rebuild --check").done();
}

#[test]
fn a_place_that_no_chain_reaches_is_refused_and_stops_nobody() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let device = HandMade::new(1, &license).consume(5);
    lab.write("known.cfbundle", device.bundle());
    lab.vendor("merge known.cfbundle").done();
    for place in [1 << 53, i64::MAX.unsigned_abs(), u64::MAX - 1] {
        lab.write("inbox/far.cfbundle", bundle(vec![device.far_run(place)]));
        lab.write("inbox/other.cfbundle", HandMade::new(place, &license).consume(1).bundle());
        let merged = lab.vendor("merge inbox --answers out").exits(6).json();
        assert_eq!((number(&merged, "refused"), number(&merged, "merged")), (1, 1), "{place}: {merged:#}");
        assert_eq!(text(&merged["findings"][0], "code"), "out_of_range");
    }
    lab.write("reachable.cfbundle", bundle(vec![device.far_run((1 << 53) - 3)]));
    assert_eq!(number(&lab.vendor("merge reachable.cfbundle").done(), "parked"), 1);
    lab.vendor("rebuild --check").done();
}
