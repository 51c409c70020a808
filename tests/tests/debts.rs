//! Units that were granted twice because a backup did not know of the first time: who is asked for them, and when.

use std::fs;

use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{Lab, License};
use serde_json::{Value, json};

const STANDARD: &str =
    "--valid 365d --max-activations 4 --quota render=200/month --share render=50 --sync-every 30d";

/// Loses the home and makes it anew from the backup.
#[track_caller]
fn restore(lab: &Lab) {
    fs::rename(lab.home(), lab.path("lost")).expect("writable");
    lab.vendor("restore saved").done();
}

/// Reports, merges, applies, whatever the merge says of gaps.
#[track_caller]
fn contact(lab: &Lab, device: &str) {
    lab.report(device, &format!("{device}.cfbundle"));
    lab.vendor(&format!("merge {device}.cfbundle --answers answers")).exits_any(&[0, 6]).json();
    lab.device(device, &format!("apply answers/{device}.cfgrant")).done();
}

#[track_caller]
fn shown(lab: &Lab, license: &License) -> Value {
    lab.vendor(&format!("license show {}", license.id)).done()
}

fn list<'a>(object: &'a Value, key: &str) -> &'a [Value] {
    object[key].as_array().map_or(&[], Vec::as_slice)
}

fn remaining(lab: &Lab, device: &str) -> u64 {
    number(&lab.device(device, "check render").json(), "remaining")
}

#[track_caller]
fn sound(lab: &Lab) {
    lab.vendor("rebuild --check").done();
    lab.vendor("audit verify --deep").done();
}

/// Two devices of which the first was granted 100 more after the backup; a third and a fourth have them since.
struct Owing {
    lab: Lab,
    license: License,
    /// The chain of the second device, which was not heard of since the restore.
    unheard: String,
}

impl Owing {
    fn begin() -> Self {
        let lab = Lab::with_policy(STANDARD);
        let license = lab.issue();
        lab.activate("dev1", &license);
        let unheard = lab.activate("dev2", &license);
        for device in ["dev1", "dev2"] {
            lab.sync(device);
        }
        lab.vendor("backup -o saved").done();
        for _ in 0..2 {
            lab.device("dev1", "consume render 50").done();
            lab.sync("dev1");
        }
        restore(&lab);
        for device in ["dev3", "dev4"] {
            lab.activate(device, &license);
        }
        for device in ["dev1", "dev1", "dev3", "dev4"] {
            contact(&lab, device);
        }
        Self { lab, license, unheard }
    }

    fn debt(&self) -> Value {
        let shown = shown(&self.lab, &self.license);
        list(&shown, "debts").first().cloned().unwrap_or(Value::Null)
    }
}

#[test]
fn no_working_device_returns_what_a_restore_brought_while_another_was_not_heard_of() {
    let owing = Owing::begin();
    let Owing { lab, unheard, .. } = &owing;
    let debt = owing.debt();
    assert_eq!([number(&debt, "lacking"), number(&debt, "taken_back")], [100, 100], "{debt:#}");
    let [holder] = list(&debt, "unheard") else { panic!("one device did not report: {debt:#}") };
    assert_eq!((text(holder, "chain"), number(holder, "held")), (unheard.clone(), 50));
    let activation = lab.vendor(&format!("activation show {unheard}")).done();
    assert!(text(holder, "silent_from") > text(&activation, "sync_by"), "grace and tolerance come after it");
    assert_eq!(debt["waits"], true);
    for device in ["dev1", "dev3", "dev4"] {
        contact(lab, device);
        assert_eq!(remaining(lab, device), 50, "{device} keeps what it holds");
    }
    sound(lab);

    // With its report nothing is left to wait for, and what is lacking is asked back.
    lab.device("dev2", "consume render 10").done();
    contact(lab, "dev2");
    let debt = owing.debt();
    assert_eq!(
        (number(&debt, "lacking"), list(&debt, "unheard").len(), &debt["waits"]),
        (100, 0, &json!(false))
    );
    for device in ["dev3", "dev4"] {
        contact(lab, device);
        lab.device(device, "check render").refused_by_check("quota_exhausted");
        contact(lab, device);
    }
    assert_eq!(owing.debt(), Value::Null);
    sound(lab);
}

#[test]
fn an_operator_ends_such_a_debt_by_a_write_off_or_a_higher_limit_and_a_lower_one_asks_at_once() {
    let Owing { lab, license, .. } = Owing::begin();
    lab.vendor(&format!("license change {} --quota render=190/month", license.id)).done();
    contact(&lab, "dev3");
    assert_eq!(remaining(&lab, "dev3"), 40, "the ten by which the limit was lowered");
    contact(&lab, "dev3");
    lab.vendor(&format!("license change {} --quota render=300/month", license.id)).done();
    assert!(list(&shown(&lab, &license), "debts").is_empty());
    contact(&lab, "dev4");
    assert_eq!(remaining(&lab, "dev4"), 50);
    sound(&lab);

    let owing = Owing::begin();
    let Owing { lab, unheard, .. } = &owing;
    lab.vendor(&format!("activation write-off {unheard}")).refused(4, "not_silent");
    lab.vendor(&format!("activation write-off {unheard} --override")).done();
    let debt = owing.debt();
    assert_eq!((number(&debt, "lacking"), list(&debt, "unheard").len()), (50, 0), "{debt:#}");
    sound(lab);
}
