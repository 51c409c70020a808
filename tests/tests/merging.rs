//! Merging is idempotent and free of order, and what cannot go in waits where it can be seen.

use std::collections::BTreeSet;
use std::fs;

use counterfoil_tests::container::{file_of, frames};
use counterfoil_tests::device::bundle;
use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{Chance, HandMade, Lab, License};
use serde_json::Value;

const STANDARD: &str = "--max-activations 1000 --quota render=1000000/month --sync-every 30d";
const SECOND: &str = "--home second";

/// What must not depend on the order in which bundles came: the evidence and what was used.
#[track_caller]
fn evidence(lab: &Lab, home: &str) -> (String, Value) {
    let usage = lab.vendor(&format!("--home {home} audit usage --by license,chain,day")).done();
    (lab.digest(home), usage)
}

#[track_caller]
fn sound(lab: &Lab, home: &str) {
    lab.vendor(&format!("--home {home} rebuild --check")).done();
    lab.vendor(&format!("--home {home} audit verify --deep")).done();
}

/// The codes in quarantine, in order.
#[track_caller]
fn quarantined(lab: &Lab, home: &str) -> Vec<String> {
    let listed = lab.vendor(&format!("--home {home} quarantine list")).done();
    let mut codes: Vec<String> =
        listed["entries"].as_array().expect("entries").iter().map(|entry| text(entry, "code")).collect();
    codes.sort();
    codes
}

/// The chain of eight events that belongs to a seed.
fn device(seed: u64, license: &License) -> HandMade {
    (1..=6).map(|n| n * (seed + 1)).fold(HandMade::new(seed, license), HandMade::consume)
}

/// The pieces in which the chains of `devices` devices are reported: overlapping and repeated.
fn pieces(license: &License, devices: u64) -> Vec<Vec<u8>> {
    let parts = [(1, 2), (3, 5), (1, 5), (4, 6), (6, 8), (2, 7)];
    let of_device = |seed| parts.map(|(first, last)| device(seed, license).bundle_of(first, last));
    (0..devices).flat_map(of_device).collect()
}

fn lay_out(lab: &Lab, folder: &str, pieces: &[Vec<u8>]) {
    for (number, piece) in pieces.iter().enumerate() {
        lab.write(format!("{folder}/{number:03}.cfbundle"), piece);
    }
}

#[test]
fn any_order_any_split_and_any_repeats_give_the_same_evidence() {
    let mut chance = Chance::new();
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let mut pieces = pieces(&license, 5);
    lab.copy("counterfoil-home", "reference");
    for seed in 0..5 {
        lab.write(format!("whole/{seed}.cfbundle"), device(seed, &license).bundle());
    }
    lab.vendor("--home reference merge whole").done();
    let expected = evidence(&lab, "reference");

    for round in 0..4 {
        let home = format!("home-{round}");
        lab.copy("counterfoil-home", &home);
        chance.shuffle(&mut pieces);
        let middle = chance.below(pieces.len() - 1) + 1;
        let (first, second) = (format!("first-{round}"), format!("second-{round}"));
        lay_out(&lab, &first, &pieces[..middle]);
        lay_out(&lab, &second, &pieces[middle..]);
        lab.vendor(&format!("--home {home} merge {first}")).done();
        lab.vendor(&format!("--home {home} merge {second} {first}")).done();
        assert_eq!(evidence(&lab, &home), expected, "round {round}");
        assert_eq!(quarantined(&lab, &home), [""; 0], "round {round}");
        let again = lab.vendor(&format!("--home {home} merge {first} {second}")).done();
        assert_eq!((number(&again, "merged"), number(&again, "events")), (0, 0), "round {round}");
        sound(&lab, &home);
    }
}

