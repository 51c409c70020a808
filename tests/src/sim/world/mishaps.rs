//! What happens to machines: clocks, hardware, copies, backups, reinstallation, the end.

use ledger::device::{Command, Done};

use super::super::agenda::{DAY, HOUR};
use super::super::machine::Wall;
use super::super::situations::Situation;
use super::lineage::Image;
use super::{Machine, Next, World};

const YEAR: u64 = 365 * DAY;

impl World<'_> {
    pub(super) fn mishap(&mut self, number: usize) {
        let license = self.license_of(number);
        let has_copies = self.sites[license].has_copies;
        let pause = self.chance.between(10 * DAY, if has_copies { 75 * DAY } else { 150 * DAY });
        self.agenda.add(self.now + pause, Next::Mishap(number));
        if self.living(number).is_none() {
            return;
        }
        match self.chance.below(if has_copies { 30 } else { 14 }) {
            0..6 => self.unsettle_clock(number),
            6..9 => self.change_hardware(number),
            9 => self.deactivate(number, has_copies),
            10 => self.install(number),
            11 => self.replace(number),
            12..14 => {}
            14..21 => self.back_up(number),
            21..25 => self.put_back(number),
            25..28 => self.put_back_soon(number),
            _ => self.copy(number),
        }
    }

    fn unsettle_clock(&mut self, number: usize) {
        let now = self.now;
        let (hour, day) = (HOUR.cast_signed(), DAY.cast_signed());
        let wall = match self.chance.below(7) {
            0 => Wall::Off(-hour),
            1 => Wall::Off(-3 * day),
            2 => Wall::Off(-5 * YEAR.cast_signed()),
            3 => Wall::Off(10 * YEAR.cast_signed()),
            4 => Wall::Off(hour),
            5 => Wall::Off(3 * day),
            _ => Wall::Unset { since: now },
        };
        let machine = self.machine(number);
        machine.wall = wall;
        if matches!(wall, Wall::Unset { .. })
            && let Some(process) = machine.process.take()
        {
            // A clock is unset where the machine was without power.
            machine.disk.close(process);
            machine.boots += 1;
        }
        let pause = self.chance.between(DAY, 20 * DAY);
        self.agenda.add(now + pause, Next::SetClock(number));
    }

    pub(super) fn set_clock(&mut self, number: usize) {
        if let Some(machine) = self.living(number) {
            machine.wall = Wall::Off(0);
        }
    }

    fn change_hardware(&mut self, number: usize) {
        let parts = self.chance.below(4);
        let new: [u64; 3] = std::array::from_fn(|_| self.chance.number());
        let machine = self.machine(number);
        machine.hardware[..parts].copy_from_slice(&new[..parts]);
        let before = machine.disk.log.len();
        let answer = self.perform(number, &Command::Note);
        let noted = self.machine(number).disk.log.len() > before;
        let is_same = (1..3).contains(&parts);
        let noted = noted && matches!(answer, Some(Ok(Done::Noted)));
        self.tally().saw_if(noted && is_same, Situation::HardwareChanged);
    }

    /// Closes the chain and says so; some days later the machine is activated anew.
    fn deactivate(&mut self, number: usize, has_copies: bool) {
        if has_copies {
            self.back_up(number);
            let pause = self.chance.between(DAY, 10 * DAY);
            self.agenda.add(self.now + pause, Next::PutBack(number));
        }
        if matches!(self.perform(number, &Command::Close), Some(Ok(Done::Closed))) {
            self.report_now(number);
            let pause = self.chance.between(2 * DAY, 30 * DAY);
            self.agenda.add(self.now + pause, Next::Install(number));
        }
    }

    /// The machine dies with whatever it holds, and another one comes in its place.
    fn replace(&mut self, number: usize) {
        self.fall_silent(number);
        let pause = self.chance.between(DAY, 20 * DAY);
        self.agenda.add(self.now + pause, Next::Install(number));
    }

    pub(super) fn fall_silent(&mut self, number: usize) {
        let Some(machine) = self.living(number) else { return };
        machine.is_alive = false;
        let chain = machine.copy.chain;
        let used = machine.copy.used.clone();
        let granted = &self.chains[chain].granted;
        let holds = granted.iter().any(|(key, (units, _))| used.get(key).is_none_or(|used| used < units));
        self.tally().saw_if(holds, Situation::SilentHeld);
    }

    fn back_up(&mut self, number: usize) {
        let machine = self.machine(number);
        if machine.next.is_none() {
            machine.backup = Some(Image::of(machine));
        }
    }

    /// A state is put back that is only hours old, after more was used and reported.
    fn put_back_soon(&mut self, number: usize) {
        self.keep_time(number);
        self.back_up(number);
        let hours = [(2, Next::UseOnce(number)), (3, Next::ReportOnce(number)), (9, Next::PutBack(number))];
        let after = [(10, Next::UseOnce(number)), (11, Next::ReportOnce(number))];
        for (hour, next) in hours.into_iter().chain(after) {
            self.agenda.add(self.now + hour * HOUR, next);
        }
    }

    /// Puts an older state back. What the machine does from here on is done by a copy.
    pub(super) fn put_back(&mut self, number: usize) {
        let Some(machine) = self.machines[number].as_mut().filter(|machine| machine.is_alive) else { return };
        let Some(Image { disk, copy, archive }) = machine.backup.clone() else { return };
        let is_same_chain = copy.chain == machine.copy.chain;
        let was_closed = is_same_chain && machine.disk.device().is_closed() && !disk.device().is_closed();
        if is_same_chain && copy.tip == machine.copy.tip {
            return;
        }
        machine.process = None;
        machine.next = None;
        machine.disk = disk;
        machine.copy = copy;
        machine.archive = archive;
        machine.boots += 1;
        machine.unanswered = None;
        machine.copy.floor.1 = None;
        let chain = &mut self.chains[machine.copy.chain];
        machine.copy.extra = Some(chain.copies.len());
        chain.copies.push(machine.copy.beside());
        chain.origin.restored = true;
        self.report.tally.saw_if(!is_same_chain, Situation::PutBackBeforeSuccession);
        if was_closed && let Some(Ok(Done::Set(_))) = self.set_something(number) {
            self.tally().saw(Situation::ClosedWentOn);
        }
    }

    fn set_something(&mut self, number: usize) -> Option<Result<Done, ledger::device::DeviceError>> {
        let commitment = schemas::ids::Commitment([1; 32]);
        let value =
            schemas::bundle::Attachment { commitment, salt: schemas::ids::Salt([0; 16]), value: Vec::new() };
        let name = super::super::office::text("site");
        self.perform(number, &Command::Set { name, value })
    }

    /// A second machine goes on from the same state, its process in memory included now and then.
    fn copy(&mut self, number: usize) {
        let with_process = self.chance.one_in(2);
        let machine = self.machine(number);
        if machine.next.is_some() {
            return;
        }
        let mut copy = Machine {
            license: machine.license,
            disk: machine.disk.clone(),
            process: machine.process.clone().filter(|_| with_process),
            copy: machine.copy.clone(),
            archive: machine.archive.clone(),
            next: None,
            wall: machine.wall,
            hardware: machine.hardware,
            boots: machine.boots + u64::from(!with_process),
            backup: None,
            is_alive: true,
            unanswered: None,
            was_expired: false,
        };
        let chain = copy.copy.chain;
        copy.copy.extra = Some(self.chains[chain].copies.len());
        self.chains[chain].copies.push(copy.copy.beside());
        let new = self.machines.len();
        self.machines.push(Some(copy));
        self.chains[chain].origin.cloned = true;
        for next in [Next::Use(new), Next::Contact(new), Next::Restart(new)] {
            let pause = self.chance.between(HOUR, 10 * DAY);
            self.agenda.add(self.now + pause, next);
        }
        let pause = self.chance.between(20 * DAY, 120 * DAY);
        self.agenda.add(self.now + pause, Next::FallSilent(new));
    }
}
