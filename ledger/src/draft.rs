//! One unit of work on one licence: events are attached and written, and every fold happens on the way.

use std::collections::{BTreeMap, BTreeSet};

use schemas::event::authority::{AuthorityRestored, LicenseIssued};
use schemas::event::{Body, Event};
use schemas::grant::{Grant, SeqRange};
use schemas::ids::{ChainId, Digest, Link};
use schemas::numbers::{Epoch, Micros, Seq};
use schemas::run::{AuthorityOrigin, DeviceOrigin, Origin};

use crate::authority::{Issuer, License};
use crate::chain::Head;
use crate::evidence::{Chain, Part, Parting};
use crate::parking::Parked;
use crate::rows::{BranchNumber, HistoryEntry, Rows, StoredRun};
use crate::run::Section;
use crate::trust;
use crate::writer::{ChainWriter, TooLong, Written};

/// A licence while a unit of work changes it. Nothing is kept until a store has written what [`Draft::finish`] gives.
#[derive(Debug)]
pub struct Draft<'a> {
    issuer: &'a Issuer,
    now: Micros,
    license: License,
    rows: Rows,
    runs: Vec<StoredRun>,
    /// The links of what was attached, by branch and the place of their first event.
    attached: BTreeMap<(ChainId, BranchNumber), BTreeMap<Seq, Vec<Link>>>,
    parked: BTreeMap<(ChainId, Digest), Vec<u8>>,
    unparked: BTreeSet<(ChainId, Digest)>,
    writer: ChainWriter,
    grants: BTreeMap<ChainId, Grant>,
}

/// What a unit of work leaves to be stored, all in one commit.
#[derive(Debug)]
pub struct Update {
    /// The licence afterwards.
    pub license: License,
    /// The rows that were added, summed or replaced.
    pub rows: Rows,
    /// The runs that were attached and written.
    pub runs: Vec<StoredRun>,
    /// The bytes of runs that wait from now on.
    pub parked: BTreeMap<(ChainId, Digest), Vec<u8>>,
    /// Runs that wait no longer.
    pub unparked: BTreeSet<(ChainId, Digest)>,
}

impl Update {
    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.parked.is_empty() && self.unparked.is_empty()
    }
}

impl<'a> Draft<'a> {
    /// Issues a licence: writes the first event of its authority chain.
    ///
    /// # Errors
    /// When the terms are longer than a reader takes.
    pub fn issue(
        issuer: &'a Issuer,
        origin: AuthorityOrigin,
        now: Micros,
        first: LicenseIssued,
    ) -> Result<Self, TooLong> {
        let license = License::issued(&origin, now, &first);
        let mut draft = Self::new(issuer, origin, license, now);
        draft.write(Body::LicenseIssued(Box::new(first)))?;
        Ok(draft)
    }

    /// Goes on with a licence as it is stored.
    pub fn resume(issuer: &'a Issuer, license: License, now: Micros) -> Self {
        Self::new(issuer, origin_of(issuer, &license), license, now)
    }

    /// Ends the authority chain where it stands and goes on with that of `epoch`, whose grants every device takes for
    /// newer. Its first event says where the one before ended.
    ///
    /// # Errors
    /// Never for such a short event; see [`Draft::write`].
    ///
    /// # Panics
    /// If `epoch` is not later than the present one.
    pub fn raise_epoch(&mut self, epoch: Epoch) -> Result<(), TooLong> {
        assert!(epoch > self.license.epoch, "an epoch is only ever raised");
        let Head { seq, link } = std::mem::replace(&mut self.license.head, Head::START);
        let ended = AuthorityRestored { epoch: self.license.epoch, seq, link };
        self.license.epoch = epoch;
        let origin = Origin::Authority(origin_of(self.issuer, &self.license));
        let before = std::mem::replace(&mut self.writer, ChainWriter::new(origin, Head::START));
        self.runs.extend(before.finish());
        self.write(Body::AuthorityRestored(Box::new(ended)))
    }

    fn new(issuer: &'a Issuer, origin: AuthorityOrigin, license: License, now: Micros) -> Self {
        Self {
            issuer,
            now,
            attached: BTreeMap::new(),
            parked: BTreeMap::new(),
            unparked: BTreeSet::new(),
            writer: ChainWriter::new(Origin::Authority(origin), license.head),
            license,
            rows: Rows::default(),
            runs: Vec::new(),
            grants: BTreeMap::new(),
        }
    }

    /// The vendor's time.
    pub fn now(&self) -> Micros {
        self.now
    }

    /// The licence as it stands so far.
    pub fn license(&self) -> &License {
        &self.license
    }

    /// The newest grant that this unit of work wrote for `chain`.
    pub fn grant(&self, chain: &ChainId) -> Option<&Grant> {
        self.grants.get(chain)
    }

