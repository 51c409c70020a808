//! The store on SQL: what each unit of work reads and writes, the same for every database.
//!
//! A database carries out statements of one registry in transactions of its own kind. What a unit of work decides
//! happens between reading and writing, in the ledger crate.

mod catalog;
mod copy;
pub(super) mod database;
mod known;
mod license;
mod lists;
mod packing;
mod quarantine;
mod rebuild;
mod requests;
mod runs;
pub(super) mod statements;
mod tokens;
mod webhooks;

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;
use std::time::Duration;

use ledger::authority::{Issuer, License};
use ledger::catalog::{Catalog, revocations};
use ledger::known::KnownSince;
use ledger::rows::{BranchNumber, HistoryEntry, StoredRun, Variable};
use schemas::bundle::Attachment;
use schemas::grant::{Grant, Revocations};
use schemas::ids::{ChainId, Commitment, Digest, HookId, KeyReference, LicenseId, MessageId};
use schemas::numbers::{Micros, Seq};
use schemas::text::Text;
use schemas::typed::ChainReference;

use self::database::{Access, Database};
use super::durable::Durable;
use super::views::{
    ActivationFilter, ActivationSummary, EvidenceRow, ForkRow, GrantAt, KeptRequest, LicenseFilter,
    LicenseSummary, Mismatch, NewQuarantine, Packed, PlacedTable, QuarantineEntry, RunPlace, Tail, Token,
    UsageFilter, UsageRow,
};
use super::{Change, ChangeCatalog, ChangeLicense, ChangeLicenses, Store, StoreError};
use crate::webhooks::{Delivery, DeliveryFilter, Hook, Settled};

/// How often a unit of work is tried when another one came first or the connection was lost: for about ten seconds.
const ATTEMPTS: u32 = 12;
/// How long is waited before the second try; twice as long before each one after it, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A ledger in a database.
#[derive(Debug)]
pub struct SqlStore {
    db: Box<dyn Database>,
    /// The same database, for units of work at the same time.
    beside: Vec<Box<dyn Database>>,
}

impl SqlStore {
    /// The ledger in this database, whose tables are of the newest version.
    pub(super) fn new(db: impl Database + 'static) -> Self {
        Self::over(Box::new(db))
    }

    fn over(db: Box<dyn Database>) -> Self {
        Self { db, beside: Vec::new() }
    }

    /// Lets `change` work on licences in as many transactions at once as the database is good for, each with licences that
    /// follow each other.
    fn side_by_side(
        &mut self,
        licenses: &BTreeSet<LicenseId>,
        change: &ChangeLicenses<'_>,
    ) -> Result<(), StoreError> {
        let at_once = self.db.writers_at_once().clamp(1, licenses.len().max(1));
        while self.beside.len() + 1 < at_once {
            self.beside.push(self.db.another()?);
        }
        let in_order: Vec<LicenseId> = licenses.iter().copied().collect();
        let mut parts = in_order.chunks(in_order.len().div_ceil(at_once).max(1));
        let first = parts.next().unwrap_or_default();
        let work = |db: &mut dyn Database, part: &[LicenseId]| {
            let part: BTreeSet<LicenseId> = part.iter().copied().collect();
            unit(db, Access::WriteSoon, &mut |db| {
                license::change(db, &part, &mut |license, stored| change(license, stored))
            })
        };
        thread::scope(|scope| {
            let others: Vec<_> = parts
                .zip(&mut self.beside)
                .map(|(part, db)| scope.spawn(|| work(db.as_mut(), part)))
                .collect();
            let first = work(self.db.as_mut(), first);
            let others =
                others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
            others.fold(first, Result::and)
        })
    }

    /// Folds the sources into tables that are new.
    pub(super) fn rebuild_in(db: &mut dyn Database) -> Result<(), StoreError> {
        in_transaction(db, Access::Write, &mut |db| rebuild::in_place(db, 1, &mut |_| {}))?;
        Ok(())
    }

