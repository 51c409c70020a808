//! The stories of `tests/scenarios`, each a test of its own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use counterfoil_tests::Scenario;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

#[track_caller]
fn play(name: &str) {
    let scenario = Scenario::read(&folder().join(format!("{name}.txt")));
    if let Err(error) = scenario.and_then(|scenario| scenario.play()) {
        panic!("{error}");
    }
}

macro_rules! scenarios {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            play(stringify!($name));
        })*

        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

scenarios! {
    answers_lost
    backup_of_a_deactivated_device
    bundle_missing_for_ever
    bundle_overlapped
    bundle_twice
    bundles_reversed
    clock_ahead_and_vendor_restored
    clock_years_ahead
    copy_and_vendor_restored
    hardware_changed
    licence_file_for_another_device
    licence_file_older
    machine_dead
    quota_below_use
    reinstalled
    restored_after_days
    restored_and_healed
    sealed_and_late
    snapshot_continued_twice
    suspended_while_devices_report
    trial_and_vendor_restored
    trial_twice
    two_containers_from_one_image
    vendor_restored
}

#[test]
fn every_story_in_the_folder_is_played() {
    let files = fs::read_dir(folder()).expect("the folder of scenarios");
    let names = files.map(|file| file.expect("readable").file_name().to_string_lossy().into_owned());
    let told: BTreeSet<String> =
        names.filter_map(|name| Some(name.strip_suffix(".txt")?.to_owned())).collect();
    let played: BTreeSet<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(told, played);
}
