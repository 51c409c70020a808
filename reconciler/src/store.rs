//! The central store: what it keeps, and the complete units of work that it offers.
//!
//! No transaction, connection or SQL type crosses this trait. Each method is one unit of work: it is done, durably,
//! or it has changed nothing. What was signed is never changed once written: only how many rows its runs take is, by
//! packing; attachments may be erased, and quarantine comes and goes. Everything else follows from the runs through the folds in the ledger crate, and [`Store::rebuild`] makes it
//! anew.

mod durable;
mod postgres;
mod sql;
mod sqlite;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ledger::authority::License;
use ledger::catalog::{Catalog, CatalogDraft};
use ledger::draft::Update;
use ledger::known::KnownSince;
use ledger::merge::Stored;
use ledger::refold::RefoldError;
use ledger::rows::{BranchNumber, HistoryEntry, StoredRun, Variable};
use ledger::state::StateDamaged;
use ledger::writer::TooLong;
use schemas::bundle::Attachment;
use schemas::canonical::DecodeError;
use schemas::codes::Code;
use schemas::grant::{Grant, Revocations};
use schemas::ids::{ChainId, Commitment, Digest, HookId, KeyReference, LicenseId, MessageId};
use schemas::numbers::{FeatureNumber, Micros, Seq};
use schemas::refusal::Refusal;
use schemas::text::Text;
use schemas::typed::ChainReference;
use thiserror::Error;

pub use self::durable::Durable;
use self::postgres::Postgres;
pub use self::sql::SqlStore;
use self::sqlite::Sqlite;
pub use self::views::{
    ActivationFilter, ActivationSummary, EvidenceRow, ForkRow, GrantAt, KeptRequest, LicenseFilter,
    LicenseSummary, Mismatch, NewQuarantine, Packed, PlacedTable, Placement, QuarantineEntry, RunPlace, Tail,
    Token, UsageFilter, UsageRow,
};
use crate::webhooks::{Delivery, DeliveryFilter, Hook, Settled};

/// Why a unit of work was not done.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another process writes and did not end in time. Trying again may help.
    #[error("another process is writing to the ledger")]
    Busy,
    /// The database refused.
    #[error("the database refused")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A stored value is not what was written.
    #[error("the ledger holds a damaged {0}")]
    Damaged(&'static str),
    /// Another unit of work changed the same first; nothing was done.
    #[error("another process changed the same")]
    Overtaken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The connection to the database was lost, or there is none; nothing was done.
    #[error("no connection")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The connection was lost at the end of a unit of work: it was done, or it was not.
    #[error("the answer to a change was lost")]
    OutcomeUnknown(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A licence key that was to be given out is another licence's.
    #[error("a licence key is taken")]
    KeyTaken,
    /// The change itself was refused.
    #[error("{0}")]
    Refused(Refusal),
}

impl StoreError {
    /// Whether the same may be done a little later.
    fn may_pass(&self) -> bool {
        matches!(self, Self::Overtaken(_) | Self::Unreachable(_))
    }
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<DecodeError> for StoreError {
    fn from(_: DecodeError) -> Self {
        Self::Damaged("value")
    }
}

impl From<RefoldError> for StoreError {
    fn from(_: RefoldError) -> Self {
        Self::Damaged("event")
    }
}

impl From<StateDamaged> for StoreError {
    fn from(_: StateDamaged) -> Self {
        Self::Damaged("state")
    }
}

impl From<TooLong> for StoreError {
    fn from(error: TooLong) -> Self {
        Self::Refused(error.into())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(refusal) => refusal,
            StoreError::Busy | StoreError::Overtaken(_) | StoreError::KeyTaken => Code::Busy.into(),
            StoreError::Damaged(_) => Self::from_error(Code::AuditFailed, &error),
            StoreError::Unreachable(_) => Self::from_error(Code::StoreUnreachable, &error),
            StoreError::OutcomeUnknown(_) => Self::from_error(Code::OutcomeUnknown, &error),
            StoreError::Database(_) => Self::from_error(Code::StoreFailed, &error),
        }
    }
}

/// Where a ledger is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// In this SQLite file.
    Sqlite(PathBuf),
    /// In the PostgreSQL database at this URL, which may hold a password.
    Postgres(String),
}

