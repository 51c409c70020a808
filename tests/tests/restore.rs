//! Backups that are made while the ledger is in use, and a vendor that goes on from one: what it lost comes back from
//! the devices, once.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{HandMade, Lab, License, Tables, picture};
use serde_json::Value;

const STANDARD: &str =
    "--valid 365d --max-activations 4 --quota render=4000/month --share render=1000 --sync-every 30d";

/// Loses the home and makes it anew from the backup.
#[track_caller]
fn restore(lab: &Lab) -> Value {
    fs::rename(lab.home(), lab.path("lost")).expect("writable");
    lab.vendor("restore saved").done()
}

#[track_caller]
fn sound(lab: &Lab, home: &str) {
    lab.vendor(&format!("--home {home} rebuild --check")).done();
    lab.vendor(&format!("--home {home} audit verify --deep")).done();
}

/// Reports, merges, applies, whatever the merge says of gaps.
#[track_caller]
fn contact(lab: &Lab, device: &str) {
    lab.report(device, &format!("{device}.cfbundle"));
    let merged = lab.vendor(&format!("merge {device}.cfbundle --answers answers"));
    let merged = merged.exits_any(&[0, 6]).json();
    let applied = lab.device(device, &format!("apply answers/{device}.cfgrant"));
    assert_eq!(applied.exit(), Some(0), "{merged:#} {applied:?}");
}

#[track_caller]
fn activations(lab: &Lab) -> Vec<Value> {
    lab.vendor("activation list").done()["activations"].as_array().expect("activations").clone()
}

/// G of `render` in the present period, as the vendor has it.
#[track_caller]
fn granted(lab: &Lab, chain: &str) -> u64 {
    let shown = lab.vendor(&format!("activation show {chain}")).done();
    let quotas = shown["quotas"].as_array().expect("quotas");
    number(quotas.first().unwrap_or_else(|| panic!("no quota in {shown:#}")), "granted")
}

/// The whole story: a home in use, a backup, more of everything, the home lost, and the devices that come back.
struct Story {
    lab: Lab,
    license: License,
    chains: [String; 3],
}

impl Story {
    /// Three devices of which the backup knows two, each with use since.
    fn begin() -> Self {
        let lab = Lab::with_policy(STANDARD);
        let license = lab.issue();
        let first = lab.activate("dev1", &license);
        let second = lab.activate("dev2", &license);
        lab.device("dev1", "consume render 100").done();
        lab.sync("dev1");
        lab.vendor("backup -o saved").done();
        lab.device("dev1", "consume render 300").done();
        lab.sync("dev1");
        let third = lab.activate("dev3", &license);
        for device in ["dev2", "dev3"] {
            lab.device(device, "consume render 700").done();
        }
        lab.vendor(&format!("license change {} --valid 800d", license.id)).done();
        for device in ["dev2", "dev3"] {
            lab.sync(device);
        }
        Self { lab, license, chains: [first, second, third] }
    }
}

#[test]
fn what_the_backup_lost_comes_back_from_the_devices() {
    let Story { lab, license, chains } = Story::begin();
    let before: Vec<u64> = chains.iter().map(|chain| granted(&lab, chain)).collect();
    let until =
        lab.vendor(&format!("license show {}", license.id)).done()["entitlement"]["valid_until"].clone();
    let restored = restore(&lab);
    assert_eq!(number(&restored, "licenses"), 1);
    assert_eq!(activations(&lab).len(), 2, "the backup does not know the third device");
    sound(&lab, "counterfoil-home");

    // The home that was never lost takes in the same reports.
    let everywhere = |device: &str| {
        contact(&lab, device);
        lab.vendor(&format!("--home lost merge {device}.cfbundle")).exits_any(&[0, 6]).json();
    };
    for device in ["dev1", "dev2", "dev3"].repeat(2) {
        everywhere(device);
    }
    let quarantine = lab.vendor("quarantine list").done();
    assert_eq!(quarantine["entries"].as_array().map(Vec::len), Some(0), "{quarantine:#}");
    let after: Vec<u64> = chains.iter().map(|chain| granted(&lab, chain)).collect();
    assert_eq!(after, before, "the same units are out as before, none twice");
    let shown = lab.vendor(&format!("license show {}", license.id)).done();
    assert_eq!(shown["entitlement"]["valid_until"], until, "the lost change came back");
    assert_eq!(shown["quotas"][0]["used"], 1800);
    assert!(shown["quotas"][0]["free"].as_i64().expect("a number") >= 0, "{shown:#}");
    sound(&lab, "counterfoil-home");

    for device in ["dev1", "dev2", "dev3"] {
        lab.device(device, "consume render 1").done();
        everywhere(device);
    }
    assert_eq!(lab.digest("counterfoil-home"), lab.digest("lost"));
    sound(&lab, "counterfoil-home");
    sound(&lab, "lost");
}

