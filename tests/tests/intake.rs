//! Intake through the real program: archives are folders, what they hold is not believed, and whatever goes wrong on the way
//! in loses nothing and is mended by merging again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::process::Child;
use std::thread;

use counterfoil_tests::device::bundle;
use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{Chance, HandMade, Lab, License, picture};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tar::{Builder, EntryType, Header};

const COUNTED: &str = "--max-activations 100000 --mode render=counted --sync-every 30d";

/// The bundles of so many devices, two of each, by name; the later one stands first.
fn bundles(license: &License, devices: std::ops::Range<u64>) -> BTreeMap<String, Vec<u8>> {
    let of_device = |seed| {
        let device = HandMade::new(seed, license).consume(1).consume(2).consume(3);
        let name = |part| format!("{}/{seed}-{part}.cfbundle", seed % 3);
        [(name("a"), device.bundle_of(4, 5)), (name("b"), device.bundle_of(1, 3))]
    };
    devices.flat_map(of_device).collect()
}

fn lay_out(lab: &Lab, folder: &str, bundles: &BTreeMap<String, Vec<u8>>) {
    for (name, bytes) in bundles {
        lab.write(format!("{folder}/{name}"), bytes);
    }
}

fn tar_of(bundles: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (name, bytes) in bundles {
        append(&mut tar, name, bytes);
    }
    tar.into_inner().expect("in memory")
}

/// Appends a file under a name that is not looked at.
fn append(tar: &mut Builder<Vec<u8>>, name: &str, bytes: &[u8]) {
    let mut header = Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.as_ustar_mut().expect("ustar").name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_cksum();
    tar.append(&header, bytes).expect("in memory");
}

fn zip_of(bundles: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut zip = rawzip::ZipArchiveWriter::new(&mut bytes);
    for (name, content) in bundles {
        let (mut entry, config) = zip.new_file(name).start().expect("in memory");
        let mut writer = config.wrap(&mut entry);
        writer.write_all(content).expect("in memory");
        let (_, descriptor) = writer.finish().expect("in memory");
        entry.finish(descriptor).expect("in memory");
    }
    zip.finish().expect("in memory");
    bytes
}

/// The names of all files below a folder, relative to it.
fn names(lab: &Lab, folder: &str) -> BTreeSet<String> {
    let root = lab.path(folder);
    let files = picture::files(&root).into_keys();
    files.map(|path| path.strip_prefix(&root).unwrap_or(&path).display().to_string()).collect()
}

fn answers(bundles: &BTreeMap<String, Vec<u8>>) -> BTreeSet<String> {
    bundles.keys().map(|name| name.replace(".cfbundle", ".cfgrant")).collect()
}

/// The code of each finding, by the file that it is about.
fn findings(merged: &Value) -> BTreeMap<String, String> {
    let findings = merged["findings"].as_array().expect("findings");
    findings.iter().map(|finding| (text(finding, "source"), text(finding, "code"))).collect()
}

#[track_caller]
fn sound(lab: &Lab, home: &str) {
    lab.vendor(&format!("--home {home} rebuild --check")).done();
    lab.vendor(&format!("--home {home} audit verify --deep")).done();
}

#[test]
fn an_archive_of_any_kind_is_what_its_folder_is() {
    let lab = Lab::with_policy(COUNTED);
    let bundles = bundles(&lab.issue(), 0..20);
    lab.copy("counterfoil-home", "as-a-folder");
    lay_out(&lab, "inbox", &bundles);
    let merged = lab.vendor("--home as-a-folder merge inbox").done();
    assert_eq!((number(&merged, "files"), number(&merged, "events")), (40, 100));
    assert!(merged["seconds"].is_f64(), "{merged:#}");

    let tar = tar_of(&bundles);
    let zstd = zstd::encode_all(tar.as_slice(), 3).expect("in memory");
    for (name, bytes) in [("r.tar", tar), ("r.tar.zst", zstd), ("r.zip", zip_of(&bundles))] {
        let home = format!("home-of-{name}");
        lab.copy("counterfoil-home", &home);
        lab.write(format!("of-{name}/a/{name}"), bytes);
        // In a folder, and given by itself.
        let merged = lab.vendor(&format!("--home {home} merge of-{name} --answers out-{name}")).done();
        assert_eq!((number(&merged, "files"), number(&merged, "events")), (40, 100), "{name}");
        assert_eq!(names(&lab, &format!("out-{name}/a/r")), answers(&bundles), "{name}");
        let again =
            lab.vendor(&format!("--home {home} merge of-{name}/a/{name} --answers again-{name}")).done();
        assert_eq!((number(&again, "known"), number(&again, "events")), (40, 0), "{name}");
        assert_eq!(names(&lab, &format!("again-{name}/r")), answers(&bundles), "{name}");
        assert_eq!(lab.digest(&home), lab.digest("as-a-folder"), "{name}");
        sound(&lab, &home);
    }
}

