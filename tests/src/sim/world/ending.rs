//! The end of a world: everything that lives reports once more without a loss, and all of it is checked as a whole.

use std::collections::{BTreeMap, BTreeSet};

use ledger::device::{Command, Done};
use ledger::digest;
use ledger::evidence::Chain;
use ledger::rows::Rows;
use ledger::run::VerifiedRun;
use schemas::ids::ChainId;
use schemas::numbers::{FeatureNumber, Total};
use schemas::period::Period;

use super::super::invariants;
use super::super::machine::{self, Wall};
use super::super::model::Days;
use super::super::office::{Fate, File, Stop};
use super::World;

impl World<'_> {
    pub(super) fn end(&mut self) {
        for machine in self.machines.iter_mut().flatten() {
            machine.wall = Wall::Off(0);
        }
        let mut refused = BTreeSet::new();
        for is_last in [false, false, false, true] {
            for number in 0..self.machines.len() {
                if !self.report_safely(number, is_last) {
                    refused.insert(number);
                }
            }
        }
        for (_, machine) in self.machines.iter().enumerate().filter(|(number, _)| !refused.contains(number)) {
            let Some(machine) = machine.as_ref().filter(|machine| machine.is_alive) else { continue };
            let archive = machine.archive.iter().map(|archived| (&archived.disk, &archived.copy));
            // What a ledger lost of a chain after it acknowledged its end is not sent again.
            let is_sent = archive.clone().all(|(_, copy)| self.chains[copy.chain].lost_acts.is_empty());
            for (disk, copy) in archive.chain([(&machine.disk, &machine.copy)]).filter(|_| is_sent) {
                let chain = &self.chains[copy.chain];
                let all = disk.log.iter().all(|kept| chain.acts[kept.act as usize].attached);
                assert!(all, "what was acknowledged has arrived");
            }
        }
        for license in 0..self.sites.len() {
            for key in self.keys_in_use(license) {
                if self.sites[license].model.limit(key.0).is_some() {
                    self.conserved(license, key);
                }
            }
            self.fold_again(license);
            self.merge_in_another_order(license);
        }
    }

    /// A report and its answer, both carried safely; an answer that is too late to be applied is written anew. Applying
    /// one is an event of its own, which the last report leaves out. False for a device that cannot apply it: a copy
    /// whose history the vendor does not acknowledge, or a clock that no grant can cure.
    fn report_safely(&mut self, number: usize, is_last: bool) -> bool {
        if self.living(number).is_none() {
            return true;
        }
        self.wake(number);
        let (from, end) = self.unreported(number);
        let letter = self.letter(number, from, end, true);
        self.merge(&letter, Fate::Kept);
        is_last || self.apply_newest(number) || {
            self.refresh_chain(self.machines[number].as_ref().expect("it is alive").copy.chain);
            self.apply_newest(number)
        }
    }

    /// Whether the device took the newest grant of its chain, or has it; also where there is none.
    fn apply_newest(&mut self, number: usize) -> bool {
        let archive = &self.machine(number).archive;
        let archived: Vec<usize> = archive.iter().map(|archived| archived.copy.chain).collect();
        let answers = self.answers_of(&archived);
        self.hear_of_archive(number, &answers);
        let chain = self.machine(number).copy.chain;
        let license = self.chains[chain].license;
        let Some(grant) = self.sites[license].file.shelf.grant(&self.ids[chain]).cloned() else {
            return true;
        };
        let offered = machine::believe(&grant, &self.keys.root);
        !matches!(self.perform(number, &Command::Apply(offered)), Some(Ok(Done::NotApplied(_)) | Err(_)))
    }

    /// A projection equals the fold of what is kept.
    fn fold_again(&mut self, license: usize) {
        let file = &mut self.sites[license].file;
        let (folded, Rows { usage, .. }) = file.shelf.fold();
        assert_eq!(*file.shelf.usage(), usage);
        assert!(folded == *file.license(), "the fold gives the licence as it stands");
        self.check_days(license);
    }

    fn check_days(&mut self, license: usize) {
        let mut told: BTreeMap<usize, Days> = BTreeMap::new();
        for ((id, feature, period, day), sum) in self.sites[license].file.shelf.usage() {
            let key = (feature.0, period.number());
            told.entry(self.by_id[id]).or_default().insert((key, *day), (sum.n, sum.refunded));
        }
        for number in &self.sites[license].model.chains {
            let told = told.remove(number).unwrap_or_default();
            invariants::usage_stands_on_its_days(&told, &self.chains[*number].days);
        }
    }

    /// Merging is free of order: the same runs in another order, cut into other units of work, with repeats.
    fn merge_in_another_order(&mut self, license: usize) {
        let terms = self.sites[license].model.terms.clone();
        let is_trial = self.sites[license].is_trial;
        let mut other = File::issue(self.keys, license, self.now, terms, is_trial);
        let mut runs: Vec<VerifiedRun> = self.sites[license].file.shelf.arrived.clone();
        let repeats: Vec<VerifiedRun> = runs.iter().step_by(16).cloned().collect();
        runs.extend(repeats);
        self.chance.shuffle(&mut runs);
        // Units of work of up to 48 runs of all chains.
        for part in runs.chunks_mut(48) {
            part.sort_by_key(VerifiedRun::chain);
            let of_chains = part.chunk_by(|one, next| one.chain() == next.chain());
            let stops =
                of_chains.map(|runs| Stop { chain: runs[0].chain(), runs: runs.to_vec(), enclosed: None });
            other.merge(self.keys, self.now, Fate::Kept, &stops.collect::<Vec<_>>());
        }
        let file = &mut self.sites[license].file;
        let chains: Vec<ChainId> = file.license().chains.keys().copied().collect();
        assert_eq!(other.license().chains.keys().copied().collect::<Vec<_>>(), chains);
        let mut evidence = [Vec::new(), Vec::new()];
        for id in chains {
            let held = file.chain(&id).expect("it is known");
            let again = other.chain(&id).expect("it is known");
            assert_eq!(again.fork, held.fork);
            assert_eq!(again.closed_at, held.closed_at);
            assert_eq!(sums(again), sums(held));
            assert_eq!(again.missing(), held.missing());
            for (evidence, held) in evidence.iter_mut().zip([held, again]) {
                evidence.push(invariants::evidence_of(id, held));
            }
        }
        assert_eq!(*other.shelf.usage(), *file.shelf.usage());
        let digests = evidence.map(|chains| digest::of_license(&file.license().id, &chains));
        assert_eq!(digests[0], digests[1], "one digest, whatever the order");
    }
}

/// What is used, refunded and freed. Of a fork, what the trunk states depends on which branch came first and is called
/// the trunk.
fn sums(chain: &Chain) -> Vec<(FeatureNumber, Period, [Total; 3])> {
    let sums = chain.meters.iter();
    sums.map(|((feature, period), meter)| (*feature, *period, [meter.used, meter.refunded, meter.freed]))
        .collect()
}
