//! The store on SQLite: one file, one writer at a time, any number of readers.
//!
//! WAL with `synchronous=FULL`: what was committed survives a power cut. A writer waits five seconds for another
//! one and then is refused as busy.

mod catalog;
mod copy;
mod evidence;
mod known;
mod license;
mod lists;
mod periods;
mod quarantine;
mod rebuild;
mod rows;
mod runs;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use ledger::authority::{Issuer, License};
use ledger::catalog::{Catalog, revocations};
use ledger::known::KnownSince;
use ledger::merge::Stored;
use ledger::rows::{BranchNumber, HistoryEntry, StoredRun, Variable};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, TransactionBehavior, params};
use schemas::bundle::Attachment;
use schemas::codes::Code;
use schemas::event::Kind;
use schemas::grant::{Grant, Revocations};
use schemas::ids::{ChainId, Commitment, Digest, KeyReference, LicenseId, Link, Salt};
use schemas::migrations::LEDGER_SQLITE;
use schemas::numbers::{Micros, Seq};
use schemas::refusal::Refusal;
use schemas::text::Text;

use super::{
    ActivationFilter, ActivationSummary, Change, ChangeCatalog, ChangeLicense, EvidenceRow, ForkRow,
    LicenseFilter, LicenseSummary, Mismatch, NewQuarantine, QuarantineEntry, Store, StoreError, UsageFilter,
    UsageRow,
};

/// The least SQLite that is safe: older ones can corrupt a WAL that is reset.
const LEAST_VERSION: i32 = 3_051_003;
/// Distinguishes a ledger from other SQLite files: `CFlg`.
const APPLICATION_ID: i32 = 0x4346_6c67;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A ledger in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
}

impl SqliteStore {
    /// Makes an empty ledger at `path`, which must not exist.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        configure(&connection)?;
        bring_up_to_date(&mut connection)?;
        Ok(Self { connection })
    }

    /// Opens the ledger at `path`; `home_damaged` when there is none.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.is_file() {
            return Err(no_ledger("the ledger is missing"));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        let id: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(
            |error| match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => no_ledger("it is not a ledger"),
                _ => error.into(),
            },
        )?;
        if id != APPLICATION_ID {
            return Err(no_ledger("it is not a ledger"));
        }
        configure(&connection)?;
        bring_up_to_date(&mut connection)?;
        Ok(Self { connection })
    }

    /// An empty ledger in memory, into which a rebuild folds.
    fn in_temporary_file() -> Result<Self, StoreError> {
        // An empty name is a temporary database that SQLite keeps in memory as far as it fits and deletes on close.
        let mut connection = Connection::open("")?;
        migrate(&mut connection)?;
        Ok(Self { connection })
    }
}

fn no_ledger(what: &str) -> StoreError {
    Refusal::new(Code::HomeDamaged, what).into()
}

fn configure(connection: &Connection) -> Result<(), StoreError> {
    assert!(rusqlite::version_number() >= LEAST_VERSION, "the bundled SQLite is older than is safe");
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 16_384)?;
    connection.pragma_update(None, "cache_size", -65_536)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Brings the tables to the newest version, and folds the runs into projections that are new. The version is noted when
/// all is done: an interruption begins again.
fn bring_up_to_date(connection: &mut Connection) -> Result<(), StoreError> {
    let newest = u32::try_from(LEDGER_SQLITE.len()).expect("migrations are few");
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version < newest {
        migrate(connection)?;
        rebuild::in_place(connection, &mut |_| {})?;
        connection.pragma_update(None, "user_version", newest)?;
    }
    Ok(())
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let migrations = LEDGER_SQLITE
        .iter()
        .map(|step| refinery::Migration::unapplied(step.name, step.sql))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| StoreError::Database(Box::new(error)))?;
    refinery::Runner::new(&migrations)
        .run(connection)
        .map_err(|error| StoreError::Database(Box::new(error)))?;
    Ok(())
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Database(Box::new(error)),
        }
    }
}

impl Store for SqliteStore {
    fn catalog(&mut self) -> Result<Catalog, StoreError> {
        catalog::load(&self.connection)
    }

    fn revocations(&mut self) -> Result<Revocations, StoreError> {
        Ok(revocations(&catalog::issuers(&self.connection)?))
    }

