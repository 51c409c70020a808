//! What the vendor's operators do to a licence.

use ledger::authority::Standing;
use ledger::grants::{self, Release};
use ledger::periods::{self, SealOrder, Sealed};
use ledger::{quotas, seats};
use schemas::event::Body;
use schemas::event::authority::{EntitlementChanged, LicenseStatusChanged, ReleaseReason};
use schemas::grant::Revocations;
use schemas::numbers::{Micros, Revision, Total};
use schemas::terms::Terms;

use super::super::agenda::DAY;
use super::super::invariants;
use super::super::model::{Key, Seat};
use super::super::office::Fate;
use super::super::situations::Situation;
use super::super::terms::units;
use super::{Next, World};

impl World<'_> {
    pub(super) fn operate(&mut self, license: usize) {
        let standing = self.sites[license].file.license().standing;
        let pause = match standing {
            Standing::Suspended => self.chance.between(2 * DAY, 15 * DAY),
            _ => self.chance.between(10 * DAY, 50 * DAY),
        };
        self.agenda.add(self.now + pause, Next::Operator(license));
        let nothing = LicenseStatusChanged { reason: None };
        match (standing, self.chance.below(40)) {
            (Standing::Suspended, _) => self.write(license, Body::LicenseResumed(nothing)),
            (Standing::Revoked, 0) => self.write(license, Body::LicenseRevoked(nothing)),
            (Standing::Active, 0..4) => self.write(license, Body::LicenseSuspended(nothing)),
            (Standing::Active, 4) if self.chance.one_in(5) => {
                self.write(license, Body::LicenseRevoked(nothing));
            }
            (_, 5..9) => self.release(license),
            (_, 9..19) => self.refresh(license),
            (_, 19..25) => self.change_limit(license),
            (_, 25..28) => self.change(license, |terms, chance| {
                terms.rules.quotas[0].share = Some(units(chance.between(5, 60)));
            }),
            (_, 28..33) if self.sites[license].has_write_offs => self.write_off(license),
            (_, 33..36) => self.seal(license),
            (_, 28..30) => self.change(license, |terms, chance| {
                terms.rules.max_activations = u32::try_from(chance.between(2, 6)).expect("few");
            }),
            _ => self.extend(license),
        }
    }

    fn write(&mut self, license: usize, body: Body) {
        let fate = self.fate();
        let file = &mut self.sites[license].file;
        let done = file.work(self.keys, self.now, fate, |draft, _| draft.write(body));
        done.expect("a short event");
        self.tally().saw_if(fate == Fate::LostBeforeKeeping, Situation::VendorLostDecision);
    }

    fn fate(&mut self) -> Fate {
        if self.chance.one_in(50) { Fate::LostBeforeKeeping } else { Fate::Kept }
    }

    fn change(&mut self, license: usize, change: impl FnOnce(&mut Terms, &mut crate::Chance)) {
        let mut terms = self.sites[license].model.terms.clone();
        change(&mut terms, &mut self.chance);
        terms.entitlement.revision = Revision(terms.entitlement.revision.0 + 1);
        let changed = EntitlementChanged { terms: terms.clone(), reason: None };
        let body = Body::EntitlementChanged(Box::new(changed));
        let file = &mut self.sites[license].file;
        let done = file.work(self.keys, self.now, Fate::Kept, |draft, _| draft.write(body));
        done.expect("short terms");
        self.sites[license].model.change(terms);
    }

    fn change_limit(&mut self, license: usize) {
        self.change(license, |terms, chance| {
            let number = chance.below(terms.rules.quotas.len());
            let rule = &mut terms.rules.quotas[number];
            let limit = rule.limit.get();
            rule.limit = units(chance.between(limit / 4, limit * 3 / 2).max(10));
            rule.overage = if chance.one_in(3) { units(limit / 10) } else { Total::ZERO };
        });
        for key in self.keys_in_use(license) {
            let free = self.conserved(license, key);
            self.tally().saw_if(free < 0, Situation::LimitBelowOut);
        }
    }

    /// Every feature and period of which something was granted.
    pub(super) fn keys_in_use(&self, license: usize) -> std::collections::BTreeSet<(u16, u32)> {
        let chains = self.sites[license].model.chains.iter();
        chains.flat_map(|chain| self.chains[*chain].granted.keys().copied()).collect()
    }

    /// Extends the licence, often only after it has expired.
    fn extend(&mut self, license: usize) {
        let soon = Micros::new(self.now + 5 * DAY);
        let until = self.sites[license].model.terms.entitlement.valid_until;
        if until.is_some_and(|until| until < soon) {
            self.change(license, |terms, chance| {
                let from = terms.entitlement.valid_until.unwrap_or_default().max(soon);
                let until = from.get() + chance.between(100, 400) * DAY;
                terms.entitlement.valid_until = Some(Micros::new(until));
            });
        }
    }

    /// A machine of the licence, by chance, with its chain.
    fn someone(&mut self, license: usize) -> Option<(usize, usize)> {
        let chains = &self.sites[license].model.chains;
        let chain = chains[self.chance.below(chains.len().max(1))..].first().copied()?;
        let is_of = |machine: &Option<super::Machine>| {
            machine.as_ref().is_some_and(|machine| machine.copy.chain == chain)
        };
        let machine = self.machines.iter().position(is_of)?;
        self.chains[chain].status.is_some().then_some((machine, chain))
    }

    /// Gives a seat back by decision.
    fn release(&mut self, license: usize) {
        let Some((machine, chain)) = self.someone(license) else { return };
        if self.chains[chain].seat != Seat::Held {
            return;
        }
        let id = self.ids[chain];
        let file = &mut self.sites[license].file;
        let done = file.work(self.keys, self.now, Fate::Kept, |draft, _| {
            let seat_free_at = draft.now();
            let why = ReleaseReason::Operator;
            let release = Release { why, seat_free_at, overridden: true, reason: None };
            grants::release(draft, id, release, Revocations::default())
        });
        done.expect("a short grant");
        self.observe_grants(license);
        self.check(chain);
        self.post(machine, chain, false);
        let pause = self.chance.between(5 * DAY, 40 * DAY);
        self.agenda.add(self.now + pause, Next::Install(machine));
    }

    /// Gives up the units of a device that is silent past its deadline, or that an operator names, and perhaps its seat.
    fn write_off(&mut self, license: usize) {
        let now = Micros::new(self.now);
        let overridden = self.chance.one_in(4);
        let held = self.sites[license].file.license();
        let silent =
            if overridden { held.activations.keys().copied().collect() } else { seats::silent(held, now) };
        if silent.is_empty() {
            return;
        }
        let id = silent[self.chance.below(silent.len())];
        let number = self.by_id[&id];
        let file = &mut self.sites[license].file;
        let given_up = quotas::write_offs(file.license(), &id, None, now, overridden);
        let given_up = given_up.expect("a silent device, or an override");
        file.work(self.keys, self.now, Fate::Kept, |draft, _| {
            given_up.iter().try_for_each(|event| draft.write(Body::QuotaWrittenOff(event.clone())))
        })
        .expect("short events");
        for event in given_up {
            let key = (event.feature.0, event.period.number());
            let (_, written_off) = self.chains[number].granted.entry(key).or_default();
            let more = event.total.get() - std::mem::replace(written_off, event.total.get());
            *self.sites[license].model.exposed.entry(key).or_default() += more;
            self.tally().saw_if(!overridden && more > 0, Situation::WrittenOff);
            self.conserved(license, key);
        }
        if self.chance.one_in(2) && !overridden && self.chains[number].seat == Seat::Held {
            self.release_silent(license, number);
        }
        self.check(number);
    }

    fn release_silent(&mut self, license: usize, number: usize) {
        let (id, now) = (self.ids[number], Micros::new(self.now));
        let file = &mut self.sites[license].file;
        let seat_free_at =
            seats::free_at(file.license(), &id, now, false).expect("it is silent and has a seat");
        let release = Release { why: ReleaseReason::Silent, seat_free_at, overridden: false, reason: None };
        let done = file.work(self.keys, self.now, Fate::Kept, |draft, _| {
            grants::release(draft, id, release, Revocations::default())
        });
        done.expect("a short grant");
        self.observe_grants(license);
        self.tally().saw(Situation::SilentReleased);
    }

    /// Writes a refresh file for a device that did not ask.
    fn refresh(&mut self, license: usize) {
        let Some((machine, chain)) = self.someone(license) else { return };
        self.refresh_chain(chain);
        self.post(machine, chain, false);
    }

    pub(super) fn refresh_chain(&mut self, chain: usize) {
        let (id, license) = (self.ids[chain], self.chains[chain].license);
        let file = &mut self.sites[license].file;
        let done = file.work(self.keys, self.now, Fate::Kept, |draft, _| {
            grants::issue_grant(draft, id, Vec::new(), Revocations::default())
        });
        done.expect("a short grant");
        self.observe_grants(license);
        self.check(chain);
    }

    /// Seals the periods that have waited long enough.
    fn seal(&mut self, license: usize) {
        let file = &mut self.sites[license].file;
        let done = file.work(self.keys, self.now, Fate::Kept, |draft, _| {
            for head in periods::not_taken_in(draft.license()) {
                grants::issue_grant(draft, head.chain, vec![head], Revocations::default())?;
            }
            periods::seal(draft, &SealOrder::default(), 0)
        });
        let Sealed { sealed, adjusted } = done.expect("short events");
        self.observe_grants(license);
        let held = self.sites[license].file.license();
        let figures: Vec<(Key, u64, u64)> = held
            .periods
            .iter()
            .map(|((feature, period), seal)| ((feature.0, period.number()), seal.used.get(), seal.adjusted()))
            .collect();
        for (key, used, adjusted) in figures {
            let chains = self.sites[license].model.chains.iter();
            let known =
                chains.map(|chain| self.chains[*chain].used.get(&key).copied().unwrap_or_default()).sum();
            let before = self.sites[license].model.sealed.insert(key, used);
            invariants::sealed_figures_stay(before, used, key);
            let is_new = before.is_none();
            invariants::seals_say_what_is_known(is_new.then_some(used), adjusted, known, key);
        }
        self.tally().saw_if(!sealed.is_empty(), Situation::PeriodSealed);
        self.tally().saw_if(!adjusted.is_empty(), Situation::PeriodAdjusted);
    }
}
