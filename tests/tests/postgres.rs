//! The ledger on PostgreSQL, through the real programs: all that works on a file works there, with the same evidence,
//! beside others, and whatever dies in the midst of it.
//!
//! `KILLS=200` kills the importers that often; otherwise it is 20 times.

use std::collections::BTreeSet;
use std::env;
use std::process::Child;
use std::thread;

use counterfoil_tests::lab::{number, text};
use counterfoil_tests::postgres::{SEALED, Server, database};
use counterfoil_tests::{Chance, HandMade, Lab, License, Ran};
use serde_json::Value;

const STANDARD: &str =
    "--valid 365d --max-activations 4 --quota render=4000/month --share render=1000 --sync-every 30d";
const COUNTED: &str = "--max-activations 1000 --mode render=counted --sync-every 30d";
/// A home that keeps the same licences in a file.
const IN_A_FILE: &str = "in-a-file";

/// Every row follows from the runs, and every signature holds.
#[track_caller]
fn sound(lab: &Lab, home: &str) {
    lab.vendor(&format!("--home {home} rebuild --check")).done();
    lab.vendor(&format!("--home {home} audit verify --deep")).done();
}

/// Makes the home `name` with the same keys, and copies the ledger into a file there.
#[track_caller]
fn copy_into_a_file(lab: &Lab, name: &str) -> Value {
    lab.copy("counterfoil-home", name);
    let file = lab.path(format!("{name}/copy.db"));
    lab.vendor(&format!("--home {name} store copy --to sqlite:{} --switch", file.display())).done()
}

/// Usage as an analyst gets it.
#[track_caller]
fn usage(lab: &Lab, home: &str) -> String {
    lab.vendor(&format!("--home {home} export usage --format csv -o -")).exits(0).stdout().to_owned()
}

/// So many licences.
#[track_caller]
fn licenses(lab: &Lab, count: usize) -> Vec<License> {
    (0..count).map(|_| lab.issue()).collect()
}

/// Writes two bundles of three and two events for each of the devices, the later one so that it is read first. Returns
/// how many events they hold.
fn write_bundles(lab: &Lab, folder: &str, licenses: &[License], devices: std::ops::Range<u64>) -> u64 {
    let mut events = 0;
    for (seed, license) in devices.zip(licenses.iter().cycle()) {
        let device = HandMade::new(seed, license).consume(1).consume(2).consume(3);
        lab.write(format!("{folder}/{seed}-b.cfbundle"), device.bundle_of(1, 3));
        lab.write(format!("{folder}/{seed}-a.cfbundle"), device.bundle_of(4, 5));
        events += device.len() as u64;
    }
    events
}

#[test]
fn the_whole_path_of_files_works() {
    let lab = Lab::with_store(&database(), STANDARD);
    let license = lab.issue();
    let chain = lab.activate("dev1", &license);
    lab.device("dev1", "consume render 100").done();
    lab.device("dev1", "set seats 12").done();
    lab.sync("dev1");
    lab.device("dev1", "consume render 20").done();
    lab.report("dev1", "late.cfbundle");
    assert_eq!(number(&lab.vendor("merge late.cfbundle --answers first").done(), "merged"), 1);
    let digest = lab.digest("counterfoil-home");
    let again = lab.vendor("merge late.cfbundle --answers second").done();
    assert_eq!((number(&again, "known"), number(&again, "events")), (1, 0));
    assert_eq!(lab.read("first/late.cfgrant"), lab.read("second/late.cfgrant"));
    assert_eq!(number(&lab.vendor("audit usage").done()["rows"][0], "n"), 120);
    assert_eq!(lab.vendor("activation list").done()["activations"][0]["chain"], chain.as_str());
    sound(&lab, "counterfoil-home");
    lab.vendor("rebuild").done();
    sound(&lab, "counterfoil-home");
    assert_eq!(lab.digest("counterfoil-home"), digest);
    lab.device("dev1", "deactivate --file closing.cfbundle").done();
    lab.vendor("merge closing.cfbundle").done();
    assert_eq!(lab.vendor("activation list").done()["activations"][0]["state"], "released");
    sound(&lab, "counterfoil-home");
}