    fn change_catalog(
        &mut self,
        issuer: &Issuer,
        now: Micros,
        change: &mut ChangeCatalog<'_>,
    ) -> Result<Catalog, StoreError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let catalog = catalog::change(&transaction, issuer, now, change)?;
        transaction.commit()?;
        Ok(catalog)
    }

    fn create_licenses(&mut self, created: Vec<Change>) -> Result<bool, StoreError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for change in created {
            if !license::claim_key(&transaction, &change.update.license)? {
                return Ok(false);
            }
            license::write(&transaction, &change)?;
        }
        transaction.commit()?;
        Ok(true)
    }

    fn change_licenses(
        &mut self,
        licenses: &BTreeSet<LicenseId>,
        change: &mut ChangeLicense<'_>,
    ) -> Result<(), StoreError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for id in licenses {
            let Some(license) = license::load(&transaction, id)? else { continue };
            let changed = change(license, &mut StoredEvidence { connection: &transaction, license: *id })?;
            license::write(&transaction, &changed)?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn license_of_key(&mut self, reference: &KeyReference) -> Result<Option<LicenseId>, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT license_id FROM license_keys WHERE reference = ?1")?;
        Ok(statement.query_row([reference.as_bytes()], |row| row.get(0)).optional()?.map(LicenseId))
    }

    fn license_of_chain(&mut self, chain: &ChainId) -> Result<Option<LicenseId>, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT license_id FROM chain_licenses WHERE chain = ?1")?;
        Ok(statement.query_row([chain.as_bytes()], |row| row.get(0)).optional()?.map(LicenseId))
    }

    fn last_place(&mut self, chain: &ChainId) -> Result<Seq, StoreError> {
        evidence::last_place(&self.connection, chain)
    }

    fn license(&mut self, license: &LicenseId) -> Result<Option<License>, StoreError> {
        // One read transaction, so that the tables of a licence agree with each other.
        let transaction = self.connection.transaction()?;
        license::load(&transaction, license)
    }

    fn newest_grant(&mut self, license: &LicenseId, chain: &ChainId) -> Result<Option<Grant>, StoreError> {
        let transaction = self.connection.transaction()?;
        runs::newest_grant(&transaction, license, chain)
    }

    fn licenses(&mut self, filter: &LicenseFilter) -> Result<Vec<LicenseSummary>, StoreError> {
        lists::licenses(&self.connection, filter)
    }

    fn activations(&mut self, filter: &ActivationFilter) -> Result<Vec<ActivationSummary>, StoreError> {
        lists::activations(&self.connection, filter)
    }

    fn history(&mut self, license: &LicenseId) -> Result<Vec<HistoryEntry>, StoreError> {
        lists::history(&self.connection, license)
    }

    fn variables(
        &mut self,
        license: &LicenseId,
        chain: &ChainId,
    ) -> Result<Vec<(Text, Variable)>, StoreError> {
        lists::variables(&self.connection, license, chain)
    }

    fn known(&mut self, license: &LicenseId) -> Result<KnownSince, StoreError> {
        known::since(&self.connection, license)
    }

    fn usage(
        &mut self,
        filter: &UsageFilter,
        each: &mut dyn FnMut(UsageRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        lists::usage(&self.connection, filter, each)
    }

    fn runs(
        &mut self,
        license: Option<&LicenseId>,
        each: &mut dyn FnMut(&LicenseId, StoredRun) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        runs::each(&self.connection, license, each)
    }

    fn catalog_runs(&mut self) -> Result<Vec<StoredRun>, StoreError> {
        catalog::runs(&self.connection)
    }

    fn attachment(
        &mut self,
        license: Option<&LicenseId>,
        commitment: &Commitment,
    ) -> Result<Option<Attachment>, StoreError> {
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Attachment { commitment: *commitment, salt: Salt(row.get(0)?), value: row.get(1)? })
        };
        let found = match license {
            Some(license) => self
                .connection
                .prepare_cached(
                    "SELECT salt, value FROM attachments WHERE license_id = ?1 AND commitment = ?2",
                )?
                .query_row(params![license.as_bytes(), commitment.as_bytes()], read),
            None => self
                .connection
                .prepare_cached("SELECT salt, value FROM catalog_attachments WHERE commitment = ?1")?
                .query_row([commitment.as_bytes()], read),
        };
        Ok(found.optional()?)
    }

    fn evidence(&mut self) -> Result<Vec<EvidenceRow>, StoreError> {
        lists::evidence(&self.connection)
    }

    fn forks(&mut self) -> Result<Vec<ForkRow>, StoreError> {
        lists::forks(&self.connection)
    }

    fn findings(&mut self) -> Result<Vec<(LicenseId, ChainId, Seq, String)>, StoreError> {
        lists::findings(&self.connection)
    }

    fn put_in_quarantine(&mut self, entries: &[NewQuarantine], now: Micros) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        quarantine::put(&transaction, entries, now)?;
        transaction.commit()?;
        Ok(())
    }

    fn quarantine(&mut self) -> Result<Vec<QuarantineEntry>, StoreError> {
        quarantine::list(&self.connection)
    }

    fn quarantined_bytes(&mut self, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
        quarantine::bytes(&self.connection, id)
    }

    fn drop_from_quarantine(&mut self, ids: &[i64]) -> Result<(), StoreError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        quarantine::remove(&transaction, ids)?;
        transaction.commit()?;
        Ok(())
    }

    fn rebuild(&mut self, progress: &mut dyn FnMut(u64)) -> Result<u64, StoreError> {
        rebuild::in_place(&mut self.connection, progress)
    }

    fn compare_with_rebuild(&mut self, progress: &mut dyn FnMut(u64)) -> Result<Vec<Mismatch>, StoreError> {
        let mut second = Self::in_temporary_file()?;
        rebuild::compare(&mut self.connection, &mut second.connection, progress)
    }

    fn copy_to(&mut self, path: &Path, progress: &mut dyn FnMut(u64)) -> Result<(), StoreError> {
        copy::into(&mut self.connection, path, progress)
    }

    fn version(&mut self) -> Result<String, StoreError> {
        Ok(format!("SQLite {}", rusqlite::version()))
    }
}

