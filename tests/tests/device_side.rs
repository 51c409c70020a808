//! What a device does by itself, through the programs: quota given back, releases after the maintenance period, and a
//! state directory that was restored.

use std::fs;
use std::thread;

use counterfoil_tests::Lab;
use counterfoil_tests::lab::{number, text};
use serde_json::Value;

const STANDARD: &str = "--type subscription --valid 365d --maintenance 30d --max-activations 2 \
                        --quota render=1000/month --mode miles=counted --sync-every 30d --grace 7d";

/// A lab whose product has a counted feature beside the reserved one, with `dev1` activated.
fn activated() -> (Lab, String) {
    activated_with("")
}

/// The same, with more of the policy.
fn activated_with(policy: &str) -> (Lab, String) {
    let lab = Lab::empty();
    lab.vendor("init").done();
    lab.vendor("product create studio --feature export --feature render:metered --feature miles:metered")
        .done();
    lab.vendor("product pack studio -o studio.cfpack").done();
    lab.vendor(&format!("policy create standard --product studio {STANDARD} {policy}")).done();
    let license = lab.issue();
    let chain = lab.activate("dev1", &license);
    (lab, chain)
}

/// The line of `status` about reserved quota in the present period.
#[track_caller]
fn present_quota(lab: &Lab) -> Value {
    let status = lab.device("dev1", "status").done();
    let quotas = status["quotas"].as_array().expect("quotas");
    quotas.iter().find(|quota| quota["feature"] == "render").expect("a quota of render").clone()
}

#[test]
fn quota_that_is_given_back_is_reported_and_cannot_be_used_here() {
    let (lab, chain) = activated();
    lab.device("dev1", "consume render 100").done();
    let returned = lab.device("dev1", "return render 150").done();
    assert_eq!(
        (number(&returned, "n"), number(&returned, "total"), number(&returned, "left")),
        (150, 150, 250)
    );
    let again =
        lab.device("dev1", &format!("return render 50 --period {}", text(&returned, "period"))).done();
    assert_eq!((number(&again, "total"), number(&again, "left")), (200, 200));
    let quota = present_quota(&lab);
    assert_eq!((number(&quota, "left"), number(&quota, "returned")), (200, 200));
    lab.device("dev1", "consume render 201").refused(4, "quota_exhausted");

    lab.device("dev1", "return render 201").refused(4, "return_too_large");
    lab.device("dev1", "return render 0").refused(2, "amount_invalid");
    lab.device("dev1", "return render -5").refused(2, "amount_invalid");
    lab.device("dev1", "return render 1 --period 2020-01").refused(4, "no_quota_for_period");
    lab.device("dev1", "return render 1 --period soon").refused(2, "usage");
    lab.device("dev1", "return miles 1").refused(4, "quota_not_reserved");
    lab.device("dev1", "return beta 1").refused(4, "feature_absent");
    assert_eq!(number(&present_quota(&lab), "returned"), 200, "what is refused records nothing");

    lab.sync("dev1");
    let shown = lab.vendor(&format!("activation show {chain}")).done();
    assert_eq!(shown["state"], "active", "{shown:#}");
    assert_eq!(number(&present_quota(&lab), "returned"), 200);
    lab.device("dev1", "verify").done();
    lab.vendor("audit verify --deep").done();
    lab.vendor("rebuild --check").done();
    lab.device("dev1", "deactivate --file bye.cfbundle").done();
    lab.device("dev1", "return render 1").refused(4, "deactivated");
}

#[test]
fn a_release_after_the_maintenance_period_is_not_covered() {
    let (lab, _) = activated();
    let until = text(&lab.device("dev1", "status").done()["entitlement"], "maintenance_until");
    let covered = |date: &str| lab.device("dev1", &format!("check export --release-date {date}"));
    covered("2020-01-31").done();
    covered(&until).refused_by_check("version_not_covered");
    covered("2100-01-01").refused_by_check("version_not_covered");
    covered("2100-01-01T00:00:00Z").refused_by_check("version_not_covered");
    covered("someday").refused(2, "usage");
    lab.device("dev1", "check export").done();
    lab.device("dev1", "check --release-date 2100-01-01").refused_by_check("version_not_covered");
}

#[test]
fn a_restored_state_directory_is_noticed_and_goes_on_with_a_new_record() {
    let (lab, chain) = activated_with("--on-fork heal");
    lab.copy("dev1", "backup");
    lab.device("dev1", "consume render 5").done();
    lab.report("dev1", "before.cfbundle");
    lab.vendor("merge before.cfbundle --answers answers").done();
    fs::remove_dir_all(lab.path("dev1")).expect("removable");
    lab.copy("backup", "dev1");
    lab.device("dev1", "activate --successor --request early.cfbundle").refused(4, "not_restored");

    lab.device("dev1", "apply answers/before.cfgrant").refused(5, "ack_unknown");
    let status = lab.device("dev1", "status").done();
    assert_eq!((&status["restored"], &status["why"]["code"]), (&true.into(), &"ack_unknown".into()));
    lab.device("dev1", "check render").refused_by_check("forked");
    lab.device("dev1", "consume render 1").refused(4, "forked");
    lab.device("dev1", "check export").done();
    lab.device("dev1", "consume miles 3").done();
    lab.report("dev1", "restored.cfbundle");

    lab.device("dev1", "activate --successor --request early.cfbundle").refused(4, "heal_refused");
    let kept = lab.device("dev1", "status").done();
    assert_eq!((text(&kept, "chain"), &kept["state"]), (chain.clone(), &"active".into()));
    lab.vendor("merge restored.cfbundle --answers answers").done();
    let applied = lab.device("dev1", "apply answers/restored.cfgrant").done();
    let asked = lab.device("dev1", "activate --successor --request successor.cfbundle").done();
    assert_eq!(asked["state"], "pending");
    assert_eq!(asked["chain"], applied["chain"]);
    assert_ne!(text(&asked, "chain"), chain);
    let shown = lab.device("dev1", "show successor.cfbundle").done();
    let chains: Vec<&Value> =
        shown["runs"].as_array().expect("runs").iter().map(|run| &run["chain"]).collect();
    assert_eq!(chains, [&Value::from(chain.clone()), &asked["chain"]]);
    lab.device("dev1", "verify successor.cfbundle").done();
    let status = lab.device("dev1", "status").done();
    assert_eq!(status["unreported_records"], serde_json::json!([chain]));
    assert_eq!(status["why"]["code"], "successor_pending");
    lab.device("dev1", "check render").refused_by_check("forked");
    lab.device("dev1", "check export").done();
    lab.device("dev1", "consume miles 4").done();
    lab.device("dev1", "verify").done();
    assert!(lab.device("dev1", "doctor").exits(6).stdout().contains("not answered"));
}