#[test]
fn answers_from_an_archive_are_applied_by_devices() {
    let lab = Lab::with_policy(COUNTED);
    lab.request("dev1", &lab.issue());
    let mut tar = Builder::new(Vec::new());
    append(&mut tar, "requests/dev1.cfbundle", &lab.read("dev1.cfbundle"));
    lab.write("november.tar", tar.into_inner().expect("in memory"));
    lab.vendor("merge november.tar --answers out").done();
    let applied = lab.device("dev1", "apply out/november/requests/dev1.cfgrant").done();
    assert_eq!(applied["state"], "active");
}

#[test]
fn a_hostile_archive_writes_nothing_elsewhere_and_what_is_good_in_it_goes_in() {
    let lab = Lab::with_policy(COUNTED);
    let license = lab.issue();
    let mut good = BTreeMap::new();
    for seed in 0..3 {
        good.insert(format!("good/{seed}.cfbundle"), HandMade::new(seed, &license).consume(1).bundle());
    }
    let evil = |seed| HandMade::new(seed, &license).consume(1).bundle();
    let mut tar = Builder::new(Vec::new());
    let unsafe_names =
        ["../out.cfbundle", "/tmp/out.cfbundle", "a\\out.cfbundle", "C:out.cfbundle", "a/../../out"];
    for (seed, name) in (10..).zip(unsafe_names) {
        append(&mut tar, name, &evil(seed));
    }
    for (name, bytes) in &good {
        append(&mut tar, name, bytes);
    }
    append(&mut tar, "good/0.cfbundle", &evil(20));
    append(&mut tar, "good/0.other", &evil(21));
    append(&mut tar, "letter.txt", b"Dear vendor,");
    append(&mut tar, "inner.tar", &tar_of(&good));
    let mut link = Header::new_ustar();
    link.set_entry_type(EntryType::Symlink);
    link.set_path("good").expect("short");
    link.set_link_name("../../elsewhere").expect("short");
    link.set_size(0);
    link.set_cksum();
    tar.append(&link, &[][..]).expect("in memory");
    lab.write("inbox/h.tar", tar.into_inner().expect("in memory"));

    let before = names(&lab, ".");
    let merged = lab.vendor("merge inbox --answers out").exits(6).json();
    assert_eq!((number(&merged, "merged"), number(&merged, "refused")), (3, 10), "{merged:#}");
    let told = findings(&merged);
    let code = |name: &str| told.get(&format!("inbox/h.tar/{name}")).map(String::as_str);
    for name in ["../out.cfbundle", "/tmp/out.cfbundle", "a\\\\out.cfbundle", "C:out.cfbundle", "a/../../out"]
    {
        assert_eq!(code(name), Some("entry_name_unsafe"), "{told:#?}");
    }
    assert_eq!(code("good/0.cfbundle"), Some("entry_repeated"));
    assert_eq!(code("good/0.other"), Some("entry_repeated"), "it would be answered in the same place");
    assert_eq!(code("letter.txt"), Some("unknown_file"));
    assert_eq!(code("inner.tar"), Some("archive_nested"));
    assert_eq!(code("good"), Some("entry_not_a_file"));

    let expected: BTreeSet<String> = answers(&good).iter().map(|name| format!("out/h/{name}")).collect();
    let ours = |name: &String| !name.starts_with("counterfoil-home/") && !before.contains(name);
    let made: BTreeSet<String> = names(&lab, ".").into_iter().filter(ours).collect();
    assert_eq!(made, expected);
    // All but the link has bytes, which are kept with the reason.
    let quarantine = lab.vendor("quarantine list").done();
    let entries = quarantine["entries"].as_array().expect("entries");
    assert_eq!(entries.len(), 9, "{quarantine:#}");
    assert!(entries.iter().all(|entry| text(entry, "source").starts_with("inbox/h.tar/")));
    // The same again is refused again and kept once.
    let again = lab.vendor("merge inbox --answers out").exits(6).json();
    assert_eq!((number(&again, "known"), number(&again, "events")), (3, 0));
    assert_eq!(lab.vendor("quarantine list").done()["entries"].as_array().map(Vec::len), Some(9));
    sound(&lab, "counterfoil-home");
}