    fn read<T>(
        &mut self,
        mut work: impl FnMut(&mut dyn Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        unit(self.db.as_mut(), Access::Read, &mut work)
    }

    fn write<T>(
        &mut self,
        mut work: impl FnMut(&mut dyn Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        unit(self.db.as_mut(), Access::Write, &mut work)
    }
}

/// Does `work` in a transaction, again when another unit of work came first.
fn unit<T>(
    db: &mut dyn Database,
    access: Access,
    work: &mut impl FnMut(&mut dyn Database) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    for attempt in 1..ATTEMPTS {
        match in_transaction(db, access, work) {
            Err(error) if error.may_pass() => db.wait(pause(attempt)),
            done => return done,
        }
    }
    in_transaction(db, access, work)
}

fn in_transaction<T>(
    db: &mut dyn Database,
    access: Access,
    work: &mut impl FnMut(&mut dyn Database) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    if let Err(error) = db.begin(access) {
        db.roll_back();
        return Err(error);
    }
    match work(db) {
        Ok(done) => db.commit().map(|()| done),
        Err(error) => {
            db.roll_back();
            Err(error)
        }
    }
}

/// How long is waited after so many tries.
fn pause(attempts: u32) -> Duration {
    PAUSE.saturating_mul(1 << attempts.min(16)).min(LONGEST_PAUSE)
}

impl Store for SqlStore {
    fn another(&self) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(Self::over(self.db.another()?)))
    }

    fn settle(&mut self) -> Result<(), StoreError> {
        self.db.settle()
    }

    fn check_writable(&mut self) -> Result<(), StoreError> {
        self.write(|_| Ok(()))
    }

    fn catalog(&mut self) -> Result<Catalog, StoreError> {
        self.read(|db| catalog::load(db))
    }

    fn revocations(&mut self) -> Result<Revocations, StoreError> {
        self.read(|db| Ok(revocations(&catalog::issuers(db)?)))
    }

    fn change_catalog(
        &mut self,
        issuer: &Issuer,
        now: Micros,
        change: &mut ChangeCatalog<'_>,
    ) -> Result<Catalog, StoreError> {
        self.write(|db| catalog::change(db, issuer, now, change))
    }

    fn tokens(&mut self) -> Result<Vec<Token>, StoreError> {
        self.read(|db| tokens::list(db))
    }

    fn token(&mut self, digest: &Digest) -> Result<Option<Token>, StoreError> {
        self.read(|db| tokens::one_of(db, digest))
    }

    fn add_token(
        &mut self,
        issuer: &Issuer,
        now: Micros,
        token: &Token,
        name: &Attachment,
        is_first: bool,
    ) -> Result<bool, StoreError> {
        self.write(|db| {
            // Two who make the first at the same time both write the catalog's next run: one of them comes here again.
            let may = !is_first || tokens::list(db)?.is_empty();
            if may {
                tokens::add(db, issuer, now, token, name)?;
            }
            Ok(may)
        })
    }

    fn revoke_token(&mut self, issuer: &Issuer, now: Micros, token: &Token) -> Result<bool, StoreError> {
        self.write(|db| tokens::revoke(db, issuer, now, token))
    }

    fn hooks(&mut self) -> Result<Vec<Hook>, StoreError> {
        self.read(|db| webhooks::hooks(db))
    }

    fn add_hook(&mut self, hook: &Hook, most: usize) -> Result<bool, StoreError> {
        self.write(|db| webhooks::add(db, hook, most))
    }

    fn disable_hook(&mut self, hook: &HookId, now: Micros) -> Result<(), StoreError> {
        self.write(|db| webhooks::disable(db, hook, now))
    }

    fn remove_hook(&mut self, hook: &HookId) -> Result<bool, StoreError> {
        self.write(|db| webhooks::remove(db, hook))
    }