#[test]
fn the_same_evidence_has_the_same_digest_in_a_file() {
    let lab = Lab::with_store(&database(), COUNTED);
    let licenses = licenses(&lab, 3);
    copy_into_a_file(&lab, IN_A_FILE);
    let events = write_bundles(&lab, "inbox", &licenses, 0..12);
    // One that forks, one that lacks its beginning, and one that no licence knows.
    let forked = HandMade::new(0, &licenses[0]).consume(9);
    lab.write("inbox/forked.cfbundle", forked.bundle());
    lab.write("inbox/parked.cfbundle", HandMade::new(50, &licenses[1]).consume(1).consume(1).bundle_of(4, 4));
    lab.write("inbox/forged.cfbundle", HandMade::new(51, &licenses[1]).with_bad_proof().bundle());
    for home in ["counterfoil-home", IN_A_FILE] {
        let merged =
            lab.vendor(&format!("--home {home} merge inbox --answers out-{home}")).exits_any(&[0, 6]);
        assert_eq!(number(&merged.json(), "forked"), 1, "{merged:?}");
        assert!(number(&merged.json(), "events") > events, "{merged:?}");
        sound(&lab, home);
    }
    assert_eq!(lab.digest("counterfoil-home"), lab.digest(IN_A_FILE));
    assert_eq!(usage(&lab, "counterfoil-home"), usage(&lab, IN_A_FILE));

    // And back, into another database.
    let back = database();
    let copied = lab.vendor(&format!("--home {IN_A_FILE} store copy --to {back} --switch")).done();
    assert_eq!(copied["switched"], true);
    assert_eq!(text(&copied, "digest"), lab.digest("counterfoil-home"));
    sound(&lab, IN_A_FILE);
    assert_eq!(lab.digest("counterfoil-home"), lab.digest(IN_A_FILE));
    assert_eq!(usage(&lab, "counterfoil-home"), usage(&lab, IN_A_FILE));
    let quarantine = |home: &str| lab.vendor(&format!("--home {home} quarantine list")).done();
    let codes = |home: &str| {
        let entries = quarantine(home)["entries"].as_array().expect("entries").clone();
        entries.iter().map(|entry| text(entry, "code")).collect::<BTreeSet<_>>()
    };
    assert_eq!(codes("counterfoil-home"), codes(IN_A_FILE));
    // It goes on there: what is new is new, and what is known is known.
    assert_eq!(
        number(&lab.vendor(&format!("--home {IN_A_FILE} merge inbox")).exits_any(&[0, 6]).json(), "events"),
        0
    );
    write_bundles(&lab, "more", &licenses, 100..103);
    assert_eq!(number(&lab.vendor(&format!("--home {IN_A_FILE} merge more")).done(), "events"), 15);
    sound(&lab, IN_A_FILE);
}

#[test]
fn a_backup_is_restored_into_a_file() {
    let lab = Lab::with_store(&database(), STANDARD);
    let license = lab.issue();
    lab.activate("dev1", &license);
    lab.device("dev1", "consume render 100").done();
    lab.sync("dev1");
    lab.vendor("backup -o saved").done();
    lab.device("dev1", "consume render 300").done();
    lab.sync("dev1");
    let restored = lab.vendor("--home restored restore saved").done();
    assert_eq!(number(&restored, "licenses"), 1);
    sound(&lab, "restored");
    for _ in 0..2 {
        lab.report("dev1", "dev1.cfbundle");
        lab.vendor("merge dev1.cfbundle").exits_any(&[0, 6]).json();
        lab.vendor("--home restored merge dev1.cfbundle --answers answers").exits_any(&[0, 6]).json();
        lab.device("dev1", "apply answers/dev1.cfgrant").done();
    }
    assert_eq!(lab.digest("restored"), lab.digest("counterfoil-home"));
    assert_eq!(usage(&lab, "restored"), usage(&lab, "counterfoil-home"));
    sound(&lab, "restored");
}