#[test]
fn of_an_archive_that_is_cut_goes_in_what_is_there_and_the_rest_with_the_whole_one() {
    let lab = Lab::with_policy(COUNTED);
    let bundles = bundles(&lab.issue(), 0..10);
    let whole = tar_of(&bundles);
    lab.write("cut.tar", &whole[..whole.len() * 2 / 3]);
    lab.write("whole.tar", &whole);
    lab.copy("counterfoil-home", "undisturbed");
    lab.vendor("--home undisturbed merge whole.tar").done();
    let merged = lab.vendor("merge cut.tar").exits(6).json();
    assert_eq!(number(&merged, "refused"), 1, "{merged:#}");
    assert_eq!(findings(&merged).get("cut.tar").map(String::as_str), Some("archive_damaged"));
    let events = number(&merged, "events");
    assert!(0 < events && events < 50, "{merged:#}");
    assert_eq!(number(&lab.vendor("merge whole.tar").done(), "events"), 50 - events);
    assert_eq!(lab.digest("counterfoil-home"), lab.digest("undisturbed"));
}

#[test]
fn archives_whose_answers_would_mix_are_a_usage_error_before_anything_is_done() {
    let lab = Lab::with_policy(COUNTED);
    let bundles = bundles(&lab.issue(), 0..1);
    lab.write("inbox/a.tar", tar_of(&bundles));
    lay_out(&lab, "inbox/a", &bundles);
    let digest = lab.digest("counterfoil-home");
    lab.vendor("merge inbox --answers out").refused(2, "answers_collide");
    assert_eq!(lab.digest("counterfoil-home"), digest);
    assert_eq!(number(&lab.vendor("merge inbox").done(), "events"), 5);
}

/// A bundle of more than 16 MiB is read in pieces, in an archive as elsewhere.
#[test]
fn a_large_bundle_in_an_archive_goes_in_piece_by_piece() {
    let lab = Lab::with_policy(COUNTED);
    let license = lab.issue();
    let device = (0..2_000).fold(HandMade::new(1, &license), |device, _| device.consume(1));
    let run = device.run(1, device.len());
    let copies = 17 * 1024 * 1024 / run.len() + 1;
    let mut files = bundles(&license, 5..7);
    files.insert("0/large.cfbundle".to_owned(), bundle(vec![run; copies]));
    for (name, bytes) in [("r.tar", tar_of(&files)), ("r.zip", zip_of(&files))] {
        let home = format!("home-of-{name}");
        lab.copy("counterfoil-home", &home);
        lab.write(name, bytes);
        let merged = lab.vendor(&format!("--home {home} merge {name} --answers out-{name}")).done();
        assert_eq!((number(&merged, "files"), number(&merged, "events")), (5, 2_002 + 10), "{merged:#}");
        assert_eq!(names(&lab, &format!("out-{name}/r")), answers(&files));
    }
    assert_eq!(lab.digest("home-of-r.tar"), lab.digest("home-of-r.zip"));
}

#[test]
fn two_importers_of_one_folder_at_once_give_what_one_gives() {
    let lab = Lab::with_policy(COUNTED);
    let bundles = bundles(&lab.issue(), 0..300);
    lay_out(&lab, "inbox", &bundles);
    lab.write("inbox/again.tar", tar_of(&bundles));
    lab.copy("counterfoil-home", "alone");
    lab.vendor("--home alone merge inbox").done();
    let importers: Vec<Child> =
        (0..2).map(|number| lab.start_vendor(&format!("merge inbox --answers out-{number}"))).collect();
    let merged: Vec<Value> = importers.into_iter().map(|importer| Lab::wait(importer).done()).collect();
    assert_eq!(merged.iter().map(|merged| number(merged, "events")).sum::<u64>(), 1_500, "{merged:#?}");
    assert_eq!(lab.digest("counterfoil-home"), lab.digest("alone"));
    assert_eq!(names(&lab, "out-0"), names(&lab, "out-1"));
    assert_eq!(lab.vendor("quarantine list").done()["entries"].as_array().map(Vec::len), Some(0));
    sound(&lab, "counterfoil-home");
}