    fn put_off_deliveries(
        &mut self,
        hook: &HookId,
        now: Micros,
        until: Micros,
        limit: u64,
    ) -> Result<Vec<Delivery>, StoreError> {
        // Where nothing is due, nothing is locked.
        if self.read(|db| webhooks::due(db, hook, now, 1))?.is_empty() {
            return Ok(Vec::new());
        }
        self.write(|db| webhooks::put_off(db, hook, now, until, limit))
    }

    fn settle_deliveries(&mut self, settled: &[Settled]) -> Result<(), StoreError> {
        self.write(|db| webhooks::settle(db, settled))
    }

    fn deliveries(&mut self, filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError> {
        self.read(|db| webhooks::list(db, filter))
    }

    fn delivery(&mut self, message: &MessageId) -> Result<Option<Delivery>, StoreError> {
        self.read(|db| webhooks::one_of(db, message))
    }

    fn replay_deliveries(&mut self, deliveries: &[Delivery], now: Micros) -> Result<(), StoreError> {
        self.write(|db| deliveries.iter().try_for_each(|delivery| webhooks::replay(db, delivery, now)))
    }

    fn forget_deliveries(
        &mut self,
        after: &MessageId,
        before: Micros,
    ) -> Result<Option<MessageId>, StoreError> {
        self.write(|db| webhooks::forget_old(db, after, before))
    }

    fn tell_overdue(
        &mut self,
        now: Micros,
        after: Option<(LicenseId, ChainId)>,
    ) -> Result<Option<(LicenseId, ChainId)>, StoreError> {
        // Looking for them takes long in a large ledger, and nobody waits for it meanwhile.
        let Some(late) = self.read(|db| webhooks::find_late(db, now, after))? else { return Ok(None) };
        self.write(|db| webhooks::tell_late(db, now, &late))?;
        Ok(late.go_on())
    }

    fn create_licenses(&mut self, created: &[Change]) -> Result<bool, StoreError> {
        let taken = self.write(|db| {
            for change in created {
                if !license::claim_key(db, &change.update.license)? {
                    return Err(StoreError::KeyTaken);
                }
            }
            license::write(db, created)
        });
        match taken {
            Err(StoreError::KeyTaken) => Ok(false),
            done => done.map(|()| true),
        }
    }

    fn change_licenses(
        &mut self,
        licenses: &BTreeSet<LicenseId>,
        change: &mut ChangeLicense<'_>,
    ) -> Result<(), StoreError> {
        self.write(|db| license::change(db, licenses, change))
    }

    fn change_licenses_soon(
        &mut self,
        licenses: &BTreeSet<LicenseId>,
        change: &ChangeLicenses<'_>,
    ) -> Result<Durable, StoreError> {
        self.side_by_side(licenses, change)?;
        Ok(self.db.durable())
    }

    fn license_of_key(&mut self, reference: &KeyReference) -> Result<Option<LicenseId>, StoreError> {
        Ok(self.licenses_of_keys(&[*reference])?.pop().flatten())
    }

    fn licenses_of_keys(
        &mut self,
        references: &[KeyReference],
    ) -> Result<Vec<Option<LicenseId>>, StoreError> {
        let keys: Vec<_> = references.iter().map(|reference| vec![reference.as_bytes().into()]).collect();
        self.read(|db| {
            let mut found = vec![None; references.len()];
            db.query_each(&statements::LICENSE_OF_KEY, &keys, &mut |number, mut row| {
                found[number] = Some(LicenseId(row.fixed()?));
                Ok(())
            })?;
            Ok(found)
        })
    }

    fn license_of_chain(&mut self, chain: &ChainId) -> Result<Option<LicenseId>, StoreError> {
        self.read(|db| license::of_chain(db, chain))
    }

    fn coded_chains(
        &mut self,
        reference: Option<&ChainReference>,
    ) -> Result<Vec<(LicenseId, ChainId)>, StoreError> {
        self.read(|db| lists::coded_chains(db, reference))
    }

    fn last_place(&mut self, chain: &ChainId) -> Result<Seq, StoreError> {
        self.read(|db| match license::of_chain(db, chain)? {
            Some(license) => license::last_place(db, &license, chain),
            None => Ok(Seq(0)),
        })
    }

    fn license(&mut self, license: &LicenseId) -> Result<Option<License>, StoreError> {
        self.read(|db| Ok(license::load(db, &[*license].into(), false)?.pop()))
    }

    fn newest_grant(&mut self, license: &LicenseId, chain: &ChainId) -> Result<Option<Grant>, StoreError> {
        self.read(|db| match license::load_chain(db, license, chain)? {
            Some(license) => runs::newest_grant(db, &license, chain),
            None => Ok(None),
        })
    }

    fn grants_at(&mut self, places: &[GrantAt]) -> Result<Vec<Grant>, StoreError> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        self.read(|db| runs::grants_at(db, places))
    }

