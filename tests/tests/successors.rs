//! Successors of one device chain, through the real programs: the chain has one, and no more.

use std::fs;

use counterfoil_tests::Lab;
use counterfoil_tests::lab::{number, text};

/// A device that was set back, whose vendor told it to go on with a successor, in two copies.
fn healed_twice(lab: &Lab) -> [String; 2] {
    let license = lab.issue();
    lab.activate("dev1", &license);
    lab.device("dev1", "consume render 10").done();
    lab.sync("dev1");
    lab.copy("dev1", "backup");
    lab.device("dev1", "consume render 20").done();
    lab.sync("dev1");
    fs::remove_dir_all(lab.path("dev1")).expect("the state is there");
    lab.copy("backup", "dev1");
    lab.device("dev1", "consume render 5").done();
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
    let lab = Lab::with_policy(
        "--max-activations 3 --quota render=1000/month --sync-every 30d --on-fork heal --heals 5/365d",
    );
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