#[test]
fn real_devices_in_any_order_give_the_same_evidence() {
    let mut chance = Chance::new();
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let devices = ["dev1", "dev2", "dev3"];
    for device in devices {
        lab.request(device, &license);
    }
    lab.copy("counterfoil-home", "second");
    for (number, device) in devices.iter().enumerate() {
        lab.vendor(&format!("merge {device}.cfbundle --answers answers")).done();
        lab.device(device, &format!("apply answers/{device}.cfgrant")).done();
        lab.device(device, &format!("consume render {}", number + 1)).done();
        lab.report(device, &format!("first-{device}.cfbundle"));
        lab.device(device, &format!("consume render {}", number + 10)).done();
        lab.device(device, &format!("deactivate --file last-{device}.cfbundle")).done();
    }
    let mut files: Vec<String> = devices
        .iter()
        .flat_map(|device| {
            [
                format!("{device}.cfbundle"),
                format!("first-{device}.cfbundle"),
                format!("last-{device}.cfbundle"),
            ]
        })
        .collect();
    lab.vendor(&format!("merge {}", files.join(" "))).done();
    chance.shuffle(&mut files);
    lab.vendor(&format!("{SECOND} merge {}", files.join(" "))).done();
    assert_eq!(evidence(&lab, "second"), evidence(&lab, "counterfoil-home"));
    assert_eq!(quarantined(&lab, "second"), [""; 0]);
    sound(&lab, "second");
}

#[test]
fn the_digest_tells_every_event_and_every_signature_apart() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let device = HandMade::new(1, &license).consume(5).consume(6).consume(7);
    let variants = [
        device.bundle(),
        // Without the last event, with another one, in another order.
        device.bundle_of(1, 4),
        HandMade::new(1, &license).consume(5).consume(6).consume(8).bundle(),
        HandMade::new(1, &license).consume(6).consume(5).consume(7).bundle(),
        // Another signature on the same event, in the middle and in the first place.
        bundle(vec![device.run_with_bad_signature(3)]),
        bundle(vec![device.run_with_bad_signature(1)]),
        // Another device with the same events.
        HandMade::new(2, &license).consume(5).consume(6).consume(7).bundle(),
    ];
    let mut digests = BTreeSet::from([lab.digest("counterfoil-home")]);
    for (number, variant) in variants.iter().enumerate() {
        let home = format!("home-{number}");
        lab.copy("counterfoil-home", &home);
        lab.write("variant.cfbundle", variant);
        lab.vendor(&format!("--home {home} merge variant.cfbundle")).done();
        assert!(digests.insert(lab.digest(&home)), "variant {number} has the digest of another");
    }
}

#[test]
fn two_processes_merge_one_folder_at_the_same_time() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    lab.copy("counterfoil-home", "second");
    for seed in 0..60 {
        lab.write(format!("inbox/{seed}.cfbundle"), HandMade::new(seed, &license).consume(seed + 1).bundle());
    }
    let running =
        [lab.start_vendor("merge inbox --answers one"), lab.start_vendor("merge inbox --answers two")];
    let merged: Vec<Value> = running.map(|child| Lab::wait(child).done()).to_vec();
    let sum = |key| merged.iter().map(|merged| number(merged, key)).sum::<u64>();
    assert_eq!((sum("merged"), sum("known"), sum("events")), (60, 60, 180));
    lab.vendor(&format!("{SECOND} merge inbox")).done();
    assert_eq!(evidence(&lab, "counterfoil-home"), evidence(&lab, "second"));
    sound(&lab, "counterfoil-home");
}