#[test]
fn two_importers_over_one_folder_take_everything_in_once() {
    let lab = Lab::with_store(&database(), COUNTED);
    let licenses = licenses(&lab, 20);
    copy_into_a_file(&lab, IN_A_FILE);
    let events = write_bundles(&lab, "inbox", &licenses, 0..100);
    let both = ["one", "two"].map(|answers| lab.start_vendor(&format!("merge inbox --answers {answers}")));
    let taken: u64 = both.into_iter().map(|child| number(&Lab::wait(child).done(), "events")).sum();
    assert_eq!(taken, events, "each event was new to one of them");
    lab.vendor(&format!("--home {IN_A_FILE} merge inbox")).done();
    assert_eq!(lab.digest("counterfoil-home"), lab.digest(IN_A_FILE));
    assert_eq!(usage(&lab, "counterfoil-home"), usage(&lab, IN_A_FILE));
    sound(&lab, "counterfoil-home");
    // Nothing is left parked, in quarantine or unanswered.
    let again = lab.vendor("merge inbox --answers again").done();
    assert_eq!((number(&again, "known"), number(&again, "events")), (200, 0));
    assert_eq!(lab.vendor("quarantine list").done()["entries"].as_array().map(Vec::len), Some(0));
}

/// How often importers are killed.
fn kills() -> usize {
    env::var("KILLS").map_or(20, |kills| kills.parse().expect("KILLS is a number"))
}

/// Looks at a child until it ends, at most `looks` times. How often it was looked at, and whether it ended.
fn watch(child: &mut Child, looks: usize) -> (usize, bool) {
    for look in 0..looks {
        if child.try_wait().expect("it was started").is_some() {
            return (look, true);
        }
        thread::yield_now();
    }
    (looks, false)
}

/// Imports rounds of new bundles, each disturbed at a random moment by `disturb`, until that was done `times` times; then
/// finishes, and holds the ledger against one that was never disturbed.
#[track_caller]
fn disturbed(lab: &Lab, times: usize, mut disturb: impl FnMut(Child)) {
    let mut chance = Chance::new();
    let licenses = licenses(lab, 4);
    copy_into_a_file(lab, IN_A_FILE);
    write_bundles(lab, "inbox/0", &licenses, 0..12);
    let mut whole = lab.start_vendor("merge inbox/0 --answers out/0");
    let (mut looks, _) = watch(&mut whole, usize::MAX);
    assert!(Lab::wait(whole).exit() == Some(0), "the undisturbed one is done");
    let mut disturbances = 0;
    let mut round = 0;
    while disturbances < times {
        round += 1;
        assert!(round <= 20 + 10 * times, "the importer always ends before it is disturbed");
        let devices = round as u64 * 12..round as u64 * 12 + 12;
        write_bundles(lab, &format!("inbox/{round}"), &licenses, devices);
        let mut child = lab.start_vendor(&format!("merge inbox/{round} --answers out/{round}"));
        let (looked, ended) = watch(&mut child, 1 + chance.below(looks));
        if ended {
            looks = looked.max(1);
            Lab::wait(child).done();
        } else {
            disturb(child);
            disturbances += 1;
        }
        lab.vendor("rebuild --check").done();
    }
    lab.vendor("merge inbox --answers out").done();
    lab.vendor(&format!("--home {IN_A_FILE} merge inbox")).done();
    assert_eq!(lab.digest("counterfoil-home"), lab.digest(IN_A_FILE));
    assert_eq!(usage(lab, "counterfoil-home"), usage(lab, IN_A_FILE));
    let quarantine = lab.vendor("quarantine list").done();
    assert_eq!(quarantine["entries"].as_array().map(Vec::len), Some(0), "{quarantine:#}");
    sound(lab, "counterfoil-home");
}

fn kill(mut child: Child) {
    child.kill().expect("it is ours");
    child.wait().expect("it was started");
}

/// An import whose server died has either taken everything in, or says that it could not or does not know.
#[track_caller]
fn came_through_or_told_why(ran: &Ran) {
    if ran.exit() != Some(0) {
        assert_eq!(ran.exit(), Some(7), "{ran:?}");
        let refusal = ran.lines().pop().expect("a refusal");
        let code = text(&refusal, "code");
        assert!(["store_unreachable", "outcome_unknown"].contains(&code.as_str()), "{ran:?}");
    }
}

#[test]
fn killed_importers_leave_nothing_half_done() {
    disturbed(&Lab::with_store(&database(), COUNTED), kills(), kill);
}

