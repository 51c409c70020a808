//! One world: its devices, its vendor, what is on the way between them, and what comes next.

mod backup;
mod devices;
mod ending;
mod lineage;
mod mail;
mod mishaps;
mod observing;
mod operators;
mod receiving;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ledger::device::Consume;
use schemas::grant::Grant;
use schemas::ids::ChainId;

use self::backup::Backup;
use self::lineage::{Archived, Image, Successor};
use super::Report;
use super::agenda::{Agenda, DAY, HOUR};
use super::machine::{Disk, Process, Wall};
use super::model::{self, Copy, Hardware};
use super::office::{File, Keys};
use super::situations::Tally;
use super::terms;
use crate::Chance;

/// How large a world is.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Its licences.
    pub licenses: usize,
    /// Machines of each of them.
    pub machines: usize,
    /// Its length in days.
    pub days: u64,
}

impl Plan {
    /// Years of all its machines together.
    pub fn device_years(self) -> u64 {
        (self.licenses * self.machines) as u64 * self.days / 365
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self { licenses: 50, machines: 4, days: 365 }
    }
}

/// 2027-01-01T00:00:00Z.
const BEGIN: u64 = 1_798_761_600_000_000;

/// What may be next.
#[derive(Debug)]
enum Next {
    Install(usize),
    Use(usize),
    UseOnce(usize),
    Contact(usize),
    ReportOnce(usize),
    Restart(usize),
    Mishap(usize),
    SetClock(usize),
    PutBack(usize),
    FallSilent(usize),
    Succeed(usize),
    Operator(usize),
    BackUpLedger,
    RestoreLedger,
    Report(Letter),
    Answer(usize, Answers, bool),
}

/// A report on its way to the vendor: runs of one chain, of a chain and those that it follows, or of many devices.
#[derive(Clone, Debug)]
struct Letter {
    number: u64,
    sent: u64,
    parts: Vec<Part>,
}

impl Letter {
    /// Whether runs of a chain are in it.
    fn holds(&self, chain: usize) -> bool {
        self.parts.iter().any(|part| part.chain == chain)
    }
}

/// A run in a report.
#[derive(Clone, Debug)]
struct Part {
    from: usize,
    chain: usize,
    bytes: Vec<u8>,
    acts: Vec<u32>,
    /// The last grant that the device applied: a report has room for one.
    enclosed: Option<Rc<Grant>>,
}

/// The grants that answer a report, with their chains.
type Answers = Rc<[(usize, Rc<Grant>)]>;

/// A machine with an installation of the application.
#[derive(Debug)]
struct Machine {
    license: usize,
    disk: Disk,
    process: Option<Process>,
    copy: Copy,
    /// The chains before the present one, the oldest first.
    archive: Vec<Archived>,
    /// A chain that is to follow the present one.
    next: Option<Successor>,
    wall: Wall,
    hardware: Hardware,
    boots: u64,
    /// A copy of its disk that somebody made.
    backup: Option<Image>,
    is_alive: bool,
    /// A use whose answer the application never saw.
    unanswered: Option<Consume>,
    was_expired: bool,
}

/// A licence and what is true of it.
#[derive(Debug)]
struct Site {
    file: File,
    model: model::License,
    /// Whether it is the product's trial.
    is_trial: bool,
    /// Whether devices of it are copied and put back.
    has_copies: bool,
    /// Whether units of its devices are given up.
    has_write_offs: bool,
    denied: BTreeSet<usize>,
}

/// A world.
pub(super) struct World<'a> {
    number: u64,
    plan: Plan,
    keys: &'a Keys,
    chance: Chance,
    now: u64,
    steps: u64,
    agenda: Agenda<Next>,
    machines: Vec<Option<Machine>>,
    sites: Vec<Site>,
    chains: Vec<model::Chain>,
    ids: Vec<ChainId>,
    by_id: BTreeMap<ChainId, usize>,
    ledger_backup: Option<Backup>,
    latest_letter: BTreeMap<usize, u64>,
    letters: u64,
    /// Reports that somebody gathers and carries together.
    gathered: Vec<Letter>,
    report: Report,
}

