//! Reports and answers on their way: lost, late, doubled, damaged, misdirected; and what the vendor does with them.

use std::collections::BTreeSet;

use ledger::chain::Head;
use ledger::run::verify_device;
use schemas::grant::{GrantBody, GrantStatus};
use schemas::numbers::Micros;

use super::super::agenda::{DAY, HOUR, MINUTE};
use super::super::invariants::{self, Account, Frees};
use super::super::model::{Arrival, Key, Seat, What};
use super::super::office::{Fate, text};
use super::super::situations::Situation;
use super::{Letter, Next, World};

/// A chain at the vendor's beside a report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Held {
    head: Head,
    status: Option<GrantStatus>,
    is_late: bool,
    sync_by: Option<Micros>,
}

impl World<'_> {
    pub(super) fn contact(&mut self, number: usize) {
        let pause = self.chance.between(8 * DAY, 20 * DAY);
        self.agenda.add(self.now + pause, Next::Contact(number));
        if self.living(number).is_some() {
            self.report_now(number);
        }
    }

    /// Sends a report.
    pub(super) fn report_now(&mut self, number: usize) {
        self.report.contacts += 1;
        let (from, end) = self.unreported(number);
        let from = match self.chance.below(30) {
            0 => 0,
            1 => self.chance.below(from + 1),
            _ => from,
        };
        let mut cuts = vec![from, end];
        if end - from > 1 && self.chance.one_in(10) {
            cuts.insert(1, from + 1 + self.chance.below(end - from - 1));
        }
        for part in cuts.windows(2) {
            let letter = self.letter(number, part[0], part[1]);
            self.send(letter);
        }
    }

    /// The events that the device does not know to be acknowledged, or the last one.
    pub(super) fn unreported(&mut self, number: usize) -> (usize, usize) {
        let machine = self.machine(number);
        let end = machine.disk.log.len();
        let (_, sends_again) = machine.disk.refused();
        let applied = machine.copy.applied.as_ref().filter(|_| !sends_again);
        let acknowledged = applied.map_or(0, |applied| {
            let body = &applied.body;
            body.resend_from.map_or(body.ack.seq.0, |resend| body.ack.seq.0.min(resend.0 - 1))
        });
        let from = usize::try_from(acknowledged).expect("a short chain").min(end - 1);
        (from, end)
    }

    pub(super) fn letter(&mut self, number: usize, first: usize, last: usize) -> Letter {
        self.letters += 1;
        let machine = self.machines[number].as_ref().expect("it is installed");
        let acts: Vec<u32> = machine.disk.log[first..last].iter().map(|kept| kept.act).collect();
        let chain = machine.copy.chain;
        for act in &acts {
            self.chains[chain].acts[*act as usize].sent += 1;
        }
        let bytes = machine.disk.run(first, last);
        let enclosed = machine.copy.applied.as_ref().map(|applied| applied.grant.clone());
        Letter { from: number, chain, number: self.letters, sent: self.now, bytes, acts, enclosed }
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

    /// A report comes to the vendor.
    pub(super) fn receive(&mut self, letter: &Letter) {
        if self.chance.one_in(200) {
            self.receive_damaged(letter);
            return;
        }
        let fate = match self.chance.below(400) {
            0 => Fate::LostBeforeKeeping,
            1 => Fate::EndedAfterKeeping,
            2 => Fate::KeptButReportedFailed,
            _ => Fate::Kept,
        };
        self.merge(letter, fate);
        if matches!(fate, Fate::Kept | Fate::KeptButReportedFailed) {
            self.answer_to(letter.from, letter.chain);
        }
    }

    fn receive_damaged(&mut self, letter: &Letter) {
        let mut bytes = letter.bytes.clone();
        let at = self.chance.below(bytes.len());
        bytes[at] ^= 1 << self.chance.below(8);
        assert!(verify_device(&bytes).is_err(), "a damaged report is refused");
        self.tally().saw(Situation::DamagedReport);
    }

    /// The vendor takes a run in, up to the point where its process ends.
    pub(super) fn merge(&mut self, letter: &Letter, fate: Fate) {
        let run = verify_device(&letter.bytes).expect("a device signed it");
        let before = self.held(letter.chain);
        let license = self.chains[letter.chain].license;
        let file = &mut self.sites[license].file;
        self.report.merges += 1;
        let merged =
            file.merge(self.keys, self.now, fate, std::slice::from_ref(&run), letter.enclosed.as_deref());
        if fate == Fate::LostBeforeKeeping {
            self.tally().saw(Situation::VendorLostDecision);
            assert_eq!(self.held(letter.chain), before, "what was not kept is not there");
            self.check(letter.chain);
            return;
        }
        let arrival = self.chains[letter.chain].arrive(&letter.acts);
        self.observe_arrival(letter, &arrival);
        self.tally().saw_if(merged.took_back, Situation::GrantTakenBack);
        self.observe_grants(license);
        self.tally().saw_if(fate == Fate::KeptButReportedFailed, Situation::VendorToldOfFailure);
        if fate == Fate::KeptButReportedFailed || letter.number.is_multiple_of(16) {
            self.merge_again(letter);
        }
        self.tally().saw_if(fate == Fate::EndedAfterKeeping, Situation::VendorKeptUnanswered);
        self.check(letter.chain);
        if self.chains[letter.chain].begun {
            invariants::an_answer_can_be_applied(&self.chains[letter.chain], self.now);
        }
        if arrival.new == 0 && !merged.took_back {
            self.check_idempotence(letter.chain, before);
        }
    }

    /// What the vendor holds of a chain.
    fn held(&mut self, number: usize) -> Held {
        let chain = &self.chains[number];
        let (status, is_late) = (chain.status, chain.is_answer_late(self.now));
        let license = self.sites[chain.license].file.license();
        let sync_by = license.activations.get(&self.ids[number]).and_then(|known| known.sync_by);
        Held { head: license.head, status, is_late, sync_by }
    }

    /// The same again at the same instant changes nothing, whatever it is.
    fn merge_again(&mut self, letter: &Letter) {
        let run = verify_device(&letter.bytes).expect("a device signed it");
        let Held { head, .. } = self.held(letter.chain);
        let file = &mut self.sites[self.chains[letter.chain].license].file;
        file.merge(self.keys, self.now, Fate::Kept, std::slice::from_ref(&run), letter.enclosed.as_deref());
        invariants::merging_is_idempotent(head, file.license().head);
    }

    /// Of a device that was decided about: a denial is decided afresh. What comes too late to be applied is answered anew.
    fn check_idempotence(&mut self, number: usize, before: Held) {
        let chain = &self.chains[number];
        if matches!(before.status, None | Some(GrantStatus::Denied)) || chain.waiting() > 0 {
            return;
        }
        let after = self.held(number);
        invariants::a_known_report_moves_no_deadline(before.sync_by, after.sync_by);
        if before.is_late {
            self.tally().saw_if(after.head != before.head, Situation::AnsweredAnew);
        } else {
            invariants::merging_is_idempotent(before.head, after.head);
        }
    }

    fn observe_arrival(&mut self, letter: &Letter, arrival: &Arrival) {
        let latest = self.latest_letter.entry(letter.chain).or_default();
        let overtaken = letter.number < *latest;
        *latest = letter.number.max(*latest);
        let chain = &self.chains[letter.chain];
        let tally = &mut self.report.tally;
        tally.saw_if(overtaken, Situation::Overtaken);
        tally.saw_if(arrival.new == 0, Situation::ReportKnown);
        tally.saw_if(arrival.new > 0 && arrival.known > 0, Situation::ReportOverlapped);
        tally.saw_if(self.now - letter.sent > 30 * DAY, Situation::ReportLate);
        tally.saw_if(arrival.waiting > 0 && chain.begun, Situation::EventsWaited);
        tally.saw_if(arrival.waiting > 0 && !chain.begun, Situation::ChainWithoutBeginning);
        tally.saw_if(arrival.had_waited > 0, Situation::GapFilled);
        let sent_before = |act: &&u32| chain.acts[**act as usize].sent > 1;
        let made_good = !overtaken && arrival.known == 0 && letter.acts.iter().any(|act| sent_before(&act));
        tally.saw_if(made_good, Situation::LossMadeGood);
        tally.saw_if(arrival.parted_earlier, Situation::ForkMovedEarlier);
        tally.saw_if(arrival.parted && chain.origin.cloned, Situation::CloneForked);
        tally.saw_if(
            arrival.parted && !chain.origin.cloned && chain.origin.restored,
            Situation::RestoreForked,
        );
        let came_back = letter.acts.iter().any(|act| match chain.acts[*act as usize].what {
            What::Used { key, .. } => chain.used_beyond_write_off(key),
            _ => false,
        });
        tally.saw_if(arrival.attached > 0 && came_back, Situation::WrittenOffCameBack);
        let again = letter.acts.iter().any(|act| chain.lost_acts.contains(act));
        tally.saw_if(arrival.new > 0 && again, Situation::EventsSentAgain);
        let status = chain.status;
        tally.saw_if(arrival.new > 0 && status == Some(GrantStatus::Suspended), Situation::SuspendedMerged);
        tally.saw_if(arrival.new > 0 && status == Some(GrantStatus::Revoked), Situation::RevokedMerged);
        tally.saw_if(arrival.new > 0 && status == Some(GrantStatus::Released), Situation::ReleasedMerged);
    }

    /// Looks at the grants of a licence that are new, in their order.
    pub(super) fn observe_grants(&mut self, license: usize) {
        let told = std::mem::take(&mut self.sites[license].file.told);
        let mut raised = BTreeSet::new();
        for (order, body) in &told {
            let number = self.by_id[&body.device];
            self.chains[number].newest = *order;
            self.chains[number].import_until = body.import_until.map(Micros::get);
            raised.extend(self.observe_quotas(number, body));
            self.observe_seat(number, body, told.len() > 1);
        }
        for key in raised {
            let free = self.conserved(license, key);
            invariants::free_is_not_negative_at_a_raise(free, key);
        }
        let recovers = self.chains.iter().any(|chain| chain.license == license && !chain.lost.is_empty());
        if let Some((_, body)) = told.last().filter(|_| !recovers) {
            self.observe_shortage(self.by_id[&body.device], body);
        }
    }

    fn observe_quotas(&mut self, number: usize, body: &GrantBody) -> Vec<Key> {
        let chain = &mut self.chains[number];
        let mut raised = Vec::new();
        for line in &body.quotas {
            let mut period = line.first;
            loop {
                let key = (line.feature.0, period.number());
                let known = chain.granted.entry(key).or_default();
                let stated = (line.granted.get(), line.written_off.get());
                invariants::grants_only_grow(*known, stated, key);
                let was_lost = chain.lost.get(&key).is_some_and(|lost| stated.0 <= *lost);
                if stated.0 > known.0 && !was_lost {
                    raised.push(key);
                }
                self.report.tally.saw_if(stated.0 > known.0 && was_lost, Situation::QuotaTakenBack);
                *known = stated;
                if period >= line.last {
                    break;
                }
                period = period.next();
            }
        }
        raised
    }

    fn observe_seat(&mut self, number: usize, body: &GrantBody, beside_another: bool) {
        let chain = &mut self.chains[number];
        let license = chain.license;
        chain.status = Some(body.status);
        match body.status {
            GrantStatus::Active if chain.seat != Seat::Held => {
                chain.seat = Seat::Held;
                let chains = &self.sites[license].model.chains;
                let taken = chains.iter().filter(|chain| self.chains[**chain].seat == Seat::Held).count();
                let most = self.sites[license].model.terms.rules.max_activations;
                if !self.chains[number].lost_seat {
                    invariants::seats_stay_within_the_limit(taken, most);
                }
                let was_denied = self.sites[license].denied.remove(&number);
                self.tally().saw_if(was_denied, Situation::SeatGivenLater);
            }
            GrantStatus::Released if chain.seat == Seat::Held => {
                chain.seat = Seat::Released;
                let closed = chain.closings > 0;
                self.tally().saw_if(closed, Situation::SeatGivenBack);
                self.tally().saw_if(!closed && beside_another, Situation::Superseded);
            }
            GrantStatus::Denied if body.reason == Some(text("no_seat_free")) => {
                self.sites[license].denied.insert(number);
                self.tally().saw(Situation::SeatDenied);
            }
            GrantStatus::Denied if body.reason == Some(text("same_device")) => {
                self.tally().saw(Situation::SameDeviceRefused);
            }
            GrantStatus::Denied if body.reason == Some(text("transfers_exhausted")) => {
                self.tally().saw(Situation::TransfersExhausted);
            }
            _ => {}
        }
    }

    /// Whether the present month was topped up to its share.
    fn observe_shortage(&mut self, number: usize, body: &GrantBody) {
        let chain = &self.chains[number];
        if body.status != GrantStatus::Active || chain.is_forked() || chain.waiting() > 0 {
            return;
        }
        let license = chain.license;
        let Some(line) = body.quotas.iter().rfind(|line| line.feature.0 == 1) else { return };
        let key = (1, line.last.number());
        let rules = &self.sites[license].model.terms.rules;
        let rule = &rules.quotas[0];
        let share = rule.share.map_or_else(
            || rule.limit.get().div_ceil(u64::from(rules.max_activations)),
            schemas::numbers::Total::get,
        );
        let account = Account::of(chain, key, Frees::Returned);
        let short = account.granted() < account.wanted(share);
        let free = self.conserved(license, key);
        assert!(!short || free <= 0, "{key:?}: {free} free and not granted");
        self.tally().saw_if(short, Situation::RaiseCutShort);
        self.tally().saw_if(free < 0, Situation::DebtShown);
    }

    /// Checks the equations of one feature and period of a licence, and gives what is free.
    pub(super) fn conserved(&mut self, license: usize, key: Key) -> i64 {
        let site = &mut self.sites[license];
        let held = site.file.license();
        let accounts = site.model.chains.iter().map(|number| {
            let (id, chain) = (self.ids[*number], &self.chains[*number]);
            (id, Account::of(chain, key, invariants::frees(id, chain, held)))
        });
        let accounts = accounts.collect();
        let limit = site.model.limit(key.0).expect("a feature that is held by escrow");
        invariants::units_are_conserved(limit, key, &accounts, held)
    }

    /// What must hold of a chain and its licence after a step.
    pub(super) fn check(&mut self, number: usize) {
        let id = self.ids[number];
        let chain = &mut self.chains[number];
        let site = &mut self.sites[chain.license];
        let is_quarantined = site.file.shelf.is_quarantined(&id);
        let license = site.file.license();
        let held = license.chains.get(&id);
        invariants::what_arrived_is_held(id, chain, held);
        invariants::no_fork_goes_unseen(id, chain, license);
        invariants::what_waits_is_known_to_wait(chain, held, is_quarantined);
        let Some(held) = held else { return };
        invariants::waiting_is_bounded(held);
        let closed = invariants::is_closed(chain, Some(held));
        if chain.is_forked() {
            invariants::no_restored_device_is_called_a_clone(chain, held.fork);
            let told = held.fork.map(|fork| fork.verdict.word());
            if told != chain.told {
                chain.told = told;
                self.report.tally.saw(match told {
                    Some("clone") => Situation::ToldClone,
                    Some("restored") => Situation::ToldRestored,
                    _ => Situation::ToldUnknown,
                });
            }
            if !closed {
                for key in chain.granted.keys().copied().collect::<Vec<_>>() {
                    let out = Account::of(chain, key, Frees::Returned).outstanding();
                    invariants::a_forked_device_frees_nothing(chain.outstanding.get(&key).copied(), out, key);
                    chain.outstanding.insert(key, out);
                }
            }
        }
    }

    /// Sends a machine the newest grant of a chain.
    pub(super) fn answer_to(&mut self, machine: usize, number: usize) {
        self.post(machine, number, true);
    }

    /// Posts the newest grant of a chain, asked for or not.
    pub(super) fn post(&mut self, machine: usize, number: usize, asked: bool) {
        let license = self.chains[number].license;
        let Some(grant) = self.sites[license].file.shelf.grant(&self.ids[number]).cloned() else { return };
        let newest = self.chains[number].newest;
        self.chains[number].answers.insert(newest);
        let to = if self.chance.one_in(150) { self.chance.below(self.machines.len()) } else { machine };
        if self.chance.one_in(30) {
            let delay = self.delay();
            self.agenda.add(self.now + delay, Next::Answer(to, Box::new(grant.clone()), asked));
        }
        if !self.chance.one_in(20) {
            let delay = self.delay();
            self.agenda.add(self.now + delay, Next::Answer(to, Box::new(grant), asked));
        }
    }
}