/// What was answered before the disk was full is in the ledger, and with room again the same merge does the rest.
#[test]
fn a_full_disk_stops_a_merge_and_nothing_that_was_answered_is_lost() {
    let lab = Lab::with_policy(COUNTED);
    let license = lab.issue();
    // More events than one commit takes.
    for seed in 0..40 {
        let device = (0..2_000).fold(HandMade::new(seed, &license), |device, _| device.consume(1));
        lab.write(format!("inbox/{seed}.cfbundle"), device.bundle());
    }
    lab.copy("counterfoil-home", "roomy");
    let whole = lab.vendor("--home roomy merge inbox --answers roomy-out").done();
    assert_eq!((number(&whole, "merged"), number(&whole, "events")), (40, 80_080));
    let size = fs::metadata(lab.path("roomy/ledger.db")).expect("a ledger").len() / 1024;
    let mut answered_before = 0;
    for tenths in [1, 4, 8] {
        let (home, out) = (format!("full-{tenths}"), format!("out-{tenths}"));
        lab.copy("counterfoil-home", &home);
        fs::create_dir(lab.path(&out)).expect("writable");
        let line = format!("--home {home} merge inbox --answers {out}");
        let stopped = lab.vendor_short_of_room(&line, size * tenths / 10).refused(1, "store_failed");
        assert!(text(&stopped, "hint").contains("disk space"), "{stopped:#}");
        lab.vendor(&format!("--home {home} rebuild --check")).done();
        lab.vendor(&format!("--home {home} audit verify")).done();
        // Whoever was answered is known by what it sent.
        let answered = names(&lab, &out);
        let listed = lab.vendor(&format!("--home {home} activation list")).done();
        let known: BTreeSet<String> = listed["activations"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|known| text(known, "chain"))
            .collect();
        for answer in &answered {
            let seed = answer.trim_end_matches(".cfgrant").parse().expect("a number");
            assert!(known.contains(&HandMade::new(seed, &license).chain().to_string()), "{answer}");
        }
        answered_before += answered.len();
        let rest = lab.vendor(&line).done();
        assert_eq!(number(&rest, "merged") + number(&rest, "known"), 40, "{rest:#}");
        assert_eq!(lab.digest(&home), lab.digest("roomy"));
        assert_eq!(names(&lab, &out), names(&lab, "roomy-out"));
    }
    assert!(answered_before > 0, "the disk was never full in the midst of a merge");
    sound(&lab, "full-8");
}

/// Interrupts a merge as soon as the ledger's log has grown by `bytes`, unless it ends before that. Whether it was.
fn interrupted_once_it_wrote(lab: &Lab, mut child: Child, bytes: u64) -> bool {
    let log = lab.home().join("ledger.db-wal");
    let size = || fs::metadata(&log).map_or(0, |metadata| metadata.len());
    let goal = size() + bytes;
    while child.try_wait().expect("it was started").is_none() {
        if size() >= goal {
            kill_process(Pid::from_child(&child), Signal::INT).expect("it is ours");
            break;
        }
        thread::yield_now();
    }
    let ran = Lab::wait(child);
    // A shell tells the signal as 130.
    assert!(matches!(ran.exit(), None | Some(0 | 130)), "{ran:?}");
    ran.exit() != Some(0)
}

#[test]
fn an_interrupted_merge_run_again_gives_what_an_undisturbed_one_gives() {
    let mut chance = Chance::new();
    let lab = Lab::with_policy(COUNTED);
    let bundles = bundles(&lab.issue(), 0..150);
    lab.write("inbox.tar.zst", zstd::encode_all(tar_of(&bundles).as_slice(), 3).expect("in memory"));
    lab.copy("counterfoil-home", "undisturbed");
    lab.vendor("--home undisturbed merge inbox.tar.zst").done();
    let mut interrupts = 0;
    for _ in 0..4 {
        let child = lab.start_vendor("merge inbox.tar.zst --answers out --jobs 2");
        interrupts += u32::from(interrupted_once_it_wrote(&lab, child, chance.below(200_000) as u64));
        sound(&lab, "counterfoil-home");
    }
    assert!(interrupts > 0, "no merge was interrupted");
    lab.vendor("merge inbox.tar.zst --answers out").done();
    assert_eq!(lab.digest("counterfoil-home"), lab.digest("undisturbed"));
    let finished: BTreeSet<String> =
        names(&lab, "out/inbox").into_iter().filter(|name| name.ends_with(".cfgrant")).collect();
    assert_eq!(finished, answers(&bundles));
}