    fn licenses(&mut self, filter: &LicenseFilter) -> Result<Vec<LicenseSummary>, StoreError> {
        self.read(|db| lists::licenses(db, filter))
    }

    fn activations(&mut self, filter: &ActivationFilter) -> Result<Vec<ActivationSummary>, StoreError> {
        self.read(|db| lists::activations(db, filter))
    }

    fn history(&mut self, license: &LicenseId) -> Result<Vec<HistoryEntry>, StoreError> {
        self.read(|db| lists::history(db, license))
    }

    fn variables(
        &mut self,
        license: &LicenseId,
        chain: &ChainId,
    ) -> Result<Vec<(Text, Variable)>, StoreError> {
        self.read(|db| lists::variables(db, license, chain))
    }

    fn known(&mut self, license: &LicenseId) -> Result<KnownSince, StoreError> {
        self.read(|db| known::since(db, license))
    }

    fn usage(
        &mut self,
        filter: &UsageFilter,
        each: &mut dyn FnMut(UsageRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        // What was handed on is not handed on again: a connection that is lost here is told.
        in_transaction(self.db.as_mut(), Access::Read, &mut |db| lists::usage(db, filter, each))
    }

    fn runs(
        &mut self,
        license: Option<&LicenseId>,
        each: &mut dyn FnMut(&LicenseId, StoredRun) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        in_transaction(self.db.as_mut(), Access::Read, &mut |db| runs::each(db, license, each))
    }

    fn run_holding(
        &mut self,
        license: &LicenseId,
        branch: (&ChainId, BranchNumber),
        seq: Seq,
    ) -> Result<Option<StoredRun>, StoreError> {
        self.read(|db| runs::run_holding(db, license, branch, seq))
    }

    fn catalog_runs(&mut self) -> Result<Vec<StoredRun>, StoreError> {
        self.read(|db| catalog::runs(db))
    }

    fn attachment(
        &mut self,
        license: Option<&LicenseId>,
        commitment: &Commitment,
    ) -> Result<Option<Attachment>, StoreError> {
        self.read(|db| match license {
            Some(license) => license::attachment(db, license, commitment),
            None => catalog::attachment(db, commitment),
        })
    }

    fn evidence(&mut self) -> Result<Vec<EvidenceRow>, StoreError> {
        self.read(|db| lists::evidence(db))
    }

    fn forks(&mut self) -> Result<Vec<ForkRow>, StoreError> {
        self.read(|db| lists::forks(db))
    }

    fn findings(&mut self) -> Result<Vec<(LicenseId, ChainId, Seq, String)>, StoreError> {
        self.read(|db| lists::findings(db))
    }

    fn begin_request(
        &mut self,
        key: &Digest,
        request: &Digest,
        now: Micros,
    ) -> Result<Option<KeptRequest>, StoreError> {
        self.write(|db| requests::begin(db, key, request, now))
    }

    fn finish_request(&mut self, key: &Digest, answer: Option<&[u8]>) -> Result<(), StoreError> {
        self.write(|db| requests::finish(db, key, answer))
    }

    fn forget_requests(&mut self, before: Micros) -> Result<(), StoreError> {
        self.write(|db| requests::forget(db, before))
    }

    fn put_in_quarantine(&mut self, entries: &[NewQuarantine], now: Micros) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        self.write(|db| quarantine::put(db, entries, now))
    }