impl<'a> World<'a> {
    /// The world of a number among those of a seed.
    pub(super) fn new(seed: u64, number: u64, plan: Plan, keys: &'a Keys) -> Self {
        let mut chance = Chance::from_seed(seed ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let sites = (0..plan.licenses).map(|license| {
            let is_trial = license % 8 == 6;
            let draw = if is_trial { terms::draw_trial } else { terms::draw };
            let terms = draw(&mut chance, BEGIN);
            let model = model::License::new(terms.clone());
            let file = File::issue(keys, license, BEGIN, terms, is_trial);
            Site {
                file,
                model,
                is_trial,
                has_copies: license % 4 == 0,
                has_write_offs: license % 4 == 1,
                denied: BTreeSet::new(),
            }
        });
        let sites = sites.collect();
        let mut world = Self {
            number,
            plan,
            keys,
            chance,
            now: BEGIN,
            steps: 0,
            agenda: Agenda::default(),
            machines: Vec::new(),
            sites,
            chains: Vec::new(),
            ids: Vec::new(),
            by_id: BTreeMap::new(),
            ledger_backup: None,
            latest_letter: BTreeMap::new(),
            letters: 0,
            gathered: Vec::new(),
            report: Report::default(),
        };
        world.people();
        if number % 4 == 3 {
            let first = world.chance.between(30 * DAY, 200 * DAY);
            world.agenda.add(BEGIN + first, Next::BackUpLedger);
        }
        world
    }

    fn people(&mut self) {
        for license in 0..self.plan.licenses {
            for _ in 0..self.plan.machines {
                let machine = self.machines.len();
                self.machines.push(None);
                let first = self.now + self.chance.between(0, 10 * DAY);
                self.agenda.add(first, Next::Install(machine));
                self.agenda.add(first + HOUR, Next::Use(machine));
                self.agenda.add(first + 2 * HOUR, Next::Restart(machine));
                self.agenda.add(first + 3 * HOUR, Next::Contact(machine));
                self.agenda.add(first + self.chance.between(1, 200 * DAY), Next::Mishap(machine));
            }
            self.agenda.add(self.now + self.chance.between(5 * DAY, 60 * DAY), Next::Operator(license));
        }
    }

    /// Lets it run to its end.
    pub(super) fn run(mut self) -> Report {
        let end = BEGIN + self.plan.days * DAY;
        while let Some((at, next)) = self.agenda.take() {
            if at >= end {
                break;
            }
            self.now = at;
            self.steps += 1;
            self.step(next);
        }
        self.now = end;
        self.end();
        self.report.device_years = self.plan.device_years();
        std::mem::take(&mut self.report)
    }

    fn step(&mut self, next: Next) {
        match next {
            Next::Install(machine) => self.install(machine),
            Next::Use(machine) => self.use_something(machine),
            Next::UseOnce(machine) => self.use_once(machine),
            Next::Contact(machine) => self.contact(machine),
            Next::ReportOnce(machine) => self.report_once(machine),
            Next::Restart(machine) => self.restart(machine),
            Next::Mishap(machine) => self.mishap(machine),
            Next::SetClock(machine) => self.set_clock(machine),
            Next::PutBack(machine) => self.put_back(machine),
            Next::FallSilent(machine) => self.fall_silent(machine),
            Next::Succeed(machine) => self.ask_for_successor(machine),
            Next::BackUpLedger => self.back_up_ledger(),
            Next::RestoreLedger => self.restore_ledger(),
            Next::Operator(license) => self.operate(license),
            Next::Report(letter) => self.receive(&letter),
            Next::Answer(machine, grants, asked) => self.answer(machine, &grants, asked),
        }
    }

    /// The machine of a number, while something is installed and it is alive.
    fn living(&mut self, machine: usize) -> Option<&mut Machine> {
        self.machines[machine].as_mut().filter(|machine| machine.is_alive)
    }

    fn machine(&mut self, machine: usize) -> &mut Machine {
        self.machines[machine].as_mut().expect("it is installed")
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.report.tally
    }
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { number, steps, now, .. } = self;
            let day = (*now - BEGIN) / DAY;
            println!("world {number} went wrong in step {steps}, on day {day}");
        }
    }
}
