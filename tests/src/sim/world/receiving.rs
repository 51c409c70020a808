//! What the vendor does with reports that arrive, and what must hold of its ledger after each.

use std::collections::BTreeSet;

use ledger::chain::Head;
use ledger::run::verify_device;
use schemas::grant::{GrantBody, GrantStatus};
use schemas::numbers::{Epoch, Micros};

use super::super::agenda::DAY;
use super::super::invariants::{self, Account, Frees};
use super::super::model;
use super::super::model::{Arrival, Key, What, periods};
use super::super::office::{Fate, Stop, text};
use super::super::situations::Situation;
use super::{Letter, Part, World};

/// A chain at the vendor's before a report.
#[derive(Clone, Copy, Debug)]
struct Found {
    status: Option<GrantStatus>,
    /// Whether its newest answer comes too late, or from before a restore.
    is_outdated: bool,
}

impl World<'_> {
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
            self.answer_to(letter);
        }
    }

    fn receive_damaged(&mut self, letter: &Letter) {
        let mut bytes = letter.parts[0].bytes.clone();
        let at = self.chance.below(bytes.len());
        bytes[at] ^= 1 << self.chance.below(8);
        assert!(verify_device(&bytes).is_err(), "a damaged report is refused");
        self.tally().saw(Situation::DamagedReport);
    }

    /// The vendor takes a report in, licence by licence, up to the point where its process ends.
    pub(super) fn merge(&mut self, letter: &Letter, fate: Fate) {
        let of_license = |part: &Part| self.chains[part.chain].license;
        let licenses: BTreeSet<usize> = letter.parts.iter().map(of_license).collect();
        let devices: BTreeSet<usize> = letter.parts.iter().map(|part| part.from).collect();
        let tally = &mut self.report.tally;
        let is_followed = |part: &Part| self.chains[part.chain].follows.is_some_and(|old| letter.holds(old));
        tally.saw_if(letter.parts.iter().any(is_followed), Situation::SeveralChains);
        tally.saw_if(devices.len() > 1, Situation::Gathered);
        tally.saw_if(licenses.len() > 1, Situation::GatheredOfLicenses);
        for license in licenses {
            let mut parts: Vec<&Part> = letter.parts.iter().collect();
            parts.retain(|part| self.chains[part.chain].license == license);
            // A successor's runs come after those of the chain that it follows.
            parts.sort_by_key(|part| (self.ancestors(part.chain), part.chain));
            self.merge_into(license, letter, &parts, fate);
        }
    }

    fn ancestors(&self, chain: usize) -> usize {
        std::iter::successors(self.chains[chain].follows, |chain| self.chains[*chain].follows).count()
    }

    fn merge_into(&mut self, license: usize, letter: &Letter, parts: &[&Part], fate: Fate) {
        let of_chains: Vec<&[&Part]> = parts.chunk_by(|one, next| one.chain == next.chain).collect();
        let stops: Vec<Stop> = of_chains.iter().map(|parts| self.stop(parts)).collect();
        let before = self.sites[license].file.license().head;
        let found: Vec<Found> = of_chains.iter().map(|parts| self.found(parts[0].chain)).collect();
        self.report.merges += 1;
        let merged = self.sites[license].file.merge(self.keys, self.now, fate, &stops);
        if fate == Fate::LostBeforeKeeping {
            self.tally().saw(Situation::VendorLostDecision);
            assert_eq!(self.sites[license].file.license().head, before, "what was not kept is not there");
            for parts in &of_chains {
                self.check(parts[0].chain);
            }
            return;
        }
        let mut is_news = false;
        for (parts, merged) in of_chains.iter().zip(&merged) {
            let chain = parts[0].chain;
            let acts: Vec<u32> = parts.iter().flat_map(|part| part.acts.iter().copied()).collect();
            let arrival = self.arrive(chain, &acts);
            self.observe_arrival(letter, chain, &acts, &arrival);
            for (key, free) in &merged.raised {
                invariants::free_is_not_negative_at_a_raise(*free, (key.0.0, key.1.number()));
            }
            self.tally().saw_if(merged.took_back, Situation::GrantTakenBack);
            is_news |= arrival.new > 0 || merged.took_back;
        }
        self.observe_grants(license, stops.len() > 1);
        self.tally().saw_if(fate == Fate::KeptButReportedFailed, Situation::VendorToldOfFailure);
        if fate == Fate::KeptButReportedFailed || letter.number.is_multiple_of(16) {
            self.merge_again(license, &stops);
        }
        self.tally().saw_if(fate == Fate::EndedAfterKeeping, Situation::VendorKeptUnanswered);
        for (parts, found) in of_chains.iter().zip(&found) {
            let chain = parts[0].chain;
            self.check(chain);
            if self.chains[chain].begun {
                invariants::an_answer_can_be_applied(&self.chains[chain], self.now);
            }
            let denied = Some(GrantStatus::Denied);
            let again = found.status == denied && self.chains[chain].status == denied;
            self.tally().saw_if(again, Situation::AskedAgainInVain);
        }
        if !is_news {
            let chains: Vec<usize> = of_chains.iter().map(|parts| parts[0].chain).collect();
            self.check_idempotence(license, &chains, &found, before);
        }
    }

    /// What a report finds of one of its chains at the vendor's.
    fn found(&mut self, chain: usize) -> Found {
        let chain = &self.chains[chain];
        let epoch = self.sites[chain.license].file.license().epoch.0;
        Found { status: chain.status, is_outdated: chain.is_answer_late(self.now) || chain.newest.0 < epoch }
    }

    /// Of devices that were decided about: a denial is decided afresh. What comes too late to be applied is answered anew.
    fn check_idempotence(&mut self, license: usize, chains: &[usize], found: &[Found], before: Head) {
        let is_decided = |(chain, found): (&usize, &Found)| self.is_decided(*chain, found.status);
        if !chains.iter().zip(found).all(is_decided) {
            return;
        }
        let after = self.sites[license].file.license().head;
        if found.iter().any(|found| found.is_outdated) {
            self.tally().saw_if(after != before, Situation::AnsweredAnew);
        } else {
            invariants::merging_is_idempotent(before, after);
        }
    }

    fn stop(&self, parts: &[&Part]) -> Stop {
        let runs = parts.iter().map(|part| verify_device(&part.bytes).expect("a device signed it")).collect();
        let enclosed = parts.iter().find_map(|part| part.enclosed.clone());
        Stop { chain: self.ids[parts[0].chain], runs, enclosed }
    }

    /// Tells the model of events that arrived. A chain that begins lets its successors begin.
    fn arrive(&mut self, number: usize, acts: &[u32]) -> Arrival {
        let may_begin = self.chains[number].follows.is_none_or(|follows| self.chains[follows].begun);
        let chain = &mut self.chains[number];
        let had_begun = chain.begun;
        let arrival = chain.arrive(acts, may_begin);
        if chain.begun && !had_begun {
            let mut successors = self.sites[chain.license].model.chains.clone();
            successors.retain(|next| self.chains[*next].follows == Some(number));
            for next in successors {
                self.arrive(next, &[]);
            }
        }
        arrival
    }

    /// The same again at the same instant changes nothing, whatever it is; where it holds several chains, one of them may
    /// have made room for another that was denied.
    fn merge_again(&mut self, license: usize, stops: &[Stop]) {
        let mut chains = stops.iter().map(|stop| self.by_id[&stop.chain]);
        let is_decided = chains.all(|chain| self.is_decided(chain, self.chains[chain].status));
        let file = &mut self.sites[license].file;
        let before = file.license().head;
        file.merge(self.keys, self.now, Fate::Kept, stops);
        self.observe_grants(license, stops.len() > 1);
        if is_decided || stops.len() == 1 {
            let after = self.sites[license].file.license().head;
            invariants::merging_is_idempotent(before, after);
        }
    }

    /// Whether the vendor decided about a device for good: a denial is decided afresh.
    fn is_decided(&self, chain: usize, status: Option<GrantStatus>) -> bool {
        !matches!(status, None | Some(GrantStatus::Denied)) && self.chains[chain].waiting() == 0
    }

    fn observe_arrival(&mut self, letter: &Letter, number: usize, acts: &[u32], arrival: &Arrival) {
        let latest = self.latest_letter.entry(number).or_default();
        let overtaken = letter.number < *latest;
        *latest = letter.number.max(*latest);
        let chain = &self.chains[number];
        let tally = &mut self.report.tally;
        tally.saw_if(overtaken, Situation::Overtaken);
        tally.saw_if(arrival.new == 0, Situation::ReportKnown);
        tally.saw_if(arrival.new > 0 && arrival.known > 0, Situation::ReportOverlapped);
        tally.saw_if(self.now - letter.sent > 30 * DAY, Situation::ReportLate);
        tally.saw_if(arrival.waiting > 0 && chain.begun, Situation::EventsWaited);
        tally.saw_if(arrival.waiting > 0 && !chain.begun, Situation::ChainWithoutBeginning);
        tally.saw_if(arrival.had_waited > 0, Situation::GapFilled);
        let sent_before = |act: &&u32| chain.acts[**act as usize].sent > 1;
        let made_good = !overtaken && arrival.known == 0 && acts.iter().any(|act| sent_before(&act));
        tally.saw_if(made_good, Situation::LossMadeGood);
        tally.saw_if(arrival.parted_earlier, Situation::ForkMovedEarlier);
        tally.saw_if(arrival.parted && chain.origin.cloned, Situation::CloneForked);
        tally.saw_if(
            arrival.parted && !chain.origin.cloned && chain.origin.restored,
            Situation::RestoreForked,
        );
        let came_back = acts.iter().any(|act| match chain.acts[*act as usize].what {
            What::Used { key, .. } => chain.used_beyond_write_off(key),
            _ => false,
        });
        tally.saw_if(arrival.attached > 0 && came_back, Situation::WrittenOffCameBack);
        let stopped = arrival.parted && !arrival.parted_earlier && !chain.refunded.is_empty();
        tally.saw_if(stopped, Situation::RefundsStoppedCounting);
        tally.saw_if(chain.follows.is_some() && arrival.new > 0, Situation::SuccessorReported);
        let again = acts.iter().any(|act| chain.lost_acts.contains(act));
        tally.saw_if(arrival.new > 0 && again, Situation::EventsSentAgain);
        let status = chain.status;
        tally.saw_if(arrival.new > 0 && status == Some(GrantStatus::Suspended), Situation::SuspendedMerged);
        tally.saw_if(arrival.new > 0 && status == Some(GrantStatus::Revoked), Situation::RevokedMerged);
        tally.saw_if(arrival.new > 0 && status == Some(GrantStatus::Released), Situation::ReleasedMerged);
    }

    /// Looks at the grants of a licence that are new, in their order.
    pub(super) fn observe_grants(&mut self, license: usize, several: bool) {
        let told = std::mem::take(&mut self.sites[license].file.told);
        let mut raised = BTreeSet::new();
        for (order, body) in &told {
            let number = self.by_id[&body.device];
            self.chains[number].newest = *order;
            self.chains[number].import_until = body.import_until.map(Micros::get);
            self.chains[number].heard.told(body);
            raised.extend(self.observe_quotas(number, body));
            self.observe_requests(number, body, Some(*order) == told.last().map(|(order, _)| *order));
            self.observe_trial(number, body);
            self.observe_seat(number, body, told.len() > 1);
        }
        for key in raised {
            let free = self.conserved(license, key);
            // Of several chains in one unit of work, one may raise and the next bring debt: each was looked at by itself.
            if !several {
                invariants::free_is_not_negative_at_a_raise(free, key);
            }
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
            for period in periods(line.first, line.last) {
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
            }
        }
        raised
    }

    /// Looks at whether a grant asks for units back, where nothing but a restored ledger can have granted too many: the limit
    /// was never higher, and no units were written off or could be copied. `is_newest` of all that the licence said.
    fn observe_requests(&mut self, number: usize, body: &GrantBody, is_newest: bool) {
        let license = self.chains[number].license;
        let site = &self.sites[license];
        if body.epoch == Epoch(0) || site.has_copies || site.has_write_offs {
            return;
        }
        let is_highest = |key: &Key| site.model.limit(key.0) == site.model.highest.get(&key.0).copied();
        let is_ahead = |key: &Key| self.now < invariants::ledger_key(*key).1.end().get();
        let holds = self.chains[number].granted.keys().filter(|key| held(&self.chains[number], **key) > 0);
        let keys: Vec<Key> = holds.filter(|key| is_ahead(key) && is_highest(key)).copied().collect();
        for key in keys {
            let (feature, period) = invariants::ledger_key(key);
            let mut requests = body.return_requests.iter();
            let is_asked = requests.any(|request| (request.feature, request.period) == (feature, period));
            let is_awaited = self.is_another_awaited(number, body.epoch.0, key);
            if is_asked {
                invariants::nobody_is_asked_while_another_may_make_up_for_it(is_awaited, key);
                self.tally().saw(Situation::RestoreAskedBack);
            } else if is_newest && is_awaited && self.conserved(license, key) < 0 {
                self.tally().saw(Situation::RestoreAskedNobody);
            }
        }
    }

    /// Whether another device of the licence holds units and was not heard of in this epoch, and may still be at work.
    fn is_another_awaited(&self, number: usize, epoch: u32, key: Key) -> bool {
        let chains = &self.sites[self.chains[number].license].model.chains;
        let mut others = chains.iter().filter(|other| **other != number).map(|other| &self.chains[*other]);
        others.any(|other| {
            other.seat.is_taken && other.heard.is_awaited(epoch, self.now) && held(other, key) > 0
        })
    }

    fn observe_seat(&mut self, number: usize, body: &GrantBody, beside_another: bool) {
        let chain = &mut self.chains[number];
        let license = chain.license;
        chain.status = Some(body.status);
        chain.is_promised |= body.promises_heal();
        self.check_promise(number, body);
        let chain = &mut self.chains[number];
        match body.status {
            GrantStatus::Active if !chain.seat.is_taken => {
                (chain.seat.is_taken, chain.seat.was_given) = (true, true);
                let chains = &self.sites[license].model.chains;
                let taken = chains.iter().filter(|chain| self.chains[**chain].seat.is_taken).count();
                let most = self.sites[license].model.terms.rules.max_activations;
                let takes_over = self.is_promised(number);
                if !self.chains[number].seat.is_lost && !takes_over {
                    invariants::seats_stay_within_the_limit(taken, most);
                }
                self.observe_successor(number, body.status);
                let was_denied = self.sites[license].denied.remove(&number);
                self.tally().saw_if(was_denied, Situation::SeatGivenLater);
            }
            GrantStatus::Released if chain.seat.is_taken => {
                chain.seat.is_taken = false;
                let closed = chain.closings > 0;
                chain.is_promised &= closed;
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
            GrantStatus::Denied if body.reason == Some(text("trial_used")) => {
                self.tally().saw(Situation::TrialUsed);
            }
            GrantStatus::Denied if body.reason == Some(text("transfers_exhausted")) => {
                self.tally().saw(Situation::TransfersExhausted);
            }
            _ => {}
        }
    }

    /// Looks at what a trial's device is told. What a restored ledger lost may be given again.
    fn observe_trial(&mut self, number: usize, body: &GrantBody) {
        let chain = &self.chains[number];
        let site = &self.sites[chain.license];
        if !site.is_trial || chain.seat.is_lost || body.status != GrantStatus::Active {
            return;
        }
        let entitlement = body.entitlement.as_ref().expect("an active grant entitles");
        let until = entitlement.valid_until.expect("a trial ends");
        let dates = (entitlement.starts_at.get(), until.get());
        invariants::a_trial_keeps_its_dates(chain.trial, dates);
        if chain.trial.is_none() {
            for other in site.model.chains.iter().filter(|other| **other != number) {
                invariants::a_device_has_one_trial(chain, &self.chains[*other]);
            }
            self.chains[number].trial = Some(dates);
            self.tally().saw(Situation::TrialGiven);
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
        invariants::is_closed(chain, Some(held));
        invariants::nothing_is_free_while_a_history_goes_on(chain, held);
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
            if !held.is_closed_everywhere() {
                for key in chain.granted.keys().copied().collect::<Vec<_>>() {
                    let out = Account::of(chain, key, Frees::Returned).outstanding();
                    invariants::a_forked_device_frees_nothing(chain.outstanding.get(&key).copied(), out, key);
                    chain.outstanding.insert(key, out);
                }
            }
        }
    }
}

/// Units that a chain holds, as far as the vendor knows.
fn held(chain: &model::Chain, key: Key) -> u64 {
    Account::of(chain, key, Frees::Returned).held()
}
