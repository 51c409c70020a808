//! Whatever statement of a merge fails on PostgreSQL, and however it fails: the ledger ends as if nothing had happened,
//! or the merge says that it was not done, and the same files merged again end there. Nothing is taken in twice.
//!
//! `FAULTS=all` lets every statement fail in every way, which takes a while; otherwise each statement fails where it stands
//! first, in the middle and last, each time in another way, and the first and the last commit in every way.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::sync::Mutex;
use std::thread;

use counterfoil_tests::lab::{number, text};
use counterfoil_tests::postgres::Server;
use counterfoil_tests::proxy::{Fault, Kind, Point, Proxy, RAISES};
use counterfoil_tests::{Cell, HandMade, Lab, License, Ran, Tables};
use serde_json::Value;

const COUNTED: &str = "--max-activations 1000 --mode render=counted --sync-every 30d";
/// A server refuses a statement and goes on, or shuts down, or ends a session that was idle, or is gone.
const FAULTS: [Fault; 6] = [
    Fault::Refused("40001"),
    Fault::Refused("40P01"),
    Fault::Refused("08006"),
    Fault::Refused("57P01"),
    Fault::Refused("57P05"),
    Fault::CutBefore,
];
/// The same, and a commit that was made although the answer says otherwise or never comes.
const FAULTS_OF_COMMITS: [Fault; 8] = [
    Fault::Refused("40001"),
    Fault::Refused("40P01"),
    Fault::Refused("08006"),
    Fault::Refused("57P01"),
    Fault::CutBefore,
    Fault::CutAfter,
    Fault::DoneAndRefused("08006"),
    Fault::DoneAndRefused("57P01"),
];
/// How a server is asked whether a transaction was committed.
const ASKS: [&str; 2] = [
    "INSERT INTO commits (token, committed) VALUES ($1, 0) ON CONFLICT (token) DO NOTHING",
    "SELECT committed FROM commits WHERE token = $1",
];
/// The codes of merges that were not done.
const TOLD: [&str; 2] = ["store_unreachable", "busy"];
/// Homes in which merges fail at the same time: most of that time is spent waiting for a disk.
const OFFICES: usize = 4;

/// A ledger before a merge that has everything to do.
struct World {
    lab: Lab,
    server: Server,
    /// The URL of the ledger before the merge.
    before: String,
}

/// A home, and what lies between it and the server.
struct Office<'a> {
    world: &'a World,
    home: String,
    proxy: Proxy,
}

/// How a ledger stands: its digest, and what is in quarantine.
type Standing = (String, Vec<Vec<Cell>>);
/// What goes wrong one after the other.
type Plan = Vec<(Point, Fault)>;

impl World {
    fn new() -> Self {
        let server = Server::start(&[]);
        let before = server.database();
        server.run(&before, RAISES);
        let lab = Lab::with_store(&before, COUNTED);
        // One thread makes the same statements every time.
        lab.write("counterfoil-home/config.toml", "jobs = 1\n");
        let licenses: Vec<License> = (0..3).map(|_| lab.issue()).collect();
        write_inbox(&lab, &licenses);
        lab.vendor("merge earlier").done();
        Self { lab, server, before }
    }

    fn office(&self, number: usize) -> Office<'_> {
        let home = format!("home-{number}");
        self.lab.copy("counterfoil-home", &home);
        Office { world: self, home, proxy: Proxy::before(&self.server) }
    }
}

impl Office<'_> {
    fn vendor(&self, line: &str) -> Ran {
        self.world.lab.vendor(&format!("--home {} {line}", self.home))
    }

    fn merge(&self) -> Ran {
        self.vendor(&format!("merge inbox --answers out-{}", self.home))
    }

    /// Merges into a new copy of the ledger, whose URL is returned, while the parts of `plan` go wrong.
    fn merge_anew(&self, plan: &Plan) -> (String, Ran) {
        let url = self.world.server.copy_of(&self.world.before);
        let path = format!("{}/home.toml", self.home);
        let settings = String::from_utf8(self.world.lab.read(&path)).expect("text");
        let lines = settings.lines().map(|line| match line.strip_prefix("store = ") {
            Some(_) => format!("store = \"{}\"\n", self.proxy.through(&url)),
            None => format!("{line}\n"),
        });
        self.world.lab.write(&path, lines.collect::<String>());
        self.proxy.expect(plan.clone());
        (url, self.merge())
    }

    /// How the ledger stands that was merged into last. Each of its rows follows from the runs: no use is counted twice.
    fn standing(&self) -> Standing {
        self.vendor("rebuild --check").done();
        let quarantine =
            "SELECT code, source, chain, digest, first_seq, last_seq FROM quarantine ORDER BY code, digest";
        let quarantine = Tables::of(&self.world.lab.path(&self.home)).rows(quarantine, &[]);
        (self.world.lab.digest(&self.home), quarantine)
    }

    /// Lets a merge go wrong as planned, and holds what came of it against a merge that did not.
    fn try_out(&self, plan: &Plan, may_be_told: bool, merged: &Value, expected: &Standing) {
        let (url, ran) = self.merge_anew(plan);
        assert_eq!(self.proxy.still_planned(), [], "{plan:?}: {ran:?}");
        let was_done = ran.exit() == Some(6);
        if was_done {
            assert_eq!(number(&ran.json(), "events"), number(merged, "events"), "{plan:?}: {ran:?}");
        } else {
            let code = text(&ran.lines().pop().unwrap_or_default(), "code");
            assert!(may_be_told && TOLD.contains(&code.as_str()), "{plan:?}: {ran:?}");
        }
        let again = number(&self.merge().exits(6).json(), "events");
        let new = if was_done { 0 } else { number(merged, "events") };
        assert_eq!(again, new, "{plan:?}: {ran:?}");
        assert_eq!(self.standing(), *expected, "{plan:?}: {ran:?}");
        self.world.server.drop_database(&url);
    }
}