impl Place {
    /// Makes an empty ledger here.
    ///
    /// # Errors
    /// `store_occupied` where there is one.
    pub fn create(&self) -> Result<SqlStore, StoreError> {
        match self {
            Self::Sqlite(path) => Sqlite::create(path),
            Self::Postgres(url) => Postgres::create(url),
        }
    }

    /// Opens the ledger that is here.
    ///
    /// # Errors
    /// `home_damaged` where there is none.
    pub fn open(&self) -> Result<SqlStore, StoreError> {
        match self {
            Self::Sqlite(path) => Sqlite::open(path),
            Self::Postgres(url) => Postgres::open(url),
        }
    }
}

/// What a unit of work leaves to be stored of one licence.
#[derive(Debug)]
pub struct Change {
    /// The licence's own.
    pub update: Update,
    /// Values beside its runs.
    pub attachments: Vec<Attachment>,
}

/// Turns a licence as it is stored into what is to be stored.
pub type ChangeLicense<'a> =
    dyn FnMut(License, &mut dyn Stored<StoreError>) -> Result<Change, StoreError> + 'a;

/// As [`ChangeLicense`], for licences that are worked on at the same time on several threads.
pub type ChangeLicenses<'a> =
    dyn Fn(License, &mut dyn Stored<StoreError>) -> Result<Change, StoreError> + Sync + 'a;

/// Writes onto the catalog as it is stored, and returns values beside its run.
pub type ChangeCatalog<'a> = dyn FnMut(&mut CatalogDraft<'_>) -> Result<Vec<Attachment>, StoreError> + 'a;

/// The central store.
pub trait Store: Send {
    /// The same ledger for other units of work at the same time, on whatever thread. Where a database is reached over
    /// connections, all of them share a few.
    fn another(&self) -> Result<Box<dyn Store>, StoreError>;

    /// Waits until all that can be read is durable: what others committed is seen before it is.
    fn settle(&mut self) -> Result<(), StoreError>;

    /// Makes sure that the ledger can be written, and leaves it as it is.
    fn check_writable(&mut self) -> Result<(), StoreError>;

    /// The catalog as it stands.
    fn catalog(&mut self) -> Result<Catalog, StoreError>;

    /// The revoked issuer certificates, without the rest of the catalog.
    fn revocations(&mut self) -> Result<Revocations, StoreError>;

    /// Lets `change` write onto the catalog, alone, and stores what it wrote: one commit.
    fn change_catalog(
        &mut self,
        issuer: &ledger::authority::Issuer,
        now: Micros,
        change: &mut ChangeCatalog<'_>,
    ) -> Result<Catalog, StoreError>;

    /// Every token, the earliest first, those that are of no more use among them.
    fn tokens(&mut self) -> Result<Vec<Token>, StoreError>;

    /// The token whose SHA-256 this is.
    fn token(&mut self, digest: &Digest) -> Result<Option<Token>, StoreError>;

    /// Keeps a new token, and writes onto the catalog that its operator, whose name is attached, may do so much: one commit.
    /// Where it is to be the first and is not, nothing is done; whether it was.
    fn add_token(
        &mut self,
        issuer: &ledger::authority::Issuer,
        now: Micros,
        token: &Token,
        name: &Attachment,
        is_first: bool,
    ) -> Result<bool, StoreError>;

    /// Makes a token useless, and writes that onto the catalog: one commit. Whether it was of use before.
    fn revoke_token(
        &mut self,
        issuer: &ledger::authority::Issuer,
        now: Micros,
        token: &Token,
    ) -> Result<bool, StoreError>;

    /// Every endpoint of webhooks, the earliest first. Units of work that begin when one is there tell it, in their own
    /// commit, what it wants to know of what they did to licences.
    fn hooks(&mut self) -> Result<Vec<Hook>, StoreError>;

    /// Keeps a new endpoint where there are fewer than `most`; whether it did.
    fn add_hook(&mut self, hook: &Hook, most: usize) -> Result<bool, StoreError>;

    /// Has nothing more told to an endpoint.
    fn disable_hook(&mut self, hook: &HookId, now: Micros) -> Result<(), StoreError>;

    /// Takes an endpoint away, or, while there are messages to it, a bounded number of them; whether it is gone.
    fn remove_hook(&mut self, hook: &HookId) -> Result<bool, StoreError>;

