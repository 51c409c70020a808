//! A command that works on a ledger on PostgreSQL, and each of its statements that fails, in whatever way.
//!
//! `FAULTS=all` lets every statement fail in every way, which takes a while; otherwise each statement fails where it stands
//! first, in the middle and last, each time in another way, and the first and the last commit in every way.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::sync::Mutex;
use std::thread;

use crate::lab::{Lab, text};
use crate::postgres::Server;
use crate::proxy::{Fault, Kind, Point, Proxy, RAISES};
use crate::ran::Ran;

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
/// The codes of what was not done because the ledger could not be reached or others were before.
const TOLD: [&str; 2] = ["store_unreachable", "busy"];
/// Homes in which commands fail at the same time: most of that time is spent waiting for a disk.
const OFFICES: usize = 4;

/// What goes wrong one after the other.
pub type Plan = Vec<(Point, Fault)>;

/// A ledger on a server of its own, before the command that fails.
#[derive(Debug)]
pub struct Original {
    /// The folder with the home.
    pub lab: Lab,
    /// The server.
    pub server: Server,
    /// The URL of the ledger.
    url: String,
}

/// A copy of the home, and what lies between it and the server.
#[derive(Debug)]
pub struct Office<'a> {
    original: &'a Original,
    /// The name of the home.
    pub home: String,
    /// What lies between.
    pub proxy: Proxy,
    /// What went by of the command that was disturbed last.
    points: Mutex<Vec<Point>>,
}

impl Original {
    /// A home with a product and a policy.
    pub fn with_policy(options: &str) -> Self {
        let server = Server::start(&[]);
        let url = server.database();
        server.run(&url, RAISES);
        let lab = Lab::with_store(&url, options);
        // One thread makes the same statements every time.
        lab.write("counterfoil-home/config.toml", "jobs = 1\n");
        Self { lab, server, url }
    }

    fn office(&self, number: usize) -> Office<'_> {
        let home = format!("home-{number}");
        self.lab.copy("counterfoil-home", &home);
        Office { original: self, home, proxy: Proxy::before(&self.server), points: Mutex::default() }
    }

    /// Lets what `act` does go wrong in each way: a command that commits at least so many transactions which write. It is
    /// called without a fault first, and then with each plan beside whether the command may say that it was not done: where
    /// the ledger cannot even be opened.
    ///
    /// # Panics
    /// When `act` does, or commits fewer.
    pub fn each_fault(&self, commits: usize, act: impl Fn(&Office<'_>, &Plan, bool) + Sync) {
        let office = self.office(0);
        act(&office, &Plan::new(), false);
        let points = office.points.lock().expect("nothing panics while it is held").clone();
        let opening = points.iter().position(|point| point.sql.starts_with("BEGIN ")).expect("a transaction");
        let opening: BTreeSet<&Point> = points[..opening].iter().collect();
        assert!(writing_commits(&points).len() >= commits, "{points:?}");
        let plans: Vec<Plan> = single_faults(&points).into_iter().chain(lost_twice(&points)).collect();
        println!("{} statements, {} ways to fail", points.len(), plans.len());
        let left = Mutex::new(plans.iter());
        let next = || left.lock().expect("nothing panics while it is held").next();
        thread::scope(|scope| {
            for number in 1..=OFFICES {
                let (office, opening, act) = (self.office(number), &opening, &act);
                scope.spawn(move || {
                    while let Some(plan) = next() {
                        act(&office, plan, plan.iter().any(|(point, _)| opening.contains(point)));
                    }
                });
            }
        });
    }
}

impl Office<'_> {
    /// Runs a command in the home.
    pub fn vendor(&self, line: &str) -> Ran {
        self.original.lab.vendor(&format!("--home {} {line}", self.home))
    }

    /// Gives the home a new copy of the ledger, whose URL is returned.
    pub fn anew(&self) -> String {
        let url = self.original.server.copy_of(&self.original.url);
        let path = format!("{}/home.toml", self.home);
        let settings = String::from_utf8(self.original.lab.read(&path)).expect("text");
        let lines = settings.lines().map(|line| match line.strip_prefix("store = ") {
            Some(_) => format!("store = \"{}\"\n", self.proxy.through(&url)),
            None => format!("{line}\n"),
        });
        self.original.lab.write(&path, lines.collect::<String>());
        url
    }

    /// Runs a command while the parts of `plan` go wrong.
    #[track_caller]
    pub fn disturbed(&self, line: &str, plan: &Plan) -> Ran {
        self.disturbed_in(&self.home, line, plan)
    }

    /// The same in another home.
    ///
    /// # Panics
    /// When a part of the plan did not come about.
    #[track_caller]
    pub fn disturbed_in(&self, home: &str, line: &str, plan: &Plan) -> Ran {
        self.proxy.expect(plan.clone());
        let ran = self.original.lab.vendor(&format!("--home {home} {line}"));
        assert_eq!(self.proxy.still_planned(), [], "{plan:?}: {ran:?}");
        *self.points.lock().expect("nothing panics while it is held") = self.proxy.points();
        ran
    }
}

/// Whether a command was done, which is to end with `exit`. If not it must have said why, and that only where it `may`.
#[track_caller]
pub fn done_or_told(ran: &Ran, exit: i32, plan: &Plan, may: bool) -> bool {
    if ran.exit() == Some(exit) {
        return true;
    }
    let code = text(&ran.lines().pop().unwrap_or_default(), "code");
    assert!(may && TOLD.contains(&code.as_str()), "{plan:?}: {ran:?}");
    false
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