#[test]
fn a_lost_answer_and_a_repeated_report_change_nothing_more() {
    let Story { lab, chains, .. } = Story::begin();
    restore(&lab);
    for device in ["dev3", "dev2"] {
        lab.report(device, &format!("{device}.cfbundle"));
        lab.vendor(&format!("merge {device}.cfbundle --answers answers")).exits_any(&[0, 6]).json();
    }
    let tables = picture::tables(&lab.home());
    let again = lab.vendor("merge dev2.cfbundle dev3.cfbundle --answers again").exits_any(&[0, 6]).json();
    assert_eq!(number(&again, "events"), 0);
    assert_eq!(picture::tables(&lab.home()), tables);
    for device in ["dev2", "dev3"] {
        let answer =
            |folder: &str| fs::read(lab.path(format!("{folder}/{device}.cfgrant"))).expect("an answer");
        assert_eq!(answer("again"), answer("answers"), "{device}");
        lab.device(device, &format!("apply again/{device}.cfgrant")).done();
    }
    assert!(chains[1..].iter().all(|chain| granted(&lab, chain) >= 1000));
    sound(&lab, "counterfoil-home");
}

#[test]
fn a_suspension_that_the_backup_lost_comes_back_and_a_later_decision_stands() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    lab.activate("dev1", &license);
    lab.vendor("backup -o saved").done();
    lab.vendor(&format!("license suspend {}", license.id)).done();
    lab.sync("dev1");
    restore(&lab);
    let status = |lab: &Lab| text(&lab.vendor(&format!("license show {}", license.id)).done(), "status");
    assert_eq!(status(&lab), "active");
    contact(&lab, "dev1");
    assert_eq!(status(&lab), "suspended");
    lab.vendor(&format!("license resume {}", license.id)).done();
    contact(&lab, "dev1");
    assert_eq!(status(&lab), "active");
    assert_eq!(lab.device("dev1", "check export").done()["allowed"], true);
    sound(&lab, "counterfoil-home");
}

/// What the backup held of the epoch that ended is part of what the next one rests on.
#[test]
fn an_ended_epoch_that_was_cut_is_missed() {
    let Story { lab, .. } = Story::begin();
    restore(&lab);
    lab.vendor("audit verify").done();
    let ledger = Tables::of(&lab.home());
    let ended = "writer = 1 AND first_seq > 1";
    let last = ledger.row(&format!("SELECT max(first_seq) FROM runs WHERE {ended}"), &[]);
    assert_eq!(ledger.execute(&format!("DELETE FROM runs WHERE {ended} AND first_seq = $1"), &last), 1);
    lab.vendor("audit verify").refused(5, "audit_failed");
}

/// Nobody can tell which epoch the first restored home reached: the devices do.
#[test]
fn one_backup_can_be_restored_twice() {
    let Story { lab, .. } = Story::begin();
    restore(&lab);
    contact(&lab, "dev1");
    contact(&lab, "dev1");
    fs::rename(lab.home(), lab.path("lost-too")).expect("writable");
    lab.vendor("restore saved").done();
    for device in ["dev1", "dev1", "dev2", "dev2"] {
        contact(&lab, device);
    }
    assert_eq!(lab.device("dev1", "check render").done()["allowed"], true);
    sound(&lab, "counterfoil-home");
}

/// The way out that docs/operations.md names: the customer works again with another key, and the old record is kept.
#[test]
fn a_customer_whose_licence_the_backup_does_not_know_works_again_under_another() {
    let lab = Lab::with_policy(STANDARD);
    lab.vendor("backup -o saved").done();
    let lost = lab.activate("dev1", &lab.issue());
    lab.device("dev1", "consume render 7").done();
    restore(&lab);
    lab.report("dev1", "dev1.cfbundle");
    lab.vendor("merge dev1.cfbundle").exits(6).json();
    lab.vendor("quarantine retry").exits(6).json();
    assert_eq!(lab.device("dev1", "check render").done()["allowed"], true, "it goes on meanwhile");

    let license = lab.issue();
    lab.write("new-key.txt", &license.key);
    lab.device("dev1", "deactivate --file old.cfbundle").done();
    lab.device("dev1", "activate --license-key-file new-key.txt --request request.cfbundle").done();
    let merged = lab.vendor("merge old.cfbundle request.cfbundle --answers out").exits(6).json();
    assert_eq!((number(&merged, "merged"), number(&merged, "refused")), (1, 1), "{merged:#}");
    assert_eq!(lab.device("dev1", "apply out/request.cfgrant").done()["state"], "active");
    assert_eq!(number(&lab.device("dev1", "check render").done(), "remaining"), 1000);
    lab.sync("dev1");

    let listed = lab.vendor("quarantine list").done();
    let entries = listed["entries"].as_array().expect("entries");
    assert!(!entries.is_empty());
    for entry in entries {
        assert_eq!((text(entry, "code"), text(entry, "chain")), ("license_unknown".to_owned(), lost.clone()));
        lab.vendor(&format!("quarantine show {}", number(entry, "id"))).done();
    }
    sound(&lab, "counterfoil-home");
}