/// What is stored of one licence's chains, as the unit of work sees it.
struct StoredEvidence<'a> {
    connection: &'a Connection,
    license: LicenseId,
}

impl Stored<StoreError> for StoredEvidence<'_> {
    fn run_holding(
        &mut self,
        chain: &ChainId,
        branch: BranchNumber,
        seq: Seq,
    ) -> Result<StoredRun, StoreError> {
        let run = runs::run_holding(self.connection, &self.license, (chain, branch), seq)?;
        run.ok_or(StoreError::Damaged("run"))
    }

    fn authority_link(&mut self, chain: &ChainId, seq: Seq) -> Result<Option<Link>, StoreError> {
        let run = runs::run_holding(self.connection, &self.license, (chain, 0), seq)?;
        Ok(run.and_then(|run| run.link_at(seq)))
    }

    fn history(
        &mut self,
        chain: &ChainId,
        kind: Kind,
        hear: &mut dyn FnMut(&HistoryEntry),
    ) -> Result<(), StoreError> {
        lists::history_of_kind(self.connection, &self.license, (*chain, kind), hear)
    }

    fn parked(&mut self, chain: &ChainId, name: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        evidence::parked_bytes(self.connection, &self.license, chain, name)
    }
}

/// An unsigned number as SQLite keeps it. What is stored is far below 2⁶³; what is only looked for may be anything.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number as it was stored by [`int`].
fn uint(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Damaged("number"))
}

fn micros(number: i64) -> Result<Micros, StoreError> {
    uint(number).map(Micros::new)
}

fn optional_micros(number: Option<i64>) -> Result<Option<Micros>, StoreError> {
    number.map(micros).transpose()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_ledger_that_is_missing_or_something_else_makes_a_damaged_home() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("ledger.db");
        let code = || SqliteStore::open(&path).err().map(|error| Refusal::from(error).code());
        assert_eq!(code(), Some(Code::HomeDamaged), "missing");
        assert!(!path.exists(), "nothing was made in its place");
        for garbage in [Vec::new(), vec![b'x'; 8_192]] {
            fs::write(&path, garbage).expect("writable");
            assert_eq!(code(), Some(Code::HomeDamaged));
        }
        fs::remove_file(&path).expect("just written");
        Connection::open(&path)
            .and_then(|other| other.execute_batch("CREATE TABLE t (a)"))
            .expect("another database");
        assert_eq!(code(), Some(Code::HomeDamaged), "another program's database");
        fs::remove_file(&path).expect("just written");
        drop(SqliteStore::create(&path).expect("writable"));
        assert_eq!(code(), None);
    }
}