/// Devices that are new and known, one that forks, one that lacks its beginning, one that waits for an event, and one that
/// no licence knows; with what was merged of them before.
fn write_inbox(lab: &Lab, licenses: &[License]) {
    for (seed, license) in (0..4).zip(licenses.iter().cycle()) {
        let device = HandMade::new(seed, license).consume(1).consume(2);
        lab.write(format!("inbox/{seed}.cfbundle"), device.bundle());
        if seed < 2 {
            lab.write(format!("earlier/{seed}.cfbundle"), device.bundle_of(1, 3));
        }
    }
    lab.write("inbox/forked.cfbundle", HandMade::new(0, &licenses[0]).consume(9).bundle());
    lab.write(
        "inbox/parked.cfbundle",
        HandMade::new(1, &licenses[1]).consume(1).consume(2).consume(3).consume(4).bundle_of(6, 6),
    );
    lab.write(
        "inbox/headless.cfbundle",
        HandMade::new(50, &licenses[1]).consume(1).consume(1).bundle_of(4, 4),
    );
    lab.write("inbox/forged.cfbundle", HandMade::new(51, &licenses[2]).with_bad_proof().bundle());
}

fn is_every_one_tried() -> bool {
    env::var("FAULTS").is_ok_and(|faults| faults == "all")
}

/// The commits of transactions that write, in the order in which they are made.
fn writing_commits(points: &[Point]) -> Vec<&Point> {
    let mut writes = false;
    let mut commits = Vec::new();
    for point in points {
        match point.sql.as_str() {
            "COMMIT" if writes => commits.push(point),
            sql if sql.starts_with("BEGIN ") => writes = !sql.ends_with("READ ONLY"),
            _ => {}
        }
    }
    commits
}

/// Each statement with the faults of it that are tried.
fn single_faults(points: &[Point]) -> Vec<Plan> {
    let every = is_every_one_tried();
    let writing = writing_commits(points);
    // Statements by number, and how often each was heard of.
    let mut heard: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for point in points.iter().filter(|point| point.kind != Kind::Parse) {
        last.insert(&point.sql, point.number);
    }
    let mut turn = 0;
    let mut plans = Vec::new();
    for point in points {
        let number = heard.len();
        let (number, times) = heard.entry(&point.sql).or_insert((number, 0));
        *times += 1;
        if writing.contains(&point) && (every || [writing.first(), writing.last()].contains(&Some(&point))) {
            plans.extend(FAULTS_OF_COMMITS.map(|fault| vec![(point.clone(), fault)]));
        } else if every {
            plans.extend(FAULTS.map(|fault| vec![(point.clone(), fault)]));
        } else {
            // Where a statement is prepared and where it is carried out for the first time take turns.
            let last = last.get(point.sql.as_str()).copied().unwrap_or_default();
            let is_first = *times == 1 + *number % 2 || (*times == 1 && point.kind == Kind::Query);
            if is_first || (point.number > 0 && [last / 2, last].contains(&point.number)) {
                plans.push(vec![(point.clone(), FAULTS[turn % FAULTS.len()])]);
                turn += 1;
            }
        }
    }
    plans
}

/// The server is lost at a commit, and again while it is asked what became of it.
fn lost_twice(points: &[Point]) -> Vec<Plan> {
    let mut commits = writing_commits(points);
    if !is_every_one_tried() {
        commits.truncate(1);
    }
    let mut plans = Vec::new();
    let mut turn = 0;
    for (commit, first) in
        commits.into_iter().flat_map(|commit| [(commit, Fault::CutBefore), (commit, Fault::CutAfter)])
    {
        for (sql, kind) in ASKS.into_iter().flat_map(|sql| [(sql, Kind::Parse), (sql, Kind::Execute)]) {
            let asked = Point { kind, sql: sql.to_owned(), number: 0 };
            for second in FAULTS.into_iter().chain([Fault::CutAfter]) {
                // An answer that is lost is what the question itself may have changed.
                let is_tried = second == Fault::CutAfter || turn % FAULTS.len() == 0;
                if is_every_one_tried() || is_tried {
                    plans.push(vec![(commit.clone(), first), (asked.clone(), second)]);
                }
                turn += 1;
            }
        }
    }
    plans
}

#[test]
fn whatever_statement_fails_the_ledger_ends_as_if_nothing_had_happened() {
    let world = World::new();
    let office = world.office(0);
    let (_, undisturbed) = office.merge_anew(&Plan::new());
    let points = office.proxy.points();
    let merged = undisturbed.exits(6).json();
    let expected = office.standing();
    // Whoever cannot open the ledger does nothing and says so. All that follows is done again.
    let opening = points.iter().position(|point| point.sql.starts_with("BEGIN ")).expect("a transaction");
    let opening: BTreeSet<&Point> = points[..opening].iter().collect();
    assert!(writing_commits(&points).len() >= 2, "it merges, and puts into quarantine");
    let plans: Vec<Plan> = single_faults(&points).into_iter().chain(lost_twice(&points)).collect();
    println!("{} statements, {} ways to fail", points.len(), plans.len());
    let left = Mutex::new(plans.iter());
    let next = || left.lock().expect("nothing panics while it is held").next();
    thread::scope(|scope| {
        for number in 1..=OFFICES {
            let (office, opening, merged, expected) = (world.office(number), &opening, &merged, &expected);
            scope.spawn(move || {
                while let Some(plan) = next() {
                    let may_be_told = plan.iter().any(|(point, _)| opening.contains(point));
                    office.try_out(plan, may_be_told, merged, expected);
                }
            });
        }
    });
}
