//! Successors of one device chain, through the real programs: the chain has one, and no more.

use std::fs;

use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{Lab, License};

const HEALING: &str =
    "--max-activations 3 --quota render=1000/month --sync-every 30d --on-fork heal --heals 5/365d";

/// A device that was set back after its vendor had heard of 20 units more, and used 5 since.
fn set_back(lab: &Lab, license: &License) -> String {
    let chain = lab.activate("dev1", license);
    lab.device("dev1", "consume render 10").done();
    lab.sync("dev1");
    lab.copy("dev1", "backup");
    lab.device("dev1", "consume render 20").done();
    lab.sync("dev1");
    lab.put_back("backup", "dev1");
    lab.device("dev1", "consume render 5").done();
    chain
}

/// A device that was set back, whose vendor told it to go on with a successor, in two copies.
fn healed_twice(lab: &Lab) -> [String; 2] {
    set_back(lab, &lab.issue());
    lab.report("dev1", "after.cfbundle");
    lab.vendor("merge after.cfbundle --answers out").done();
    lab.copy("dev1", "dev2");
    ["dev1", "dev2"].map(|device| {
        lab.device(device, "apply out/after.cfgrant").done();
        lab.report(device, &format!("{device}.cfbundle"));
        text(&lab.device(device, "status").done(), "chain")
    })
}

#[test]
fn one_chain_has_one_successor() {
    let lab = Lab::with_policy(HEALING);
    let [first, second] = healed_twice(&lab);
    assert_ne!(first, second);
    let merge = |device: &str| lab.vendor(&format!("merge {device}.cfbundle --answers out")).done();
    assert_eq!(number(&merge("dev1"), "denied"), 0);
    assert_eq!(lab.device("dev1", "apply out/dev1.cfgrant").done()["state"], "active");

    let merged = merge("dev2");
    assert_eq!((number(&merged, "refused"), number(&merged, "denied")), (0, 1), "{merged:#}");
    let applied = lab.device("dev2", "apply out/dev2.cfgrant").done();
    assert_eq!(
        (text(&applied, "state"), text(&applied["why"], "code")),
        ("denied".into(), "heal_refused".into())
    );
    lab.device("dev2", "consume render 1").exits(4).json();
    assert_eq!(lab.vendor(&format!("activation show {first}")).done()["state"], "active");
    lab.vendor("rebuild --check").done();
}

/// Units used, as the ledger in `home` knows them.
fn used(lab: &Lab, home: &str) -> u64 {
    let usage = lab.vendor(&format!("--home {home} audit usage")).done();
    usage["rows"].as_array().expect("rows").iter().map(|row| number(row, "n")).sum()
}

/// A device that was set back and went on with a successor, of which the vendor has everything: both its chains.
fn healed(lab: &Lab) -> [String; 2] {
    let license = lab.issue();
    lab.vendor("backup -o saved").done();
    lab.copy("counterfoil-home", "before");
    let old = set_back(lab, &license);
    lab.sync("dev1");
    lab.sync("dev1");
    lab.device("dev1", "consume render 7").done();
    lab.sync("dev1");
    let new = text(&lab.device("dev1", "status").done(), "chain");
    assert_ne!(old, new);
    assert_eq!(used(lab, "counterfoil-home"), 10 + 20 + 5 + 7);
    [old, new]
}

/// The vendor acknowledged the old chain to its end and then went back to a ledger that does not know it. Nothing but the
/// device has it, and the successor cannot be taken in without it.
#[test]
fn a_vendor_that_lost_the_old_chain_is_sent_it_again() {
    let lab = Lab::with_policy(HEALING);
    let [_, new] = healed(&lab);
    fs::rename(lab.home(), lab.path("lost")).expect("writable");
    lab.vendor("restore saved").done();
    let mut sent = Vec::new();
    for round in 0..4 {
        let file = format!("round{round}.cfbundle");
        lab.report("dev1", &file);
        lab.vendor(&format!("merge {file} --answers answers")).exits_any(&[0, 6]).json();
        lab.device("dev1", &format!("apply answers/round{round}.cfgrant")).done();
        sent.push(lab.read(&file).len());
    }
    assert_eq!(
        used(&lab, "counterfoil-home"),
        10 + 5 + 7,
        "what the history that was cut off had used is lost"
    );
    assert_eq!(text(&lab.vendor(&format!("activation show {new}")).done(), "chain"), new);
    assert!(sent[3] < sent[1], "what is acknowledged anew is not sent for ever: {sent:?}");
    let waiting = lab.vendor("quarantine list").done();
    assert_eq!(waiting["entries"].as_array().map(Vec::len), Some(0), "{waiting:#}");
    lab.vendor("rebuild --check").done();
}

/// A ledger from after the succession has both chains; the device cannot know, and sends the old one again until the
/// vendor says so in its new epoch.
#[test]
fn a_vendor_that_has_the_old_chain_after_all_says_so_once() {
    let lab = Lab::with_policy(HEALING);
    healed(&lab);
    lab.vendor("backup -o later").done();
    fs::rename(lab.home(), lab.path("lost")).expect("writable");
    lab.vendor("restore later").done();
    let mut chains = Vec::new();
    for round in 0..3 {
        lab.device("dev1", "consume render 1").done();
        lab.sync("dev1");
        let file = format!("round{round}.cfbundle");
        lab.device("dev1", "consume render 1").done();
        lab.report("dev1", &file);
        let to = lab.path(format!("round{round}"));
        chains.push(counterfoil_tests::device::split_by_chain(&lab.read(&file), &to));
    }
    assert_eq!(chains, [2, 1, 1], "chains in each report after the vendor was heard of again");
    assert_eq!(used(&lab, "counterfoil-home"), 10 + 20 + 5 + 7 + 5);
    lab.vendor("rebuild --check").done();
}

#[test]
fn a_successor_that_came_first_goes_in_when_the_chain_that_it_follows_is_known() {
    let lab = Lab::with_policy(HEALING);
    healed(&lab);
    lab.device("dev1", "consume render 1").done();
    lab.device("dev1", "report --all -o all.cfbundle").done();
    let chains = lab.path("one-by-one");
    counterfoil_tests::device::split_by_chain(&lab.read("all.cfbundle"), &chains);
    let merge = |file: &str| {
        let merged = lab.vendor(&format!("--home before merge one-by-one/{file}.cfbundle"));
        number(&merged.exits_any(&[0, 6]).json(), "events")
    };
    assert_eq!(merge("1"), 0, "the successor waits for the chain that it follows");
    assert!(merge("0") > 0);
    assert_eq!(used(&lab, "before"), 10 + 5 + 7 + 1);
    let waiting = lab.vendor("--home before quarantine list").done();
    assert_eq!(waiting["entries"].as_array().map(Vec::len), Some(0), "{waiting:#}");
}
