//! What the model is told of events that devices keep, and what must hold after each.

use std::collections::BTreeMap;
use std::rc::Rc;

use ledger::device::{Command, DeviceError, Done};
use schemas::event::{Body, Event};
use schemas::numbers::Micros;
use schemas::period;

use super::super::agenda::HOUR;
use super::super::invariants;
use super::super::machine::{self, Wall};
use super::super::model::{Applied, Key, What};
use super::super::situations::Situation;
use super::World;

impl World<'_> {
    /// A running process keeps the time.
    pub(super) fn time_was_kept(&mut self, number: usize) {
        let now = self.now;
        let machine = self.machine(number);
        let wall = machine.wall.show(now);
        machine.copy.floor = (expected(machine.copy.floor, now).max(wall), Some(now));
    }

    /// Tells the model of events that a device keeps, and of the grant that they apply.
    pub(super) fn observe(&mut self, number: usize, applied: Option<Applied>, kept: std::ops::Range<usize>) {
        let cures = applied.as_ref().is_some_and(|applied| self.observe_clock(number, applied));
        for index in kept {
            let (what, at) = self.observe_event(number, index, cures);
            self.observe_units(number, what, at, applied.is_some());
        }
        if let Some(applied) = applied {
            self.observe_applied(number, applied);
        }
    }

    /// What a grant tells a device of the time; whether it sets a poisoned clock right.
    fn observe_clock(&mut self, number: usize, applied: &Applied) -> bool {
        let now = self.now;
        let machine = self.machines[number].as_mut().expect("it is installed");
        let (wall, before) = (machine.wall.show(now), expected(machine.copy.floor, now));
        let cures = machine.copy.noted.is_some_and(|noted| applied.body.ack.seq.0 >= noted);
        if cures {
            let reported = machine.disk.log[acknowledged(applied)].event.at.get();
            let since_issue = applied.issued_at + before.saturating_sub(reported);
            machine.copy.floor = (since_issue.min(before.max(applied.issued_at)), Some(now));
            machine.copy.noted = None;
            self.report.tally.saw_if(applied.issued_at < before && wall < before, Situation::ClockCured);
        } else if applied.issued_at > before {
            machine.copy.floor = (applied.issued_at, Some(now));
        }
        cures
    }

    fn observe_event(&mut self, number: usize, index: usize, cures: bool) -> (What, Micros) {
        let machine = self.machines[number].as_mut().expect("it is installed");
        let chain = &mut self.chains[machine.copy.chain];
        let tally = &mut self.report.tally;
        let wall = machine.wall.show(self.now);
        let kept = &mut machine.disk.log[index];
        let at = kept.event.at;
        invariants::time_gains_nothing_by_going_backwards(machine.copy.floor, wall, self.now, at.get());
        tally.saw_if(at.get() > wall + HOUR, Situation::TimeHeld);
        let what = what(&kept.event);
        kept.act = chain.keep(machine.copy.tip, kept.head.link, what);
        machine.copy.tip = Some(kept.act);
        chain.origin.slipped |= machine.wall.is_slipped();
        if !cures {
            machine.copy.floor = (at.get(), Some(self.now));
        }
        if let Body::ClockNoted(noted) = &kept.event.body {
            machine.copy.noted = Some(chain.acts[kept.act as usize].seq);
            tally.saw_if(noted.wall > noted.expected, Situation::ClockAhead);
        }
        self.report.events += 1;
        (what, at)
    }

    fn observe_units(&mut self, number: usize, what: What, at: Micros, is_asked: bool) {
        let machine = self.machines[number].as_mut().expect("it is installed");
        let chain = &mut self.chains[machine.copy.chain];
        let license = &mut self.sites[machine.license].model;
        let tally = &mut self.report.tally;
        match what {
            What::Returned { key, total } => {
                machine.copy.returned.insert(key, total);
                invariants::no_device_spends_more_than_it_was_granted(chain, &machine.copy, key);
                tally.saw(if is_asked { Situation::AskedBack } else { Situation::GivenBack });
            }
            What::Refunded { key, n, .. } => {
                for spent in [&mut machine.copy.used, &mut chain.spent, &mut license.spent] {
                    *spent.entry(key).or_default() -= n;
                }
            }
            What::Used { key, n, day } => {
                for spent in [&mut machine.copy.used, &mut chain.spent, &mut license.spent] {
                    *spent.entry(key).or_default() += n;
                }
                tally.saw_if(matches!(machine.wall, Wall::Unset { .. }), Situation::ClockUnset);
                tally.saw_if(day < period::day(at), Situation::UsedEarlier);
                tally.saw_if(machine.copy.applied.is_none(), Situation::UsedUnderInherited);
                if license.limit(key.0).is_some() {
                    invariants::spending_ends_with_the_deadline(machine.copy.applied.as_ref(), at.get());
                    self.check_spending(number, key);
                }
            }
            _ => {}
        }
    }

    fn observe_applied(&mut self, number: usize, applied: Applied) {
        let machine = self.machines[number].as_mut().expect("it is installed");
        let chain = &mut self.chains[machine.copy.chain];
        let id = self.ids[machine.copy.chain];
        invariants::a_grant_never_goes_backwards(machine.copy.applied.as_ref(), &applied, id);
        if let Some(extra) = machine.copy.extra {
            chain.copies[extra].was_granted(&applied.body);
        }
        let missed = chain.answers.range(..applied.order).next().is_some();
        chain.answers.retain(|answer| *answer > applied.order);
        self.report.tally.saw_if(missed, Situation::AnswerMissed);
        machine.copy.applied = Some(applied);
    }

    /// What must hold of all that was truly spent, after a device spent more.
    fn check_spending(&mut self, number: usize, key: Key) {
        let machine = self.machines[number].as_ref().expect("it is installed");
        let chain = &self.chains[machine.copy.chain];
        let license = &self.sites[machine.license].model;
        invariants::no_device_spends_more_than_it_was_granted(chain, &machine.copy, key);
        let chains = license.chains.iter().map(|chain| &self.chains[*chain]);
        let by_copies = if self.sites[machine.license].has_copies {
            chains.map(|chain| chain.exposure(key)).sum()
        } else {
            0
        };
        invariants::spending_stays_within_limit_and_exposure(license, by_copies, key);
        if !chain.copies.is_empty() {
            invariants::copies_spend_at_most_what_was_held(chain, key);
            let spent = |units: &BTreeMap<Key, u64>| units.get(&key).copied().unwrap_or_default();
            let beyond = spent(&chain.spent) > chain.ever_granted(key);
            self.report.tally.saw_if(beyond, Situation::CopiesSpentBeyondGrant);
            let most = license.highest.get(&key.0).copied().unwrap_or_default();
            self.report.tally.saw_if(spent(&license.spent) > most, Situation::CopiesSpentBeyondLimit);
        }
    }
}

