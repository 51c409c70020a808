//! Reports and answers on their way: lost, late, doubled, gathered, misdirected.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::super::agenda::{DAY, HOUR, MINUTE};
use super::super::machine::Disk;
use super::super::model::Copy;
use super::lineage::Archived;
use super::{Answers, Letter, Next, Part, World};

impl World<'_> {
    pub(super) fn contact(&mut self, number: usize) {
        let pause = self.chance.between(8 * DAY, 20 * DAY);
        self.agenda.add(self.now + pause, Next::Contact(number));
        self.report_once(number);
    }

    pub(super) fn report_once(&mut self, number: usize) {
        if self.living(number).is_some() {
            self.report_now(number);
        }
    }

    /// Sends a report.
    pub(super) fn report_now(&mut self, from_machine: usize) {
        self.report.contacts += 1;
        let (from, end) = self.unreported(from_machine);
        let from = match self.chance.below(30) {
            0 => 0,
            1 => self.chance.below(from + 1),
            _ => from,
        };
        let mut cuts = vec![from, end];
        if end - from > 1 && self.chance.one_in(10) {
            cuts.insert(1, from + 1 + self.chance.below(end - from - 1));
        }
        for (number, part) in cuts.windows(2).enumerate() {
            let letter = self.letter(from_machine, part[0], part[1], number == 0);
            self.gather_or_send(letter);
        }
    }

    /// The events of its present chain that the device does not know to be acknowledged, or the last one.
    pub(super) fn unreported(&mut self, number: usize) -> (usize, usize) {
        let machine = self.machine(number);
        unacknowledged(&machine.disk, &machine.copy)
    }

    /// A report of the events number `first` to `last` of the present chain, and of what is not acknowledged of those
    /// before it.
    pub(super) fn letter(&mut self, number: usize, first: usize, last: usize, with_archive: bool) -> Letter {
        self.letters += 1;
        let machine = self.machines[number].as_ref().expect("it is installed");
        let archive = machine.archive.iter().filter(|archived| with_archive && !archived.is_acknowledged);
        let mut parts: Vec<Part> = archive
            .map(|Archived { disk, copy, .. }| part(number, disk, copy, unacknowledged(disk, copy)))
            .collect();
        parts.push(part(number, &machine.disk, &machine.copy, (first, last)));
        for part in &parts {
            for act in &part.acts {
                self.chains[part.chain].acts[*act as usize].sent += 1;
            }
        }
        one_grant(Letter { number: self.letters, sent: self.now, parts })
    }

    /// Most reports are sent by themselves; some are gathered and carried in one file.
    fn gather_or_send(&mut self, letter: Letter) {
        if !self.chance.one_in(12) {
            self.send(letter);
            return;
        }
        self.gathered.push(letter);
        if self.gathered.len() > self.chance.below(4) {
            let mut gathered = std::mem::take(&mut self.gathered).into_iter();
            let first = gathered.next().expect("one was just added");
            let together = gathered.fold(first, |together, letter| Letter {
                parts: [together.parts, letter.parts].concat(),
                number: letter.number,
                ..together
            });
            self.send(one_grant(together));
        }
    }

    fn send(&mut self, letter: Letter) {
        if self.chance.one_in(30) {
            let delay = self.delay();
            self.agenda.add(self.now + delay, Next::Report(letter.clone()));
        }
        if !self.chance.one_in(20) {
            let delay = self.delay();
            self.agenda.add(self.now + delay, Next::Report(letter));
        }
    }

    fn delay(&mut self) -> u64 {
        match self.chance.below(100) {
            0 => self.chance.between(20 * DAY, 60 * DAY),
            1..5 => self.chance.between(3 * DAY, 20 * DAY),
            5..30 => self.chance.between(HOUR, 3 * DAY),
            _ => self.chance.between(MINUTE, HOUR),
        }
    }

    /// Answers a report: whoever is in it gets the newest grants of all its chains.
    pub(super) fn answer_to(&mut self, letter: &Letter) {
        let chains: BTreeSet<usize> = letter.parts.iter().map(|part| part.chain).collect();
        let chains: Vec<usize> = chains.into_iter().collect();
        let machines: BTreeSet<usize> = letter.parts.iter().map(|part| part.from).collect();
        for machine in machines {
            self.post(machine, &chains, true);
        }
    }

    /// The newest grants of chains, of those that have any.
    pub(super) fn answers_of(&self, chains: &[usize]) -> Answers {
        let newest = |chain: &usize| {
            let site = &self.sites[self.chains[*chain].license];
            Some((*chain, Rc::new(site.file.shelf.grant(&self.ids[*chain])?.clone())))
        };
        chains.iter().filter_map(newest).collect()
    }

    /// Posts the newest grants of chains, asked for or not.
    pub(super) fn post(&mut self, machine: usize, chains: &[usize], asked: bool) {
        let grants = self.answers_of(chains);
        if grants.is_empty() {
            return;
        }
        for (chain, _) in grants.iter() {
            let chain = &mut self.chains[*chain];
            chain.answers.insert(chain.newest);
        }
        let to = if self.chance.one_in(150) { self.chance.below(self.machines.len()) } else { machine };
        if self.chance.one_in(30) {
            let delay = self.delay();
            self.agenda.add(self.now + delay, Next::Answer(to, Rc::clone(&grants), asked));
        }
        if !self.chance.one_in(20) {
            let delay = self.delay();
            self.agenda.add(self.now + delay, Next::Answer(to, grants, asked));
        }
    }
}

/// The events of a chain that its device does not know to be acknowledged, or the last one.
fn unacknowledged(disk: &Disk, copy: &Copy) -> (usize, usize) {
    let end = disk.log.len();
    let (_, sends_again) = disk.refused();
    let applied = copy.applied.as_ref().filter(|_| !sends_again);
    let acknowledged = applied.map_or(0, |applied| {
        let body = &applied.body;
        body.resend_from.map_or(body.ack.seq.0, |resend| body.ack.seq.0.min(resend.0 - 1))
    });
    (usize::try_from(acknowledged).expect("a short chain").min(end - 1), end)
}

fn part(from: usize, disk: &Disk, copy: &Copy, (first, last): (usize, usize)) -> Part {
    Part {
        from,
        chain: copy.chain,
        bytes: disk.run(first, last),
        acts: disk.log[first..last].iter().map(|kept| kept.act).collect(),
        enclosed: copy.applied.as_ref().map(|applied| applied.grant.clone()),
    }
}

/// A file has room for one enclosed grant, whoever put it together.
fn one_grant(mut letter: Letter) -> Letter {
    let latest = letter.parts.iter().rposition(|part| part.enclosed.is_some());
    for (number, part) in letter.parts.iter_mut().enumerate() {
        if Some(number) != latest {
            part.enclosed = None;
        }
    }
    letter
}
