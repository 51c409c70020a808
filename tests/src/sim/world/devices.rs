//! What devices do: use, restart, apply; and what the model is told of it.

use ledger::device::{Command, Consume, Consumed, DeviceError, Done, Return};
use schemas::bundle::Attachment;
use schemas::codes::Code;
use schemas::ids::{Commitment, Salt};
use schemas::numbers::{Amount, Micros};
use schemas::period::Reset;
use schemas::text::UsageRef;

use super::super::agenda::{DAY, HOUR};
use super::super::invariants;
use super::super::machine::{self, Asks, Wall};
use super::super::office::{reference, text};
use super::super::situations::Situation;
use super::super::terms::{MILES, RENDER, TOKENS};
use super::{Answers, Machine, Next, World, observing};

/// Where a device's process ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// What it signed is lost.
    BeforeKeeping,
    /// What it signed is kept, and nobody was told.
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
        let is_trial = self.sites[license].is_trial;
        let reference = reference(license, is_trial);
        let asks = if is_trial { Asks::Trial(reference) } else { Asks::Key(&self.keys.secret, reference) };
        let mut disk = machine::install(seed, asks, &hardware, shown);
        let copy = self.open(license, None, &mut disk, shown);
        self.tally().saw_if(was_here, Situation::Reinstalled);
        self.machines[number] = Some(Machine {
            license,
            disk,
            process: None,
            copy,
            archive: Vec::new(),
            next: None,
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

    pub(super) fn license_of(&self, number: usize) -> usize {
        self.machines[number].as_ref().map_or(number / self.plan.machines, |machine| machine.license)
    }

    pub(super) fn use_something(&mut self, number: usize) {
        let pause = self.chance.between(HOUR, 5 * DAY);
        self.agenda.add(self.now + pause, Next::Use(number));
        self.use_once(number);
    }

    pub(super) fn use_once(&mut self, number: usize) {
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
        let command = self.draw_use(number);
        let answer = self.perform(number, &command);
        if let Some(Ok(Done::Consumed(used))) = answer
            && !used.repeated
            && self.chance.one_in(25)
        {
            self.take_back(number, &used);
        }
    }

    /// What was used comes to nothing, and the process that used it takes it back at once.
    fn take_back(&mut self, number: usize, used: &Consumed) {
        let now = self.now;
        let machine = self.machine(number);
        let mut process = machine.process.take().expect("it has just answered");
        let reading = process.reading(machine.wall, now);
        process.refund(&machine.disk, used, reading);
        let kept = machine.disk.keep(&mut process);
        machine.process = Some(process);
        self.observe(number, None, kept);
        self.tally().saw(Situation::Refunded);
    }

    fn draw_use(&mut self, number: usize) -> Command {
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
        // Some of what is used is recorded days later.
        let days_ago = self.chance.between(1, 10) * DAY;
        let wall = self.machine(number).wall.show(self.now);
        let used_at = self.chance.one_in(12).then(|| Micros::new(wall.saturating_sub(days_ago)));
        Command::Consume(Consume { feature: feature.into(), n, used_at, reference })
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
    pub(super) fn keep_time(&mut self, number: usize) {
        self.carry_out(number, &Command::Note, None);
    }

    pub(super) fn carry_out(
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
            let applied = observing::applied(command, &answer);
            if matches!((command, &answer), (Command::Note, Ok(Done::Noted))) && kept.is_empty() {
                self.time_was_kept(number);
            }
            self.observe(number, applied, kept);
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
    pub(super) fn wake(&mut self, number: usize) {
        if self.machine(number).process.is_none() {
            self.finish_succession(number);
        }
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

    /// What the application sees.
    fn hear(&mut self, number: usize, command: &Command, answer: &Result<Done, DeviceError>) {
        let machine = self.machines[number].as_mut().expect("it is installed");
        let (mut saw, mut has_owner) = (None, false);
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
            Ok(Done::NotApplied(_)) => {
                saw = Some(Situation::RollbackNoticed);
                has_owner = true;
            }
            Ok(_) => {}
            Err(error) => match error.code() {
                Code::GrantSuperseded => saw = Some(Situation::AnswerSuperseded),
                Code::GrantForeign => saw = Some(Situation::AnswerForeign),
                Code::GrantLate => saw = Some(Situation::AnswerTooLate),
                Code::QuotaExhausted => saw = Some(exhausted(error)),
                Code::NoQuotaForPeriod => saw = Some(Situation::QuotaMissing),
                Code::Forked => saw = Some(Situation::ForkStopped),
                Code::Overdue => saw = Some(Situation::OverdueStopped),
                Code::LicenseExpired => {
                    machine.was_expired = true;
                    let is_trial = self.sites[machine.license].is_trial;
                    saw = Some(if is_trial { Situation::TrialEnded } else { Situation::Expired });
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
        // Whoever reads that the device was set back may ask for a successor, whatever the policy says.
        if has_owner && self.chance.one_in(2) {
            let pause = self.chance.between(HOUR, 10 * DAY);
            self.agenda.add(self.now + pause, Next::Succeed(number));
        }
    }

    /// Answers come to a machine: it takes what is for its present chain, and hears what is about earlier ones.
    pub(super) fn answer(&mut self, number: usize, grants: &Answers, asked: bool) {
        if self.living(number).is_none() {
            return;
        }
        self.wake(number);
        self.hear_of_archive(number, grants);
        let machine = self.machine(number);
        let (own, archive) = (machine.copy.chain, &machine.archive);
        let is_about = |chain: usize| archive.iter().any(|archived| archived.copy.chain == chain);
        let mine = grants.iter().find(|(chain, _)| *chain == own);
        let foreign = || grants.first().filter(|_| !grants.iter().any(|(chain, _)| is_about(*chain)));
        let Some((_, grant)) = mine.or_else(foreign) else { return };
        let offered = machine::believe(grant, &self.keys.root);
        let heals = offered.verified.body.promises_heal();
        let answer = self.perform(number, &Command::Apply(offered));
        let applied = matches!(answer, Some(Ok(Done::Applied)));
        self.tally().saw_if(applied && !asked, Situation::RefreshApplied);
        // Its owner may be there before the next answer, where the process ended before it was done.
        if heals && answer.is_none() {
            self.agenda.add(self.now + HOUR, Next::Succeed(number));
        }
        if heals && answer.is_some() && self.succeed(number, true) {
            self.tally().saw(Situation::SucceededByGrant);
        }
    }
}

fn exhausted(error: &DeviceError) -> Situation {
    match error {
        DeviceError::QuotaExhausted { period, .. } if period.reset() == Reset::Never => {
            Situation::LifeQuotaExhausted
        }
        _ => Situation::QuotaExhausted,
    }
}