#[test]
fn a_thousand_good_bundles_go_in_and_ten_bad_ones_are_set_apart() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    for seed in 0..1000 {
        lab.write(
            format!("inbox/{}/{seed:04}.cfbundle", seed % 7),
            HandMade::new(seed, &license).consume(3).bundle(),
        );
    }
    let good = HandMade::new(2000, &license).consume(1).bundle();
    let mut foreign = good.clone();
    foreign[3] = b'G';
    let mut newer = good.clone();
    newer[4] = 9;
    let mut flipped = good.clone();
    flipped[40] ^= 1;
    let mut unsigned = HandMade::new(2001, &license).consume(1).run(1, 3);
    let last = unsigned.len() - 1;
    unsigned[last] ^= 1;
    let stranger = License { key: "0000000-0000000-0000000-0000000".to_owned(), ..license.clone() };
    let bad = [
        ("cut", good[..good.len() / 2].to_vec(), "damaged"),
        ("flipped", flipped, "damaged"),
        ("foreign", foreign, "wrong_file"),
        ("newer", newer, "unsupported_version"),
        ("text", b"Dear Sir or Madam".to_vec(), "unknown_file"),
        ("empty", Vec::new(), "unknown_file"),
        ("unsigned", bundle(vec![unsigned]), "signature_bad"),
        ("proof", HandMade::new(2002, &license).with_bad_proof().bundle(), "claim_invalid"),
        ("product", HandMade::new(2003, &license).of_product("other").bundle(), "origin_mismatch"),
        ("stranger", unknown_license(&stranger), "license_unknown"),
    ];
    for (name, bytes, _) in &bad {
        lab.write(format!("inbox/3/bad-{name}.cfbundle"), bytes);
    }
    let merged = lab.vendor("merge inbox --answers out").exits(6).json();
    let count = |key| number(&merged, key);
    assert_eq!((count("merged"), count("refused"), count("files")), (1000, 10, 1010));
    assert_eq!((count("parked"), count("forked"), count("events")), (0, 0, 3000));
    for (name, _, code) in &bad {
        assert_eq!(finding(&merged, &format!("bad-{name}.cfbundle")), [*code], "{name}");
    }
    let mut codes: Vec<&str> = bad.iter().map(|(_, _, code)| *code).collect();
    codes.sort_unstable();
    assert_eq!(quarantined(&lab, "counterfoil-home"), codes);
    let usage = lab.vendor("audit usage").done();
    assert_eq!(number(&usage["rows"][0], "n"), 3000);
    for seed in 0..1000 {
        let answer = lab.path(format!("out/{}/{seed:04}.cfgrant", seed % 7));
        assert!(answer.is_file(), "{} is missing", answer.display());
    }
    let again = lab.vendor("merge inbox").exits(6).json();
    assert_eq!((number(&again, "merged"), number(&again, "known"), number(&again, "refused")), (0, 1000, 10));
    assert_eq!(quarantined(&lab, "counterfoil-home").len(), 10, "the same bytes are kept once");
    sound(&lab, "counterfoil-home");
}

/// A bundle whose licence key is well formed and was never issued.
fn unknown_license(license: &License) -> Vec<u8> {
    let issued = Lab::with_policy(STANDARD).issue();
    HandMade::new(2004, &License { id: license.id.clone(), ..issued }).bundle()
}

/// The codes that a merge gave for the file whose name ends so.
fn finding(merged: &Value, file: &str) -> Vec<String> {
    let findings = merged["findings"].as_array().expect("findings");
    let of_file = findings.iter().filter(|finding| text(finding, "source").ends_with(file));
    of_file.map(|finding| text(finding, "code")).collect()
}

#[test]
fn what_comes_before_its_beginning_waits_and_goes_in() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let device = HandMade::new(1, &license).consume(5).consume(6).consume(7);
    lab.write("begin.cfbundle", device.bundle_of(1, 3));
    lab.write("middle.cfbundle", device.bundle_of(4, 4));
    lab.write("end.cfbundle", device.bundle_of(5, 5));

    let merged = lab.vendor("merge end.cfbundle --answers out").done();
    assert_eq!((number(&merged, "parked"), number(&merged, "events")), (1, 0));
    assert_eq!(quarantined(&lab, "counterfoil-home"), ["chain_gap"]);
    let merged = lab.vendor("merge begin.cfbundle --answers out").done();
    assert_eq!((number(&merged, "merged"), number(&merged, "events")), (1, 3));
    assert_eq!(quarantined(&lab, "counterfoil-home"), [""; 0], "its chain is known now: it is parked there");
    let merged = lab.vendor("merge middle.cfbundle --answers out").done();
    assert_eq!(number(&merged, "events"), 2, "the end came along");
    assert_eq!(quarantined(&lab, "counterfoil-home"), [""; 0]);
    let usage = lab.vendor("audit usage").done();
    assert_eq!(number(&usage["rows"][0], "n"), 18);
    sound(&lab, "counterfoil-home");
}