/// The state directory is whole after every kill: the old record goes on, or the new one does.
#[test]
fn a_killed_succession_is_finished_or_undone() {
    let (lab, old) = activated_with("--on-fork heal");
    lab.copy("dev1", "backup");
    lab.device("dev1", "consume render 5").done();
    lab.report("dev1", "before.cfbundle");
    lab.vendor("merge before.cfbundle --answers answers").done();
    fs::remove_dir_all(lab.path("dev1")).expect("removable");
    lab.copy("backup", "dev1");
    lab.device("dev1", "consume render 7").done();
    lab.report("dev1", "after.cfbundle");
    lab.vendor("merge after.cfbundle --answers answers").done();
    lab.copy("dev1", "restored");
    for awaited in [
        "next",
        "next/device.key",
        "next/chain.db",
        "archive",
        "archive/OLD/chain.db",
        "archive/OLD/seal.key",
    ] {
        let awaited = format!("dev1/{}", awaited.replace("OLD", &old));
        let mut child = lab.start_device("dev1", "apply answers/after.cfgrant");
        while child.try_wait().expect("it was started").is_none() && !lab.path(&awaited).exists() {
            thread::yield_now();
        }
        child.kill().expect("it is ours");
        child.wait().expect("it was started");
        lab.device("dev1", "status").done();
        lab.device("dev1", "check export").done();
        let asked = lab.device("dev1", "activate --successor --request again.cfbundle").done();
        assert_ne!(text(&asked, "chain"), old, "killed at {awaited}");
        assert!(!lab.path("dev1/next").exists());
        lab.device("dev1", "verify").done();
        lab.device("dev1", "verify again.cfbundle").done();
        let shown = lab.device("dev1", "show again.cfbundle").done();
        assert_eq!(shown["runs"].as_array().map(Vec::len), Some(2), "killed at {awaited}");
        fs::remove_dir_all(lab.path("dev1")).expect("removable");
        lab.copy("restored", "dev1");
    }
}

#[test]
fn a_trial_is_asked_for_without_a_key() {
    let (lab, _) = activated();
    let asked = lab.device("dev2", "activate --trial --request trial.cfbundle").done();
    assert_eq!(asked["state"], "pending");
    lab.device("dev2", "activate --trial --request again.cfbundle").done();
    assert_eq!(lab.read("trial.cfbundle"), lab.read("again.cfbundle"));
    let shown = lab.device("dev2", "show trial.cfbundle").done();
    let request = &shown["runs"][0]["events"][1]["body"]["claim"];
    assert_eq!(request["type"], "trial", "{shown:#}");
    let key = format!("activate --license-key {} --request other.cfbundle", lab.issue().key);
    lab.device("dev2", &key).refused(4, "activation_pending");
}

/// A device that was set back and reports is told by the answer that its record forked; what it does is the policy's.
#[test]
fn the_policy_decides_what_a_restored_device_does_after_its_report() {
    for (on_fork, render, chains) in [("flag", "allowed", 1), ("stop", "forked", 1), ("heal", "forked", 2)] {
        let (lab, old) = activated_with(&format!("--on-fork {on_fork}"));
        lab.copy("dev1", "backup");
        lab.device("dev1", "consume render 5").done();
        lab.report("dev1", "before.cfbundle");
        lab.vendor("merge before.cfbundle --answers answers").done();
        fs::remove_dir_all(lab.path("dev1")).expect("removable");
        lab.copy("backup", "dev1");
        lab.device("dev1", "consume render 7").done();
        lab.report("dev1", "after.cfbundle");
        let merged = lab.vendor("merge after.cfbundle --answers answers").exits_any(&[0, 6]).json();
        assert_eq!(number(&merged, "forked"), 1, "{merged:#}");
        let applied = lab.device("dev1", "apply answers/after.cfgrant").done();
        assert_eq!(text(&applied, "chain") == old, chains == 1, "{on_fork}");
        assert_eq!(lab.device("dev1", "check export").done()["code"], "allowed", "{on_fork}");
        let answer = lab.device("dev1", "check render").exits_any(&[0, 4]).json();
        assert_eq!(answer["code"], render, "{on_fork}");
        lab.report("dev1", "next.cfbundle");
        let shown = lab.device("dev1", "show next.cfbundle").done();
        assert_eq!(shown["runs"].as_array().map(Vec::len), Some(chains), "{on_fork}");
    }
}
