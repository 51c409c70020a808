//! The store on SQL: what each unit of work reads and writes, the same for every database.
//!
//! A database carries out statements of one registry in transactions of its own kind. What a unit of work decides
//! happens between reading and writing, in the ledger crate.

mod catalog;
pub(super) mod database;
mod known;
mod license;
mod lists;
mod quarantine;
mod rebuild;
mod runs;
pub(super) mod statements;

use std::collections::BTreeSet;
use std::path::Path;

use ledger::authority::{Issuer, License};
use ledger::catalog::{Catalog, revocations};
use ledger::known::KnownSince;
use ledger::rows::{HistoryEntry, StoredRun, Variable};
use schemas::bundle::Attachment;
use schemas::grant::{Grant, Revocations};
use schemas::ids::{ChainId, Commitment, KeyReference, LicenseId, Salt};
use schemas::numbers::{Micros, Seq};
use schemas::text::Text;

use self::database::{Access, Database};
use self::license::StoredEvidence;
use super::views::{
    ActivationFilter, ActivationSummary, EvidenceRow, ForkRow, LicenseFilter, LicenseSummary, Mismatch,
    NewQuarantine, QuarantineEntry, UsageFilter, UsageRow,
};
use super::{Change, ChangeCatalog, ChangeLicense, Store, StoreError};

/// How often a unit of work is tried when another one came first.
const ATTEMPTS: u32 = 8;

/// A ledger in a database.
#[derive(Debug)]
pub struct SqlStore<D> {
    db: D,
}

impl<D: Database> SqlStore<D> {
    /// The ledger in this database, whose tables are of the newest version.
    pub(super) fn new(db: D) -> Self {
        Self { db }
    }

    /// The database.
    pub(super) fn db(&mut self) -> &mut D {
        &mut self.db
    }

    /// Does `work` in a transaction, again when another unit of work came first.
    fn unit<T>(
        &mut self,
        access: Access,
        mut work: impl FnMut(&mut D) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut attempt = 1;
        loop {
            match self.try_unit(access, &mut work) {
                Err(StoreError::Overtaken) if attempt < ATTEMPTS => attempt += 1,
                Err(StoreError::Overtaken) => return Err(StoreError::Busy),
                done => return done,
            }
        }
    }

    fn try_unit<T>(
        &mut self,
        access: Access,
        work: &mut impl FnMut(&mut D) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.db.begin(access)?;
        match work(&mut self.db) {
            Ok(done) => self.db.commit().map(|()| done),
            Err(error) => {
                self.db.roll_back();
                Err(error)
            }
        }
    }

    fn read<T>(&mut self, work: impl FnMut(&mut D) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.unit(Access::Read, work)
    }

    fn write<T>(&mut self, work: impl FnMut(&mut D) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.unit(Access::Write, work)
    }
}

