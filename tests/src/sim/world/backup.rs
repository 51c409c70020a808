//! The vendor's ledger goes back to an old copy, and takes back from what devices enclose what the copy had lost.

use schemas::numbers::Epoch;

use super::super::agenda::DAY;
use super::super::invariants;
use super::super::model;
use super::super::office::{Fate, Shelf};
use super::super::situations::Situation;
use super::{Next, World};

/// A copy of all that the vendor keeps, and what the model knew of it then.
#[derive(Debug)]
pub(super) struct Backup {
    shelves: Vec<Shelf>,
    terms: Vec<schemas::terms::Terms>,
    chains: Vec<model::Chain>,
}

impl World<'_> {
    pub(super) fn back_up_ledger(&mut self) {
        self.ledger_backup = Some(Backup {
            shelves: self.sites.iter().map(|site| site.file.shelf.clone()).collect(),
            terms: self.sites.iter().map(|site| site.model.terms.clone()).collect(),
            chains: self.chains.clone(),
        });
        let pause = self.chance.between(5 * DAY, 60 * DAY);
        self.agenda.add(self.now + pause, Next::RestoreLedger);
    }

    pub(super) fn restore_ledger(&mut self) {
        let Some(backup) = self.ledger_backup.take() else { return };
        for (site, (shelf, terms)) in self.sites.iter_mut().zip(backup.shelves.into_iter().zip(backup.terms))
        {
            site.file.restore(shelf);
            site.model.change(terms);
            site.denied.clear();
            let sealed = &site.file.license().periods;
            site.model.sealed.retain(|key, _| sealed.contains_key(&invariants::ledger_key(*key)));
        }
        let mut before = backup.chains.into_iter();
        for chain in &mut self.chains {
            let lost = chain.go_back(before.next());
            let exposed = &mut self.sites[chain.license].model.exposed;
            for (key, n) in lost {
                *exposed.entry(key).or_default() += n;
            }
        }
        for license in 0..self.sites.len() {
            let file = &mut self.sites[license].file;
            let next = Epoch(file.license().epoch.0 + 1);
            let done = file.work(self.keys, self.now, Fate::Kept, |draft, _| draft.raise_epoch(next));
            done.expect("a short event");
        }
        for number in 0..self.chains.len() {
            self.check(number);
        }
        self.tally().saw(Situation::LedgerRestored);
        let pause = self.chance.between(10 * DAY, 100 * DAY);
        self.agenda.add(self.now + pause, Next::BackUpLedger);
    }
}
