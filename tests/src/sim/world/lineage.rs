//! Successors: a device that was set back closes its chain in favour of a new one, and goes on there.

use std::rc::Rc;

use ledger::device::Command;
use schemas::grant::{Ack, Grant, GrantBody, GrantStatus};
use schemas::numbers::Micros;

use super::super::agenda::{DAY, HOUR};
use super::super::invariants;
use super::super::machine::{self, Asks, Disk};
use super::super::model::{Chain, Copy, What};
use super::super::situations::Situation;
use super::devices::End;
use super::{Machine, Next, World};

/// A chain that was closed in favour of the next one.
#[derive(Clone, Debug)]
pub(super) struct Archived {
    pub(super) disk: Disk,
    pub(super) copy: Copy,
    /// Whether the device knows that the vendor has it to its end.
    pub(super) is_acknowledged: bool,
}

/// A chain that was written beside the present one, which is not closed yet.
#[derive(Debug)]
pub(super) struct Successor {
    disk: Disk,
    copy: Copy,
}

impl World<'_> {
    /// The model's part of a new chain: its two first events.
    pub(super) fn open(
        &mut self,
        license: usize,
        follows: Option<usize>,
        disk: &mut Disk,
        wall: u64,
    ) -> Copy {
        let chain = self.chains.len();
        self.chains.push(Chain::new(license, follows));
        self.sites[license].model.chains.push(chain);
        let id = disk.device().chain();
        self.ids.push(id);
        self.by_id.insert(id, chain);
        let mut copy = Copy::new(chain, wall);
        let hardware = machine::hardware(&disk.device().opened().fingerprint);
        for (kept, what) in disk.log.iter_mut().zip([What::Hardware(hardware), What::Requested]) {
            kept.act = self.chains[chain].keep(copy.tip, kept.head.link, what);
            copy.tip = Some(kept.act);
            self.report.events += 1;
        }
        copy
    }

    /// Whether a machine may go on with a successor, where `told`, because a grant that it cannot apply says so.
    fn may_be_succeeded(&mut self, number: usize, told: bool) -> bool {
        self.wake(number);
        let process = self.machine(number).process.as_ref();
        process.is_some_and(|process| process.device.may_be_succeeded(told).is_ok())
    }

    /// Has a machine go on with a successor, because its owner asks for it.
    pub(super) fn ask_for_successor(&mut self, number: usize) {
        if self.living(number).is_some() && self.succeed(number, false) {
            self.tally().saw(Situation::SuccessorAskedFor);
        }
    }

    /// Writes a chain that follows the present one, closes that one in its favour, goes on there and reports. Whether it
    /// did: it may not be allowed to, and the process may end between any two steps.
    pub(super) fn succeed(&mut self, number: usize, told: bool) -> bool {
        if !self.may_be_succeeded(number, told) {
            return false;
        }
        let (now, seed) = (self.now, self.chance.number());
        let machine = self.machines[number].as_ref().expect("it is installed");
        let process = machine.process.as_ref().expect("it was woken");
        let at = process.device.snapshot().mark.time(process.reading(machine.wall, now)).get();
        let (license, old) = (machine.license, machine.copy.chain);
        let mut disk = machine::install(seed, Asks::After(&machine.disk), &machine.hardware, at);
        let command = Command::Succeed { successor: disk.device().chain(), told };
        let copy = self.open(license, Some(old), &mut disk, at);
        self.machine(number).next = Some(Successor { disk, copy });
        let end = [Some(End::BeforeKeeping), Some(End::AfterKeeping), None][self.chance.below(15).min(2)];
        self.carry_out(number, &command, end);
        self.finish_succession(number);
        let went_on = self.machine(number).copy.chain != old;
        if went_on {
            self.keep_time(number);
            self.report_now(number);
            if self.chance.one_in(4) {
                let pause = self.chance.between(DAY, 30 * DAY);
                self.agenda.add(self.now + pause, Next::PutBack(number));
            }
        } else {
            // Its owner, who read the answer, asks again.
            self.agenda.add(self.now + HOUR, Next::Succeed(number));
        }
        went_on
    }

    /// Finishes a succession that was decided, and undoes one that was not.
    pub(super) fn finish_succession(&mut self, number: usize) {
        let machine = self.machines[number].as_mut().expect("it is installed");
        let Some(Successor { disk, copy }) = machine.next.take() else { return };
        if machine.disk.successor() != Some(disk.device().chain()) {
            self.tally().saw(Situation::SuccessionUndone);
            return;
        }
        let crashed = machine.process.take().is_none();
        let disk = std::mem::replace(&mut machine.disk, disk);
        let copy = std::mem::replace(&mut machine.copy, copy);
        machine.archive.push(Archived { disk, copy, is_acknowledged: false });
        machine.unanswered = None;
        self.tally().saw_if(crashed, Situation::SuccessionFinished);
    }

    /// Keeps what answers say of the chains before the present one.
    pub(super) fn hear_of_archive(&mut self, number: usize, grants: &[(usize, Rc<Grant>)]) {
        let root = self.keys.root;
        for archived in self.machine(number).archive.iter_mut().filter(|archived| !archived.is_acknowledged) {
            let about = grants.iter().filter(|(chain, _)| *chain == archived.copy.chain);
            for (_, grant) in about {
                let body = machine::believe(grant, &root).verified.body;
                archived.is_acknowledged |= body.ack == Ack::from(archived.disk.head());
            }
        }
    }

    /// Whether the chain that a successor follows was told to go on, and no other one goes on for it.
    pub(super) fn is_promised(&self, number: usize) -> bool {
        let Some(old) = self.chains[number].follows else { return false };
        let rivals = self.chains.iter().enumerate().filter(|(_, chain)| chain.follows == Some(old));
        let is_followed = || rivals.clone().any(|(rival, chain)| rival != number && chain.seat.was_given);
        self.chains[old].is_promised && !is_followed()
    }

    /// Looks at a denial: a promised successor takes over a seat that is still taken, or is kept for it.
    pub(super) fn check_promise(&mut self, number: usize, body: &GrantBody) {
        let Chain { license, follows, .. } = self.chains[number];
        let Some(old) = follows.filter(|_| body.status == GrantStatus::Denied) else { return };
        let held = self.sites[license].file.license().activations.get(&self.ids[old]);
        let is_kept = held.is_some_and(|known| known.takes_seat(Micros::new(self.now)));
        if is_kept && self.is_promised(number) {
            invariants::what_was_promised_is_given(body.reason.as_ref());
        }
    }

    /// Looks at what the vendor decides on a successor.
    pub(super) fn observe_successor(&mut self, number: usize, status: GrantStatus) {
        let Some(old) = self.chains[number].follows else { return };
        if status == GrantStatus::Active {
            self.tally().saw(Situation::Healed);
            let old = &self.chains[old];
            let holds = old.granted.iter().any(|(key, (granted, _))| {
                let used = old.charged(*key, true);
                *granted > used && old.freed(*key) < granted - used
            });
            let stays = holds && old.is_forked() && !old.is_closed_everywhere();
            self.tally().saw_if(stays, Situation::HealedStaysCharged);
        }
    }
}

/// What survives on a machine that is copied as a whole.
#[derive(Clone, Debug)]
pub(super) struct Image {
    pub(super) disk: Disk,
    pub(super) copy: Copy,
    pub(super) archive: Vec<Archived>,
}

impl Image {
    pub(super) fn of(machine: &Machine) -> Self {
        let Machine { disk, copy, archive, .. } = machine;
        Self { disk: disk.clone(), copy: copy.clone(), archive: archive.clone() }
    }
}