    fn quarantine(&mut self) -> Result<Vec<QuarantineEntry>, StoreError> {
        self.read(|db| quarantine::list(db))
    }

    fn quarantine_after(
        &mut self,
        after: i64,
        code: Option<&str>,
        limit: u64,
    ) -> Result<Vec<QuarantineEntry>, StoreError> {
        self.read(|db| quarantine::page(db, after, code, limit))
    }

    fn quarantine_entry(&mut self, id: i64) -> Result<Option<QuarantineEntry>, StoreError> {
        self.read(|db| quarantine::one_of(db, id))
    }

    fn quarantine_of(&mut self, chain: &ChainId) -> Result<Vec<QuarantineEntry>, StoreError> {
        self.read(|db| quarantine::of_chain(db, chain))
    }

    fn followers_in_quarantine(&mut self, chain: &ChainId) -> Result<Vec<ChainId>, StoreError> {
        self.read(|db| quarantine::followers(db, chain))
    }

    fn quarantined_from(
        &mut self,
        sources: &[&str],
        hear: &mut dyn FnMut(&str, u64),
    ) -> Result<(), StoreError> {
        let sizes = self.read(|db| quarantine::sizes(db, sources))?;
        for (code, size) in &sizes {
            hear(code, *size);
        }
        Ok(())
    }

    fn quarantined_bytes(&mut self, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|db| quarantine::bytes(db, id))
    }

    fn drop_from_quarantine(&mut self, ids: &[i64]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.write(|db| quarantine::remove(db, ids))
    }

    fn rebuild(&mut self, jobs: usize, progress: &mut dyn FnMut(u64)) -> Result<u64, StoreError> {
        self.write(|db| rebuild::in_place(db, jobs, progress))
    }

    fn compare_with_rebuild(
        &mut self,
        jobs: usize,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<Mismatch>, StoreError> {
        self.read(|db| rebuild::compare(db, jobs, progress))
    }

    fn licenses_after(&mut self, after: &LicenseId) -> Result<Vec<LicenseId>, StoreError> {
        self.read(|db| runs::licenses_after(db, after))
    }

    fn pack(&mut self, license: &LicenseId, from: &RunPlace) -> Result<Packed, StoreError> {
        // Where nothing is to be packed, nothing is locked.
        match self.read(|db| packing::nothing(db, license, from, packing::UNIT))? {
            Some(nothing) => Ok(nothing),
            None => self.write(|db| packing::pack(db, license, from, packing::UNIT)),
        }
    }

    fn long_tails(&mut self, tails: &BTreeSet<Tail>) -> Result<Vec<Tail>, StoreError> {
        self.read(|db| packing::long_tails(db, tails))
    }

    fn pack_tail(&mut self, tail: &Tail) -> Result<Packed, StoreError> {
        self.write(|db| packing::pack_tail(db, tail))
    }

    fn copy_file(&mut self, path: &Path, progress: &mut dyn FnMut(u64)) -> Result<bool, StoreError> {
        self.db.copy_file(path, progress)
    }

    fn copy_to(
        &mut self,
        target: &mut SqlStore,
        jobs: usize,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), StoreError> {
        let to = target.db.as_mut();
        in_transaction(self.db.as_mut(), Access::Read, &mut |from| {
            in_transaction(to, Access::Write, &mut |to| copy::everything(from, to, jobs, progress))
        })
    }

    fn distribute(&mut self, progress: &mut dyn FnMut()) -> Result<Vec<PlacedTable>, StoreError> {
        self.db.distribute(progress)
    }

    fn version(&mut self) -> Result<String, StoreError> {
        self.db.version()
    }
}