/// The grant that a command applied.
pub(super) fn applied(command: &Command, answer: &Result<Done, DeviceError>) -> Option<Applied> {
    let (Command::Apply(offered), Ok(Done::Applied)) = (command, answer) else { return None };
    Some(Applied {
        order: (offered.verified.body.epoch.0, offered.verified.seq.0),
        issued_at: offered.verified.issued_at.get(),
        body: Rc::new(offered.verified.body.clone()),
        grant: Rc::new(offered.grant.clone()),
    })
}

/// Where the log holds the event that a grant acknowledges.
fn acknowledged(applied: &Applied) -> usize {
    usize::try_from(applied.body.ack.seq.0).expect("a place in memory") - 1
}

/// The last known time with what has passed since.
fn expected((known, since): (u64, Option<u64>), now: u64) -> u64 {
    known + since.map_or(0, |since| now - since)
}

/// What the model knows an event as.
fn what(event: &Event) -> What {
    match &event.body {
        Body::FeatureConsumed(consumed) => {
            let used_at = consumed.used_at.map_or(event.at, |used_at| used_at.min(event.at));
            let key = (consumed.feature.0, consumed.period.number());
            What::Used { key, n: consumed.n.get(), day: period::day(used_at) }
        }
        Body::FeatureRefunded(refunded) => What::Refunded {
            key: (refunded.feature.0, refunded.period.number()),
            n: refunded.n.get(),
            day: period::day(event.at),
        },
        Body::FingerprintChanged(changed) => What::Hardware(machine::hardware(&changed.fingerprint)),
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