#[test]
fn both_histories_of_a_fork_are_kept_and_go_on() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let trunk = HandMade::new(1, &license).consume(5).consume(6);
    let other = HandMade::new(1, &license).consume(5).consume(7).consume(8);
    lab.write("trunk.cfbundle", trunk.bundle());
    lab.write("fork.cfbundle", other.bundle());
    lab.vendor("merge trunk.cfbundle").done();
    let before = evidence(&lab, "counterfoil-home");
    let merged = lab.vendor("merge fork.cfbundle --answers out").done();
    assert_eq!((number(&merged, "forked"), number(&merged, "events")), (1, 2));
    assert_eq!(finding(&merged, "fork.cfbundle"), ["chain_fork"]);
    assert_ne!(evidence(&lab, "counterfoil-home"), before);
    let again = lab.vendor("merge fork.cfbundle trunk.cfbundle").done();
    assert_eq!((number(&again, "known"), number(&again, "forked")), (2, 0));
    lab.write("more.cfbundle", trunk.consume(9).bundle());
    assert_eq!(number(&lab.vendor("merge more.cfbundle").done(), "events"), 1);
    lab.write("on.cfbundle", other.consume(10).bundle());
    assert_eq!(number(&lab.vendor("merge on.cfbundle").done(), "events"), 1);
    let usage = lab.vendor("audit usage").done();
    assert_eq!(number(&usage["rows"][0], "n"), 5 + 6 + 7 + 8 + 9 + 10, "the union of both");
    assert_eq!(quarantined(&lab, "counterfoil-home"), [""; 0]);
    sound(&lab, "counterfoil-home");
}

/// The second home is one that was copied before the licence was issued, and later replaced by the first.
#[test]
fn what_refers_to_an_unknown_licence_waits_until_the_licence_is_there() {
    let lab = Lab::with_policy(STANDARD);
    lab.copy("counterfoil-home", "second");
    let license = lab.issue();
    lab.write("early.cfbundle", HandMade::new(1, &license).consume(5).bundle());
    let merged = lab.vendor(&format!("{SECOND} merge early.cfbundle --answers out")).exits(6).json();
    assert_eq!((number(&merged, "refused"), number(&merged, "events")), (1, 0));
    assert_eq!(finding(&merged, "early.cfbundle"), ["license_unknown"]);
    let answer = lab.vendor(&format!("{SECOND} show out/early.cfgrant")).done();
    assert!(answer.to_string().contains("license_unknown"), "the answer is a notice: {answer:#}");
    let retried = lab.vendor(&format!("{SECOND} quarantine retry")).exits(6).json();
    assert_eq!((number(&retried, "refused"), number(&retried, "events")), (1, 0));
    assert_eq!(quarantined(&lab, "second"), ["license_unknown"]);

    lab.move_licenses("counterfoil-home", "second");
    let retried = lab.vendor(&format!("{SECOND} quarantine retry")).done();
    assert_eq!(number(&retried, "events"), 3);
    assert_eq!(quarantined(&lab, "second"), [""; 0]);
    lab.vendor("merge early.cfbundle").done();
    assert_eq!(lab.digest("second"), lab.digest("counterfoil-home"));
    sound(&lab, "second");
}

#[test]
fn answers_lie_as_the_files_that_they_answer() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    for (seed, file) in (0..).zip(["inbox/a/X.cfbundle", "inbox/Y.cfbundle", "loose/Z.cfbundle"]) {
        lab.write(file, HandMade::new(seed, &license).bundle());
    }
    lab.write("inbox/.hidden.cfbundle", b"not looked at");
    lab.write("inbox/half.tmp", b"not looked at");
    lab.write("inbox/half.part", b"not looked at");
    let merged = lab.vendor("merge inbox loose/Z.cfbundle --answers out").done();
    assert_eq!(number(&merged, "merged"), 3);
    for answer in ["out/a/X.cfgrant", "out/Y.cfgrant", "out/Z.cfgrant"] {
        lab.vendor(&format!("verify {answer}")).done();
    }
    assert_eq!(fs::read_dir(lab.path("out")).expect("answers").count(), 3);
}