    /// Puts messages off to `until` that are due to an endpoint, a bounded number, those that have waited longest first.
    /// Until then nobody else is given the same. They are durable, and with them what they tell.
    fn put_off_deliveries(
        &mut self,
        hook: &HookId,
        now: Micros,
        until: Micros,
        limit: u64,
    ) -> Result<Vec<Delivery>, StoreError>;

    /// Notes what became of messages that were put off: one commit. One that somebody else was given meanwhile is left.
    fn settle_deliveries(&mut self, settled: &[Settled]) -> Result<(), StoreError>;

    /// Messages that match, the latest first.
    fn deliveries(&mut self, filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError>;

    /// One message.
    fn delivery(&mut self, message: &MessageId) -> Result<Option<Delivery>, StoreError>;

    /// Lets messages be sent again as if they never were: one commit.
    fn replay_deliveries(&mut self, deliveries: &[Delivery], now: Micros) -> Result<(), StoreError>;

    /// Takes away messages after one that were delivered or given up before `before`, or whose endpoint is gone, a bounded
    /// number; after which one to go on, if there may be more.
    fn forget_deliveries(
        &mut self,
        after: &MessageId,
        before: Micros,
    ) -> Result<Option<MessageId>, StoreError>;

    /// Tells the endpoints that want it of devices whose check-in deadline passed since it was last looked for them, of
    /// those after one a bounded number; after which one to go on, if there may be more. Each is told once, by however many
    /// processes look.
    fn tell_overdue(
        &mut self,
        now: Micros,
        after: Option<(LicenseId, ChainId)>,
    ) -> Result<Option<(LicenseId, ChainId)>, StoreError>;

    /// Stores new licences: one commit. A key reference that is taken is `false`, and nothing was stored.
    fn create_licenses(&mut self, created: &[Change]) -> Result<bool, StoreError>;

    /// Lets `change` work on each of the licences in turn, alone, in the order of their identifiers, and stores what
    /// it leaves: one commit for all. A licence that is not there is passed over.
    ///
    /// Where another unit of work came first, all of it is done again: `change` may hear of the same licence more than
    /// once, as it stands by then, and only the last time counts.
    fn change_licenses(
        &mut self,
        licenses: &BTreeSet<LicenseId>,
        change: &mut ChangeLicense<'_>,
    ) -> Result<(), StoreError>;

    /// As [`Store::change_licenses`], for many such units that follow each other: the licences may be worked on side by
    /// side and in more than one commit, each of them whole in one. What is left is seen by others at once, and durable when
    /// the promise is kept. Nothing that is committed afterwards is durable before it.
    ///
    /// # Errors
    /// The first of those that a part of the licences met; what became of the others stays.
    fn change_licenses_soon(
        &mut self,
        licenses: &BTreeSet<LicenseId>,
        change: &ChangeLicenses<'_>,
    ) -> Result<Durable, StoreError>;

    /// The licence of a key's reference.
    fn license_of_key(&mut self, reference: &KeyReference) -> Result<Option<LicenseId>, StoreError>;

    /// The licences of keys' references, in their order.
    fn licenses_of_keys(&mut self, references: &[KeyReference])
    -> Result<Vec<Option<LicenseId>>, StoreError>;

    /// The licence of a device chain.
    fn license_of_chain(&mut self, chain: &ChainId) -> Result<Option<LicenseId>, StoreError>;

    /// The last place of a device chain that is attached, on any of its branches; 0 when it is not known.
    fn last_place(&mut self, chain: &ChainId) -> Result<Seq, StoreError>;

    /// A licence as it stands.
    fn license(&mut self, license: &LicenseId) -> Result<Option<License>, StoreError>;

    /// The newest grant of a device chain, in detached form.
    fn newest_grant(&mut self, license: &LicenseId, chain: &ChainId) -> Result<Option<Grant>, StoreError>;

    /// The grants at these places of authority chains, in detached form and in their order: one unit of work reads them all.
    ///
    /// # Errors
    /// Also when one is not there.
    fn grants_at(&mut self, places: &[GrantAt]) -> Result<Vec<Grant>, StoreError>;

    /// Licences that match, in the order of their identifiers.
    fn licenses(&mut self, filter: &LicenseFilter) -> Result<Vec<LicenseSummary>, StoreError>;

    /// Activations that match, in the order of licence and chain.
    fn activations(&mut self, filter: &ActivationFilter) -> Result<Vec<ActivationSummary>, StoreError>;

    /// The lifecycle events of a licence, in the order of time, authority events after device events of the same time.
    fn history(&mut self, license: &LicenseId) -> Result<Vec<HistoryEntry>, StoreError>;

    /// The device variables of a chain as last set, in the order of their names.
    fn variables(
        &mut self,
        license: &LicenseId,
        chain: &ChainId,
    ) -> Result<Vec<(Text, Variable)>, StoreError>;

    /// Since when the events of the licence's device chains are known.
    fn known(&mut self, license: &LicenseId) -> Result<KnownSince, StoreError>;

    /// The device chains of which codes were typed: all, or those whose names begin as `reference` says; in the order of licence
    /// and chain.
    fn coded_chains(
        &mut self,
        reference: Option<&ChainReference>,
    ) -> Result<Vec<(LicenseId, ChainId)>, StoreError>;

    /// Hands usage rows that match to `each`, in the order of licence, chain, feature, period and day.
    fn usage(
        &mut self,
        filter: &UsageFilter,
        each: &mut dyn FnMut(UsageRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;

    /// Hands the stored runs to `each`: of one licence or of all, in the order of licence, chain, branch and place.
    fn runs(
        &mut self,
        license: Option<&LicenseId>,
        each: &mut dyn FnMut(&LicenseId, StoredRun) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;

    /// The stored run of a licence that holds the event at a place of a branch.
    fn run_holding(
        &mut self,
        license: &LicenseId,
        branch: (&ChainId, BranchNumber),
        seq: Seq,
    ) -> Result<Option<StoredRun>, StoreError>;

    /// The runs of the catalog chain, in order.
    fn catalog_runs(&mut self) -> Result<Vec<StoredRun>, StoreError>;

    /// The value that a commitment stands for, beside a licence's runs or, without a licence, the catalog's.
    fn attachment(
        &mut self,
        license: Option<&LicenseId>,
        commitment: &Commitment,
    ) -> Result<Option<Attachment>, StoreError>;

    /// The branch heads of every device chain, in the order of licence, chain and branch: the evidence.
    fn evidence(&mut self) -> Result<Vec<EvidenceRow>, StoreError>;

    /// The forks of device chains, in the order of licence and chain.
    fn forks(&mut self) -> Result<Vec<ForkRow>, StoreError>;

    /// Evidence that contradicts itself: licence, chain, place, code.
    fn findings(&mut self) -> Result<Vec<(LicenseId, ChainId, Seq, String)>, StoreError>;

    /// Notes a request by its key, unless one with the same key came before: that one.
    fn begin_request(
        &mut self,
        key: &Digest,
        request: &Digest,
        now: Micros,
    ) -> Result<Option<KeptRequest>, StoreError>;

    /// Keeps what the request of a key was answered, or, without an answer, forgets it.
    fn finish_request(&mut self, key: &Digest, answer: Option<&[u8]>) -> Result<(), StoreError>;

    /// Forgets requests from before a time.
    fn forget_requests(&mut self, before: Micros) -> Result<(), StoreError>;

    /// Puts bytes into quarantine; the same bytes for the same chain are kept once.
    fn put_in_quarantine(&mut self, entries: &[NewQuarantine], now: Micros) -> Result<(), StoreError>;

    /// What is in quarantine, without the bytes, in the order of arrival.
    fn quarantine(&mut self) -> Result<Vec<QuarantineEntry>, StoreError>;

    /// What is in quarantine after an entry, with a code, without the bytes: so many entries at most.
    fn quarantine_after(
        &mut self,
        after: i64,
        code: Option<&str>,
        limit: u64,
    ) -> Result<Vec<QuarantineEntry>, StoreError>;

    /// The entry of a number, without the bytes.
    fn quarantine_entry(&mut self, id: i64) -> Result<Option<QuarantineEntry>, StoreError>;

    /// What is in quarantine of a device chain, as [`Store::quarantine`].
    fn quarantine_of(&mut self, chain: &ChainId) -> Result<Vec<QuarantineEntry>, StoreError>;

    /// The chains of which something is in quarantine that says that they follow `chain`, which was not known then.
    fn followers_in_quarantine(&mut self, chain: &ChainId) -> Result<Vec<ChainId>, StoreError>;

    /// Tells the reason and the size in bytes of each entry that came from these sources.
    fn quarantined_from(
        &mut self,
        sources: &[&str],
        hear: &mut dyn FnMut(&str, u64),
    ) -> Result<(), StoreError>;

    /// The bytes of one entry.
    fn quarantined_bytes(&mut self, id: i64) -> Result<Option<Vec<u8>>, StoreError>;

    /// Takes entries out of quarantine.
    fn drop_from_quarantine(&mut self, ids: &[i64]) -> Result<(), StoreError>;

    /// Makes every projection anew from the sources with `jobs` threads: one commit. Returns the number of events folded.
    fn rebuild(&mut self, jobs: usize, progress: &mut dyn FnMut(u64)) -> Result<u64, StoreError>;

    /// Folds the sources with `jobs` threads and compares every projection byte for byte. Changes nothing.
    fn compare_with_rebuild(
        &mut self,
        jobs: usize,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<Mismatch>, StoreError>;

    /// Licences with runs, those after one in the order of their identifiers, a bounded number; none at the end.
    fn licenses_after(&mut self, after: &LicenseId) -> Result<Vec<LicenseId>, StoreError>;

    /// Replaces short runs of a licence by full ones, alone, from a place on and as many as one unit of work may: one
    /// commit. Neither an event nor a link nor a branch is changed by it, and so no digest and no projection either.
    /// Doing it again changes nothing more.
    ///
    /// # Errors
    /// `audit_failed` where stored runs do not follow each other as their places say; nothing was changed then.
    fn pack(&mut self, license: &LicenseId, from: &RunPlace) -> Result<Packed, StoreError>;

    /// Those of the branches whose last runs are many short ones, as [`ledger::packing::is_due`] says.
    fn long_tails(&mut self, tails: &BTreeSet<Tail>) -> Result<Vec<Tail>, StoreError>;

    /// Does what [`Store::pack`] does with the last runs of a branch; the caller looks at them again if it did anything.
    ///
    /// # Errors
    /// As [`Store::pack`].
    fn pack_tail(&mut self, tail: &Tail) -> Result<Packed, StoreError>;

    /// Copies the ledger as one file, as it stands at one moment, to the new file `path`, while others go on using it, if
    /// it is kept in a file; whether it is. `progress` hears of the bytes that were copied since it was last told.
    fn copy_file(&mut self, path: &Path, progress: &mut dyn FnMut(u64)) -> Result<bool, StoreError>;

    /// Copies the ledger, as it stands at one moment, into the empty `target`, and folds it there with `jobs` threads.
    /// `progress` hears of licences.
    fn copy_to(
        &mut self,
        target: &mut SqlStore,
        jobs: usize,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), StoreError>;

    /// Spreads the ledger's tables over the machines of a cluster, those that are not yet; every table with its place.
    /// `progress` hears of each. Nobody else may use the ledger meanwhile. What was interrupted goes on when it is done
    /// again; done again after that, it changes nothing.
    ///
    /// # Errors
    /// `citus_missing` where the ledger is in no database that can be spread.
    fn distribute(&mut self, progress: &mut dyn FnMut()) -> Result<Vec<PlacedTable>, StoreError>;

    /// The version of the database.
    fn version(&mut self) -> Result<String, StoreError>;
}

/// Names of features by product, for reports.
pub fn feature_names(catalog: &Catalog) -> BTreeMap<(String, FeatureNumber), Text> {
    let names = catalog.products.iter().flat_map(|(product, definition)| {
        definition
            .features
            .iter()
            .map(|feature| ((product.as_str().to_owned(), feature.number), feature.name.clone()))
    });
    names.collect()
}

/// The name of a feature among [`feature_names`], or its number where the catalog does not know it.
pub fn feature_name(
    names: &BTreeMap<(String, FeatureNumber), Text>,
    product: &str,
    number: FeatureNumber,
) -> String {
    let name = names.get(&(product.to_owned(), number));
    name.map_or_else(|| format!("feature {number}"), Text::to_string)
}