#[test]
fn a_backup_is_private_whole_and_no_home() {
    let lab = Lab::with_policy(STANDARD);
    lab.issue();
    lab.write("counterfoil-home/config.toml", "jobs = 1\n");
    let made = lab.vendor("backup -o saved").done();
    assert_eq!(made["root_key"], false);
    let mut folders = vec![lab.path("saved")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
                files += 1;
            }
        }
    }
    let parts = made["parts"].as_array().expect("parts");
    assert_eq!(files, parts.len() + 1, "the parts and the manifest, and nothing beside them");
    assert!(!lab.path("saved/keys/root.key").exists());
    lab.vendor("--home saved digest").refused(3, "home_missing");
    lab.vendor("backup -o saved").refused(1, "io_failed");
    lab.vendor("backup -o with-root --with-root-key").done();
    lab.vendor("--home second restore with-root").done();
    assert!(lab.path("second/keys/root.key").exists());
    assert_eq!(fs::read(lab.path("second/config.toml")).expect("restored"), b"jobs = 1\n");
    lab.vendor("--home second product pack studio -o second.cfpack").done();
    fs::remove_file(lab.home().join("keys/root.key")).expect("ours");
    lab.vendor("backup -o third --with-root-key").refused(3, "root_key_missing");
    assert!(!lab.path("third").exists());
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

#[test]
fn a_damaged_backup_and_a_home_that_is_there_are_refused() {
    let lab = Lab::with_policy(STANDARD);
    lab.issue();
    lab.vendor("backup -o saved").done();
    lab.vendor("restore saved").refused(1, "home_exists");
    lab.vendor("--home second restore nowhere").refused(3, "file_missing");
    let manifest = fs::read_to_string(lab.path("saved/manifest.toml")).expect("a manifest");
    for name in ["settings.toml", "ledger.db", "keys/issuer.key", "keys/license.key", "manifest.toml"] {
        let path = lab.path(format!("saved/{name}"));
        let sound = fs::read(&path).expect("a part");
        let mut changed = sound.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        for broken in [Some(changed), Some(sound[..middle].to_vec()), None] {
            match broken {
                Some(bytes) => fs::write(&path, bytes).expect("writable"),
                None => fs::remove_file(&path).expect("ours"),
            }
            let refused = lab.vendor("--home second restore saved");
            assert!(matches!(refused.exit(), Some(3 | 5)), "{name}: {refused:?}");
            assert!(!lab.path("second").exists(), "{name}");
        }
        fs::write(&path, sound).expect("writable");
    }
    lab.write("saved/manifest.toml", manifest.replace("keys/license.key", "../license.key"));
    lab.vendor("--home second restore saved").refused(5, "backup_damaged");
    lab.write("saved/manifest.toml", manifest);
    lab.vendor("--home second restore saved").done();
    sound(&lab, "second");
}

/// Two processes: one merges, the other copies. The copy is a state that the merge went through.
#[test]
fn a_backup_that_is_made_while_a_merge_runs_is_consistent() {
    let lab = Lab::with_policy("--max-activations 1000 --mode render=counted --sync-every 30d");
    let license = lab.issue();
    for seed in 0..600 {
        let device = (1..=12).fold(HandMade::new(seed, &license), HandMade::consume);
        lab.write(format!("inbox/{seed}.cfbundle"), device.bundle());
    }
    let merging = lab.start_vendor("merge inbox");
    let mut made = 0;
    for number in 0..3 {
        made +=
            u32::from(lab.vendor(&format!("backup -o saved-{number}")).exits_any(&[0, 8]).exit() == Some(0));
    }
    Lab::wait(merging).done();
    assert!(made > 0, "a copy needs no writer's lock");
    for number in (0..3).filter(|number| lab.path(format!("saved-{number}")).exists()) {
        let home = format!("home-{number}");
        lab.vendor(&format!("--home {home} restore saved-{number}")).done();
        sound(&lab, &home);
        lab.vendor(&format!("--home {home} merge inbox")).done();
        assert_eq!(lab.digest(&home), lab.digest("counterfoil-home"), "copy {number}");
    }
}

/// The ledger may be kept outside the home; a restored home keeps it inside and touches no other file.
#[test]
fn a_ledger_elsewhere_is_restored_into_the_home() {
    let lab = Lab::empty();
    lab.vendor("init --store sqlite:elsewhere.db").done();
    lab.vendor("product create studio --feature export").done();
    lab.vendor("backup -o saved").done();
    let elsewhere = fs::read(lab.path("elsewhere.db")).expect("the ledger");
    lab.vendor("--home second restore saved").done();
    assert_eq!(lab.vendor("--home second product list").done()["products"].as_array().map(Vec::len), Some(1));
    lab.vendor("--home second product create other --feature export").done();
    assert_eq!(fs::read(lab.path("elsewhere.db")).expect("the ledger"), elsewhere);
}