#[test]
fn answers_that_would_share_a_name_are_refused_before_anything_is_done() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    lab.write("a/X.cfbundle", HandMade::new(1, &license).bundle());
    lab.write("b/X.cfbundle", HandMade::new(2, &license).bundle());
    lab.write("c/X.cfbundle", HandMade::new(3, &license).bundle());
    lab.write("c/X.txt", HandMade::new(4, &license).bundle());
    let before = evidence(&lab, "counterfoil-home");
    for paths in ["a b", "a/X.cfbundle b/X.cfbundle", "c", "a a/X.cfbundle"] {
        lab.vendor(&format!("merge {paths} --answers out")).refused(2, "answers_collide");
        assert!(!lab.path("out").exists());
        assert_eq!(evidence(&lab, "counterfoil-home"), before);
    }
    assert_eq!(number(&lab.vendor("merge a b c").done(), "merged"), 4, "without answers nothing collides");
}

#[test]
fn one_bundle_may_hold_many_chains() {
    let lab = Lab::with_policy(STANDARD);
    let (first, second) = (lab.issue(), lab.issue());
    let runs = [(1, &first), (2, &second), (3, &first)];
    let runs = runs.map(|(seed, license)| HandMade::new(seed, license).consume(4).run(1, 3)).to_vec();
    let bad = HandMade::new(4, &second).with_bad_proof().run(1, 2);
    lab.write("site.cfbundle", bundle([runs, vec![bad]].concat()));
    let merged = lab.vendor("merge site.cfbundle --answers out").exits(6).json();
    assert_eq!((number(&merged, "merged"), number(&merged, "refused"), number(&merged, "events")), (3, 1, 9));
    let answers = lab.vendor("show out/site.cfgrant").done();
    assert_eq!(
        answers["answers"].as_array().map(Vec::len),
        Some(4),
        "one answer for each chain: {answers:#}"
    );
}

#[test]
fn runs_of_one_chain_may_overlap_and_stand_in_any_order_in_one_bundle() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let device = device(1, &license);
    lab.copy("counterfoil-home", "second");
    lab.write("whole.cfbundle", device.bundle());
    lab.write(
        "pieces.cfbundle",
        bundle([(7, 8), (3, 5), (1, 3), (4, 8), (2, 2)].map(|(a, b)| device.run(a, b)).to_vec()),
    );
    lab.vendor("merge whole.cfbundle").done();
    let merged = lab.vendor(&format!("{SECOND} merge pieces.cfbundle")).done();
    assert_eq!((number(&merged, "merged"), number(&merged, "events")), (1, 8));
    assert_eq!(evidence(&lab, "second"), evidence(&lab, "counterfoil-home"));
}

/// A state directory that was copied, or set back to an older state, goes on beside the original: the vendor sees the
/// fork, and the copy cannot apply an answer to a history that is not its own.
#[test]
fn a_copied_device_is_seen_as_a_fork_and_is_told_so() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    lab.activate("dev1", &license);
    lab.copy("dev1", "copy");
    lab.device("dev1", "consume render 5").done();
    lab.device("copy", "consume render 7").done();
    lab.report("dev1", "original.cfbundle");
    lab.report("copy", "copied.cfbundle");
    lab.vendor("merge original.cfbundle --answers out").done();
    let merged = lab.vendor("merge copied.cfbundle --answers out").done();
    assert_eq!((number(&merged, "forked"), number(&merged, "events")), (1, 2));
    lab.device("copy", "apply out/original.cfgrant").refused(5, "ack_unknown");
    lab.device("dev1", "apply out/original.cfgrant").done();
    let usage = lab.vendor("audit usage").done();
    assert_eq!(number(&usage["rows"][0], "n"), 12);
    sound(&lab, "counterfoil-home");
}

#[test]
fn a_device_that_was_set_back_is_told_that_the_vendor_knows_more() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let chain = lab.activate("dev1", &license);
    lab.copy("dev1", "older");
    lab.device("dev1", "consume render 5").done();
    lab.sync("dev1");
    lab.vendor(&format!("refresh {chain} -o refresh.cfgrant")).done();
    // Its report holds nothing that is new and contradicts nothing.
    lab.report("older", "older.cfbundle");
    assert_eq!(number(&lab.vendor("merge older.cfbundle").done(), "known"), 1);
    lab.device("older", "apply refresh.cfgrant").refused(5, "ack_unknown");
    lab.device("older", "consume render 1").refused(4, "forked");
}