    /// The link after the event at `seq` of a branch, if this unit of work attached it.
    pub(crate) fn attached_link(&self, chain: &ChainId, branch: BranchNumber, seq: Seq) -> Option<Link> {
        let (first, links) = self.attached.get(&(*chain, branch))?.range(..=seq).next_back()?;
        links.get(usize::try_from(seq.0 - first.0).ok()?).copied()
    }

    /// The run that holds the event at `seq` of a branch, if this unit of work attached it.
    pub(crate) fn attached_run(&self, chain: &ChainId, branch: BranchNumber, seq: Seq) -> Option<&StoredRun> {
        self.runs.iter().find(|run| run.chain == *chain && run.branch == branch && run.covers(seq))
    }

    /// The lifecycle events of a chain that this unit of work attached, in the order in which it did.
    pub(crate) fn attached_history<'r>(
        &'r self,
        chain: &'r ChainId,
    ) -> impl Iterator<Item = &'r HistoryEntry> {
        self.rows.history.iter().filter(|entry| entry.chain == *chain)
    }

    /// Signs `body` as the next event of the authority chain, now or just after the event before it, and folds it.
    ///
    /// # Errors
    /// When it would be longer than a reader takes; nothing was written then.
    pub fn write(&mut self, body: Body) -> Result<(), TooLong> {
        let event = Event { at: self.now.max(Micros::new(self.license.last_at.get() + 1)), body };
        let Written { before, core, signature } = self.writer.write(&event, &self.issuer.key)?;
        self.license.apply(self.writer.head(), &event, &mut self.rows);
        if let Body::GrantIssued(grant) = &event.body {
            let place = (before.seq.next(), before.link);
            let certificate = self.issuer.certificate.bytes.clone();
            let detached = trust::detach(self.writer.chain(), place, core, signature, certificate);
            self.grants.insert(grant.device, detached);
        }
        Ok(())
    }

    /// Attaches events to a branch of a device chain and folds them. The caller decided that they belong there.
    pub(crate) fn attach(
        &mut self,
        chain: ChainId,
        branch: BranchNumber,
        parting: Option<Parting>,
        origin: &DeviceOrigin,
        section: Section<'_>,
    ) {
        let known = self.license.chains.entry(chain).or_insert_with(|| Chain::new(origin.clone()));
        let head = section.head();
        let events = section.numbered().map(|(seq, linked)| (seq, &linked.event));
        let part = Part { chain, branch, parting, first_seq: section.first_seq, head, events };
        known.extend(part, &mut self.rows);
        let links = section.events.iter().map(|linked| linked.link).collect();
        self.attached.entry((chain, branch)).or_default().insert(section.first_seq, links);
        self.runs.push(StoredRun {
            chain,
            branch,
            version: section.version,
            origin: Origin::Device(origin.clone()),
            first_seq: section.first_seq,
            prev: section.prev,
            count: section.events.len() as u64,
            head,
            last_at: section.events.last().expect("a section has at least one event").event.at,
            pairs: section.pairs.to_vec(),
        });
    }

    /// Lets a run wait beside its chain.
    pub(crate) fn park(&mut self, chain: ChainId, name: Digest, span: SeqRange, bytes: Vec<u8>) {
        if let Some(known) = self.license.chains.get_mut(&chain) {
            known.parked.insert(name, Parked { span, size: bytes.len() as u64 });
            self.parked.insert((chain, name), bytes);
        }
    }

    /// The bytes of a run that waits since this unit of work.
    pub(crate) fn parked(&self, chain: &ChainId, name: &Digest) -> Option<&Vec<u8>> {
        self.parked.get(&(*chain, *name))
    }

    /// Derives what a chain's branches tell together, after the last of a unit's events was attached to it.
    pub(crate) fn settle(&mut self, chain: &ChainId) {
        if let Some(known) = self.license.chains.get_mut(chain) {
            known.settle();
        }
    }

    /// A run that waited is attached.
    pub(crate) fn unpark(&mut self, chain: ChainId, name: Digest) {
        if let Some(known) = self.license.chains.get_mut(&chain) {
            known.parked.remove(&name);
        }
        if self.parked.remove(&(chain, name)).is_none() {
            self.unparked.insert((chain, name));
        }
    }

    /// What is to be stored.
    pub fn finish(mut self) -> Update {
        self.runs.extend(self.writer.finish());
        let Self { license, rows, runs, parked, unparked, .. } = self;
        Update { license, rows, runs, parked, unparked }
    }
}

fn origin_of(issuer: &Issuer, license: &License) -> AuthorityOrigin {
    AuthorityOrigin {
        signer: issuer.certificate.id,
        product: license.product.clone(),
        environment: license.environment.clone(),
        license: license.id,
        epoch: license.epoch,
    }
}