impl<D: Database> Store for SqlStore<D> {
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
        self.write(|db| {
            let mut changes = Vec::new();
            for license in license::load(db, licenses, true)? {
                let id = license.id;
                changes.push(change(license, &mut StoredEvidence { db, license: id })?);
            }
            license::write(db, &changes)
        })
    }

    fn license_of_key(&mut self, reference: &KeyReference) -> Result<Option<LicenseId>, StoreError> {
        Ok(self.licenses_of_keys(&[*reference])?.pop().flatten())
    }

    fn licenses_of_keys(
        &mut self,
        references: &[KeyReference],
    ) -> Result<Vec<Option<LicenseId>>, StoreError> {
        let keys: Vec<_> = references.iter().map(|reference| vec![reference.as_bytes().into()]).collect();
        let mut found = vec![None; references.len()];
        self.db.query_each(&statements::LICENSE_OF_KEY, &keys, &mut |number, mut row| {
            found[number] = Some(LicenseId(row.fixed()?));
            Ok(())
        })?;
        Ok(found)
    }

    fn license_of_chain(&mut self, chain: &ChainId) -> Result<Option<LicenseId>, StoreError> {
        let mut license = None;
        self.db.query(&statements::LICENSE_OF_CHAIN, &[chain.as_bytes().into()], &mut |mut row| {
            license = Some(LicenseId(row.fixed()?));
            Ok(())
        })?;
        Ok(license)
    }

    fn last_place(&mut self, chain: &ChainId) -> Result<Seq, StoreError> {
        let Some(license) = self.license_of_chain(chain)? else { return Ok(Seq(0)) };
        let mut place = Seq(0);
        let values = [license.as_bytes().into(), chain.as_bytes().into()];
        self.db.query(&statements::LAST_PLACE, &values, &mut |mut row| {
            place = row.seq()?;
            Ok(())
        })?;
        Ok(place)
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

    fn licenses(&mut self, filter: &LicenseFilter) -> Result<Vec<LicenseSummary>, StoreError> {
        lists::licenses(&mut self.db, filter)
    }

    fn activations(&mut self, filter: &ActivationFilter) -> Result<Vec<ActivationSummary>, StoreError> {
        lists::activations(&mut self.db, filter)
    }

    fn history(&mut self, license: &LicenseId) -> Result<Vec<HistoryEntry>, StoreError> {
        self.read(|db| lists::history(db, license))
    }

    fn variables(
        &mut self,
        license: &LicenseId,
        chain: &ChainId,
    ) -> Result<Vec<(Text, Variable)>, StoreError> {
        lists::variables(&mut self.db, license, chain)
    }

    fn known(&mut self, license: &LicenseId) -> Result<KnownSince, StoreError> {
        self.read(|db| known::since(db, license))
    }

    fn usage(
        &mut self,
        filter: &UsageFilter,
        each: &mut dyn FnMut(UsageRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        lists::usage(&mut self.db, filter, each)
    }

    fn runs(
        &mut self,
        license: Option<&LicenseId>,
        each: &mut dyn FnMut(&LicenseId, StoredRun) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.read(|db| runs::each(db, license, each))
    }

    fn catalog_runs(&mut self) -> Result<Vec<StoredRun>, StoreError> {
        catalog::runs(&mut self.db)
    }

    fn attachment(
        &mut self,
        license: Option<&LicenseId>,
        commitment: &Commitment,
    ) -> Result<Option<Attachment>, StoreError> {
        let mut found = None;
        let mut take = |mut row: database::Row| {
            found =
                Some(Attachment { commitment: *commitment, salt: Salt(row.fixed()?), value: row.bytes()? });
            Ok(())
        };
        let name = commitment.as_bytes().into();
        match license {
            Some(license) => {
                let values = [license.as_bytes().into(), name];
                self.db.query(&statements::ATTACHMENT, &values, &mut take)?;
            }
            None => self.db.query(&statements::CATALOG_ATTACHMENT, &[name], &mut take)?,
        }
        Ok(found)
    }

    fn evidence(&mut self) -> Result<Vec<EvidenceRow>, StoreError> {
        lists::evidence(&mut self.db)
    }

    fn forks(&mut self) -> Result<Vec<ForkRow>, StoreError> {
        lists::forks(&mut self.db)
    }

    fn findings(&mut self) -> Result<Vec<(LicenseId, ChainId, Seq, String)>, StoreError> {
        lists::findings(&mut self.db)
    }

    fn put_in_quarantine(&mut self, entries: &[NewQuarantine], now: Micros) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        self.write(|db| quarantine::put(db, entries, now))
    }

    fn quarantine(&mut self) -> Result<Vec<QuarantineEntry>, StoreError> {
        quarantine::list(&mut self.db)
    }

    fn quarantined_bytes(&mut self, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
        quarantine::bytes(&mut self.db, id)
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

    fn copy_to(&mut self, path: &Path, progress: &mut dyn FnMut(u64)) -> Result<(), StoreError> {
        self.db.copy_to(path, progress)
    }

    fn version(&mut self) -> Result<String, StoreError> {
        self.db.version()
    }
}