/// A backlog that is read in pieces: a device's own bundle with more than 16 MiB of another chain's runs in it.
#[test]
fn a_large_bundle_goes_in_piece_by_piece_and_once() {
    let lab = Lab::with_policy(STANDARD);
    let license = lab.issue();
    let chain = lab.activate("dev1", &license);
    lab.device("dev1", "consume render 5").done();
    lab.device("dev1", "set site 'plant 7'").done();
    lab.report("dev1", "small.cfbundle");
    let other = (0..30).fold(HandMade::new(7, &license), |device, _| device.consume(1));
    lab.write(
        "other.cfbundle",
        bundle(vec![other.run(1, 10), other.run(11, 20), other.run(21, other.len())]),
    );
    let (small, pieces) = (lab.read("small.cfbundle"), frames(&lab.read("other.cfbundle")));
    let mut parts = vec![pieces[0].clone()];
    parts.extend(vec![pieces[1].clone(); 20_000]);
    parts.extend(frames(&small));
    parts.insert(10_000, pieces[2].clone());
    let whole = file_of(&small, &parts);
    assert!(whole.len() > 16 << 20, "{}", whole.len());
    lab.write("whole.cfbundle", &whole);

    let mut broken = parts.clone();
    broken.last_mut().expect("a last part").tag = 99;
    lab.write("broken.cfbundle", file_of(&small, &broken));
    let before = evidence(&lab, "counterfoil-home");
    let merged = lab.vendor("merge broken.cfbundle").exits(6).json();
    assert_eq!((number(&merged, "refused"), number(&merged, "events")), (1, 0));
    assert_eq!(evidence(&lab, "counterfoil-home"), before, "what breaks anywhere changes nothing");

    let merged = lab.vendor("merge whole.cfbundle --answers out").done();
    assert_eq!((number(&merged, "files"), number(&merged, "merged")), (1, 2), "{merged:#}");
    let answers = lab.vendor("show out/whole.cfgrant").done().to_string();
    assert!(answers.contains(&chain) && answers.contains(&other.chain().to_string()));
    let shown = lab.vendor(&format!("activation show {chain}")).done();
    assert!(shown["variables"].to_string().contains("plant 7"), "{shown:#}");
    let again = lab.vendor("merge whole.cfbundle small.cfbundle").done();
    assert_eq!((number(&again, "known"), number(&again, "events")), (3, 0));
    sound(&lab, "counterfoil-home");
}

#[test]
fn what_waits_and_what_it_waits_for_may_lie_in_one_folder() {
    let lab = Lab::with_policy(STANDARD);
    // One thread reads the files in the order of their names.
    lab.write("counterfoil-home/config.toml", "jobs = 1\n");
    let license = lab.issue();
    let device = device(1, &license);
    lab.write("first.cfbundle", device.bundle_of(1, 3));
    lab.vendor("merge first.cfbundle").done();
    for (name, first, last) in [("a", 5, 6), ("b", 4, 4), ("c", 8, 8)] {
        lab.write(format!("inbox/{name}.cfbundle"), device.bundle_of(first, last));
    }
    let merged = lab.vendor("merge inbox --answers out").done();
    assert_eq!(
        (number(&merged, "parked"), number(&merged, "merged")),
        (2, 1),
        "c waits, and so does a's chain"
    );
    lab.write("inbox/d.cfbundle", device.bundle_of(7, 7));
    let merged = lab.vendor("merge inbox --answers out").done();
    assert_eq!(merged["findings"], Value::Array(Vec::new()), "{merged:#}");
    assert_eq!((number(&merged, "parked"), number(&merged, "events")), (0, 2), "{merged:#}");

    let other = self::device(2, &license);
    lab.write("other/first.cfbundle", other.bundle_of(1, 3));
    lab.vendor("merge other").done();
    lab.write("both/a.cfbundle", other.bundle_of(5, 8));
    lab.write("both/b.cfbundle", other.bundle_of(4, 4));
    let merged = lab.vendor("merge both --answers out").done();
    assert_eq!(merged["findings"], Value::Array(Vec::new()), "{merged:#}");
    assert_eq!((number(&merged, "parked"), number(&merged, "merged")), (0, 2), "{merged:#}");
    assert_eq!(lab.read("out/a.cfgrant"), lab.read("out/b.cfgrant"), "both are told of all");
}