#[test]
fn killed_importers_leave_nothing_half_done_in_a_file() {
    disturbed(&Lab::with_policy(COUNTED), kills(), kill);
}

#[test]
fn a_server_that_dies_in_mid_import_leaves_nothing_half_done() {
    let server = Server::start(&[]);
    let lab = Lab::with_store(&server.database(), COUNTED);
    disturbed(&lab, 4, |child| {
        server.kill();
        server.start_again(&[]);
        came_through_or_told_why(&Lab::wait(child));
    });
}

#[test]
fn a_server_that_stays_away_is_told_and_nothing_is_lost() {
    let server = Server::start(&[]);
    let lab = Lab::with_store(&server.database(), COUNTED);
    disturbed(&lab, 2, |child| {
        server.kill();
        came_through_or_told_why(&Lab::wait(child));
        lab.vendor("digest").refused(7, "store_unreachable");
        server.start_again(&[]);
    });
}

#[test]
fn a_server_that_may_lose_what_it_acknowledged_is_refused() {
    let server = Server::start(&["fsync=off"]);
    let url = server.database();
    let lab = Lab::empty();
    lab.vendor(&format!("init --store {url}")).refused(4, "store_unsafe");
    assert!(!lab.home().exists());
    for setting in ["full_page_writes=off", "fsync=off"] {
        server.kill();
        server.start_again(&[]);
        if !lab.home().exists() {
            lab.vendor(&format!("init --store {url}")).done();
        }
        lab.vendor("digest").done();
        server.kill();
        server.start_again(&[setting]);
        for line in ["digest", "license list", "rebuild"] {
            lab.vendor(line).refused(4, "store_unsafe");
        }
    }
}

#[test]
fn a_database_with_a_ledger_is_not_taken_for_another() {
    let url = database();
    let lab = Lab::with_store(&url, STANDARD);
    lab.issue();
    let digest = lab.digest("counterfoil-home");
    lab.vendor(&format!("--home other init --store {url}")).refused(4, "store_occupied");
    assert!(!lab.path("other").exists());
    lab.vendor("--home third init").done();
    lab.vendor(&format!("--home third store copy --to {url}")).refused(4, "store_occupied");
    lab.vendor(&format!("store copy --to {url}")).refused(4, "store_occupied");
    assert_eq!(lab.digest("counterfoil-home"), digest);
    sound(&lab, "counterfoil-home");
}

#[test]
fn no_server_is_told_as_such() {
    let lab = Lab::empty();
    let nowhere = lab.path("nowhere").display().to_string().replace('/', "%2F");
    lab.vendor(&format!("init --store postgres://vendor@{nowhere}/ledger")).refused(7, "store_unreachable");
    assert!(!lab.home().exists());
    lab.vendor("init").done();
    let copy = format!("store copy --to postgres://vendor@{nowhere}/ledger");
    lab.vendor(&copy).refused(7, "store_unreachable");
}

#[test]
fn a_password_is_shown_nowhere() {
    let server = Server::start(&[]);
    let database = server.database();
    let database = database.rsplit('/').next().expect("a name");
    let (user, password) = SEALED;
    let url = server.url(&format!("{user}:{password}"), database);
    let lab = Lab::with_store(&url, STANDARD);
    lab.issue();
    let other = server.database();
    let other = server.url(&format!("{user}:{password}"), other.rsplit('/').next().expect("a name"));
    let mut ran = vec![
        lab.vendor("config show"),
        lab.vendor("doctor"),
        lab.vendor(&format!("store copy --to {other}")),
        lab.vendor(&format!("store copy --to {other}")),
        lab.vendor(&format!("--home again init --store {url}")),
        lab.vendor(&format!("init --store {url}")),
    ];
    // One that is wrong is not repeated either.
    let wrong = server.url(&format!("{user}:{password}-but-wrong"), database);
    ran.push(lab.vendor(&format!("--home wrong init --store {wrong}")).exits(1));
    server.kill();
    ran.push(lab.vendor("digest"));
    for ran in ran {
        assert!(!ran.stdout().contains(password) && !ran.stderr().contains(password), "{ran:?}");
    }
}
