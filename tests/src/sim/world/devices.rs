//! What devices do: use, restart, apply; and what the model is told of it.

use ledger::device::{Command, Consume, DeviceError, Done, Return};
use schemas::bundle::Attachment;
use schemas::codes::Code;
use schemas::event::{Body, Event};
use schemas::ids::{Commitment, Salt};
use schemas::numbers::Amount;
use schemas::text::UsageRef;

use super::super::agenda::{DAY, HOUR};
use super::super::invariants;
use super::super::machine::{self, Wall};
use super::super::model::{Applied, Chain, Copy, Key, What};
use super::super::office::text;
use super::super::situations::Situation;
use super::super::terms::{MILES, RENDER, TOKENS};
use super::{Machine, Next, World};

/// Where a device's process ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    BeforeKeeping,
    AfterKeeping,
}

impl World<'_> {
    /// Installs the application on a machine that has none, or anew: a chain of its own.
    pub(super) fn install(&mut self, number: usize) {
        let license = self.license_of(number);
        let before = self.machines[number].take();
        let was_here = before.as_ref().is_some_and(|before| before.is_alive);
        let hardware = match &before {
            Some(before) if was_here => before.hardware,
            _ => std::array::from_fn(|_| self.chance.number()),
        };
        let wall = before.filter(|_| was_here).map_or(Wall::Off(0), |before| before.wall);
        let seed = self.chance.number();
        let shown = wall.show(self.now);
        let mut disk = machine::install(seed, license, &self.keys.secret, &hardware, shown);
        let chain = self.chains.len();
        self.chains.push(Chain::new(license));
        self.sites[license].model.chains.push(chain);
        let id = disk.device().chain();
        self.ids.push(id);
        self.by_id.insert(id, chain);
        let mut copy = Copy {
            chain,
            tip: None,
            used: std::collections::BTreeMap::new(),
            returned: std::collections::BTreeMap::new(),
            is_extra: false,
            applied: None,
            floor: (shown, None),
            noted: None,
        };
        for (kept, what) in disk.log.iter_mut().zip([What::Opened, What::Requested]) {
            kept.act = self.chains[chain].keep(copy.tip, kept.head.link, what);
            copy.tip = Some(kept.act);
            self.report.events += 1;
        }
        self.tally().saw_if(was_here, Situation::Reinstalled);
        self.machines[number] = Some(Machine {
            license,
            disk,
            process: None,
            copy,
            wall,
            hardware,
            boots: 1,
            backup: None,
            is_alive: true,
            unanswered: None,
            was_expired: false,
        });
        self.report_now(number);
    }

    fn license_of(&self, number: usize) -> usize {
        self.machines[number].as_ref().map_or(number / self.plan.machines, |machine| machine.license)
    }

    pub(super) fn use_something(&mut self, number: usize) {
        let pause = self.chance.between(HOUR, 5 * DAY);
        self.agenda.add(self.now + pause, Next::Use(number));
        if self.living(number).is_none() {
            return;
        }
        let retried = self.machine(number).unanswered.take();
        if let Some(again) = retried {
            let answer = self.perform(number, &Command::Consume(again));
            let anew = matches!(answer, Some(Ok(Done::Consumed(consumed))) if !consumed.repeated);
            self.tally().saw_if(anew, Situation::RetryCountedAnew);
            return;
        }
        let command = self.draw_use();
        self.perform(number, &command);
    }

    fn draw_use(&mut self) -> Command {
        let feature = match self.chance.below(20) {
            0 if self.chance.one_in(2) => {
                let n = Amount::new(self.chance.between(1, 30)).expect("few units");
                return Command::Return(Return { feature: RENDER.into(), n, period: None });
            }
            0..11 => RENDER,
            11..15 => TOKENS,
            15..18 => MILES,
            _ => {
                let commitment = Commitment([u8::try_from(self.chance.below(256)).expect("a byte"); 32]);
                let value = Attachment { commitment, salt: Salt([0; 16]), value: Vec::new() };
                return Command::Set { name: text("site"), value };
            }
        };
        let reference = self
            .chance
            .one_in(4)
            .then(|| UsageRef::new(&format!("job {}", self.chance.number())).expect("a short text"));
        let n = Amount::new(self.chance.between(1, 9)).expect("few units");
        Command::Consume(Consume { feature: feature.into(), n, used_at: None, reference })
    }

    /// Lets a device carry out a command, from the decision to the answer; gives the answer if there is one.
    pub(super) fn perform(&mut self, number: usize, command: &Command) -> Option<Result<Done, DeviceError>> {
        let end = match self.chance.below(300) {
            0 => Some(End::BeforeKeeping),
            1 => Some(End::AfterKeeping),
            _ => None,
        };
        if end.is_some() && self.machine(number).process.is_some() {
            self.keep_time(number);
        }
        self.carry_out(number, command, end)
    }

    /// A process keeps the time when it starts and every few minutes: what it knows of the time survives its end.
    fn keep_time(&mut self, number: usize) {
        self.carry_out(number, &Command::Note, None);
    }

    fn carry_out(
        &mut self,
        number: usize,
        command: &Command,
        end: Option<End>,
    ) -> Option<Result<Done, DeviceError>> {
        self.wake(number);
        let now = self.now;
        let machine = self.machines[number].as_mut().expect("it is installed");
        let mut process = machine.process.take().expect("it was woken");
        let reading = process.reading(machine.wall, now);
        let answer = process.sign(&machine.disk, command, reading, &machine.hardware);
        let has_signed = process.has_signed();
        if end == Some(End::BeforeKeeping) {
            self.tally().saw_if(has_signed, Situation::DeviceLostUnkept);
        } else {
            let kept = machine.disk.keep(&mut process);
            machine.process = (end != Some(End::AfterKeeping)).then_some(process);
            self.observe(number, command, &answer, kept);
            self.tally().saw_if(has_signed && end.is_some(), Situation::DeviceKeptUnanswered);
        }
        if end.is_some() {
            if let Command::Consume(consume) = command
                && consume.reference.is_some()
            {
                self.machine(number).unanswered = Some(consume.clone());
            }
            self.keep_time(number);
            return None;
        }
        self.hear(number, command, &answer);
        Some(answer)
    }

    /// Starts the machine's process, which finds what was kept and nothing else.
    fn wake(&mut self, number: usize) {
        let instance = self.chance.number();
        let now = self.now;
        let machine = self.machines[number].as_mut().expect("it is installed");
        if machine.process.is_none() {
            let process = machine.disk.start(now, instance, machine.boots);
            let chain = &self.chains[machine.copy.chain];
            invariants::nothing_acknowledged_is_lost(chain, machine.copy.tip, machine.disk.head());
            invariants::nothing_acknowledged_is_lost(chain, machine.copy.tip, process.device.head());
            machine.copy.floor.1 = None;
            machine.process = Some(process);
        }
    }

    pub(super) fn restart(&mut self, number: usize) {
        let pause = self.chance.between(HOUR, 20 * DAY);
        self.agenda.add(self.now + pause, Next::Restart(number));
        if self.living(number).is_none() {
            return;
        }
        if self.machine(number).process.is_some() {
            self.keep_time(number);
        }
        let (reboots, stays_off) = (self.chance.one_in(2), self.chance.one_in(10));
        let machine = self.machine(number);
        machine.boots += u64::from(reboots);
        if let Some(process) = machine.process.take() {
            machine.disk.close(process);
        }
        if !stays_off {
            self.keep_time(number);
        }
    }

    /// Tells the model of events that a device keeps.
    fn observe(
        &mut self,
        number: usize,
        command: &Command,
        answer: &Result<Done, DeviceError>,
        kept: std::ops::Range<usize>,
    ) {
        let machine = self.machines[number].as_mut().expect("it is installed");
        let chain = &mut self.chains[machine.copy.chain];
        let wall = machine.wall.show(self.now);
        let applied = match (command, answer) {
            (Command::Apply(offered), Ok(Done::Applied)) => Some(Applied {
                order: (offered.verified.body.epoch.0, offered.verified.seq.0),
                issued_at: offered.verified.issued_at.get(),
                body: std::rc::Rc::new(offered.verified.body.clone()),
                grant: std::rc::Rc::new(offered.grant.clone()),
            }),
            _ => None,
        };
        let cures = applied
            .as_ref()
            .is_some_and(|applied| machine.copy.noted.is_some_and(|noted| applied.body.ack.seq.0 >= noted));
        if let Some(applied) = &applied {
            let before = expected(machine.copy.floor, self.now);
            if cures {
                machine.copy.floor = (applied.issued_at, Some(self.now));
                machine.copy.noted = None;
                self.report.tally.saw_if(applied.issued_at < before && wall < before, Situation::ClockCured);
            } else if applied.issued_at > before {
                machine.copy.floor = (applied.issued_at, Some(self.now));
            }
        }
        if matches!((command, answer), (Command::Note, Ok(Done::Noted))) && kept.is_empty() {
            machine.copy.floor = (expected(machine.copy.floor, self.now).max(wall), Some(self.now));
        }
        for index in kept {
            let kept = &mut machine.disk.log[index];
            let at = kept.event.at.get();
            invariants::time_gains_nothing_by_going_backwards(machine.copy.floor, wall, self.now, at);
            self.report.tally.saw_if(at > wall + HOUR, Situation::TimeHeld);
            let what = what(&kept.event);
            kept.act = chain.keep(machine.copy.tip, kept.head.link, what);
            let seq = chain.acts[kept.act as usize].seq;
            machine.copy.tip = Some(kept.act);
            if !cures {
                machine.copy.floor = (at, Some(self.now));
            }
            self.report.events += 1;
            if let Body::ClockNoted(noted) = &kept.event.body {
                machine.copy.noted = Some(seq);
                self.report.tally.saw_if(noted.wall > noted.expected, Situation::ClockAhead);
            }
            if let What::Returned { key, total } = what {
                machine.copy.returned.insert(key, total);
                invariants::no_device_spends_more_than_it_was_granted(chain, &machine.copy, key);
                let asked = matches!(command, Command::Apply(_));
                let situation = if asked { Situation::AskedBack } else { Situation::GivenBack };
                self.report.tally.saw(situation);
            }
            if let What::Used { key, n } = what {
                *machine.copy.used.entry(key).or_default() += n;
                let site = &mut self.sites[machine.license];
                self.report.tally.saw_if(matches!(machine.wall, Wall::Unset { .. }), Situation::ClockUnset);
                if site.model.limit(key.0).is_some() {
                    spent(&mut site.model, chain, &machine.copy, key, n);
                    invariants::spending_ends_with_the_deadline(machine.copy.applied.as_ref(), at);
                }
            }
        }
        if let Some(applied) = applied {
            let id = self.ids[machine.copy.chain];
            invariants::a_grant_never_goes_backwards(machine.copy.applied.as_ref(), &applied, id);
            let missed = chain.answers.range(..applied.order).next().is_some();
            chain.answers.retain(|answer| *answer > applied.order);
            self.report.tally.saw_if(missed, Situation::AnswerMissed);
            machine.copy.applied = Some(applied);
        }
    }

    /// What the application sees.
    fn hear(&mut self, number: usize, command: &Command, answer: &Result<Done, DeviceError>) {
        let machine = self.machines[number].as_mut().expect("it is installed");
        let mut saw = None;
        match answer {
            Ok(Done::Consumed(consumed)) => {
                saw = machine.was_expired.then_some(Situation::Renewed);
                machine.was_expired = false;
                if consumed.repeated {
                    saw = Some(Situation::RetryCountedOnce);
                }
            }
            Ok(Done::AppliedBefore) => saw = Some(Situation::AnswerRepeated),
            Ok(Done::NotApplied(DeviceError::GrantLate(_))) => saw = Some(Situation::AskedAgain),
            Ok(Done::NotApplied(_)) => saw = Some(Situation::RollbackNoticed),
            Ok(_) => {}
            Err(error) => match error.code() {
                Code::GrantSuperseded => saw = Some(Situation::AnswerSuperseded),
                Code::GrantForeign => saw = Some(Situation::AnswerForeign),
                Code::GrantLate => saw = Some(Situation::AnswerTooLate),
                Code::QuotaExhausted => saw = Some(Situation::QuotaExhausted),
                Code::NoQuotaForPeriod => saw = Some(Situation::QuotaMissing),
                Code::Forked => saw = Some(Situation::ForkStopped),
                Code::Overdue => saw = Some(Situation::OverdueStopped),
                Code::LicenseExpired => {
                    machine.was_expired = true;
                    saw = Some(Situation::Expired);
                }
                Code::LicenseSuspended => saw = Some(Situation::SuspendedStopped),
                Code::FingerprintMismatch => saw = Some(Situation::HardwareMismatched),
                Code::NotActivated
                | Code::Deactivated
                | Code::LicenseRevoked
                | Code::NotStarted
                | Code::ReturnTooLarge
                | Code::FeatureAbsent
                | Code::AckUnknown => {}
                other => panic!("{other:?} to {command:?}"),
            },
        }
        if let Some(saw) = saw {
            self.tally().saw(saw);
        }
    }

    /// An answer comes to a machine.
    pub(super) fn answer(&mut self, number: usize, grant: &schemas::grant::Grant, asked: bool) {
        if self.living(number).is_none() {
            return;
        }
        let offered = machine::believe(grant, &self.keys.root);
        let answer = self.perform(number, &Command::Apply(offered));
        let applied = matches!(answer, Some(Ok(Done::Applied)));
        self.tally().saw_if(applied && !asked, Situation::RefreshApplied);
    }
}

/// The last known time with what has passed since.
fn expected((known, since): (u64, Option<u64>), now: u64) -> u64 {
    known + since.map_or(0, |since| now - since)
}

/// What the model knows an event as.
fn what(event: &Event) -> What {
    match &event.body {
        Body::FeatureConsumed(consumed) => {
            What::Used { key: (consumed.feature.0, consumed.period.number()), n: consumed.n.get() }
        }
        Body::QuotaReturned(returned) => What::Returned {
            key: (returned.feature.0, returned.period.number()),
            total: returned.total.get(),
        },
        Body::ChainClosed(_) => What::Closed,
        Body::ClockNoted(_) => What::ClockNoted,
        Body::AgentStarted(_) => What::Started,
        _ => What::Other,
    }
}

fn spent(license: &mut super::super::model::License, chain: &Chain, copy: &Copy, key: Key, n: u64) {
    *license.spent.entry(key).or_default() += n;
    if copy.is_extra {
        *license.spent_by_copies.entry(key).or_default() += n;
    }
    invariants::no_device_spends_more_than_it_was_granted(chain, copy, key);
    invariants::spending_stays_within_the_limit(license, key);
    if !chain.copies.is_empty() {
        invariants::copies_spend_at_most_what_was_held(chain, key);
    }
}
