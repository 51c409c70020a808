//! Opening the database file: settings, version, tables.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use refinery::{Migration, Runner};
use rusqlite::{Connection, OpenFlags};
use schemas::bundle::Attachment;
use schemas::ids::ChainId;
use schemas::migrations::DEVICE_SQLITE;
use schemas::numbers::Micros;

use super::{StoreError, load, rows};
use crate::chain;
use crate::device::{Device, Opening, Saved};
use crate::durable;
use crate::keys::SecretKey;

/// Marks a database as a device's store: `CFdv`.
const APPLICATION_ID: i32 = 0x4346_6476;
/// Versions before this one can corrupt a database when its write-ahead log is reset.
const OLDEST_SQLITE: i32 = 3_051_003;
/// The version from which on a store says where a refused grant is recorded.
const NOTES_REFUSALS: u32 = 3;
/// The version from which on acknowledged events may be dropped from a store.
const COMPACTS: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes the store of a new chain at `path`, durably and whole or not at all: it holds the activation request.
///
/// # Errors
/// When the operating system or the database refuses; `path` is then what it was before.
pub fn create(path: &Path, opening: &Opening, key: &SecretKey, at: Micros) -> Result<ChainId, StoreError> {
    let temporary = path.with_extension("db.new");
    discard(&temporary)?;
    let chain = fill(&temporary, opening, key, at)?;
    File::open(&temporary)?.sync_all()?;
    fs::rename(&temporary, path)?;
    crate::durable::sync_directory(path)?;
    Ok(chain)
}

/// Whether the SQLite that is linked never loses what it acknowledged.
pub fn sqlite_is_sound() -> bool {
    rusqlite::version_number() >= OLDEST_SQLITE
}

/// Opens the store for its one writer.
pub(super) fn open_to_write(path: &Path) -> Result<Connection, StoreError> {
    let db = open_as(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.pragma_update(None, "synchronous", "FULL")?;
    Ok(db)
}

/// Whether events may have been dropped from the store.
pub(super) fn may_be_compacted(db: &Connection) -> Result<bool, StoreError> {
    Ok(version(db)? >= COMPACTS)
}

/// Brings a store of an older version, which was found sound and holds `device`, to the newest.
pub(super) fn bring_up_to_date(db: &mut Connection, device: &Device) -> Result<(), StoreError> {
    let old = version(db)?;
    if old == newest_version() {
        return Ok(());
    }
    run_migrations(db)?;
    if old < NOTES_REFUSALS {
        for seq in load::refusals(db, device)? {
            rows::insert_refusal(db, seq)?;
        }
    }
    set_newest(db)
}

/// Whether the store says where a refused grant is recorded.
pub(super) fn notes_refusals(db: &Connection) -> Result<bool, StoreError> {
    Ok(version(db)? >= NOTES_REFUSALS)
}

/// Opens the store beside its writer, to read only, and leaves the directory as it was.
///
/// Where there is no write-ahead log, reading makes an empty one, and only a connection that may write takes it away
/// again. Where there is one, it belongs to a writer or to one that died: it is read and left alone. A directory that
/// cannot be written has no writer, and its files do not change.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    if path.with_extension("db-wal").exists() {
        return open_as(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    }
    let db = open_as(path, OpenFlags::SQLITE_OPEN_READ_WRITE).or_else(|error| match error {
        StoreError::Sqlite(_) => open_unchanging(path),
        error => Err(error),
    })?;
    db.pragma_update(None, "query_only", true)?;
    Ok(db)
}

fn open_as(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    let db = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    prepare(&db)?;
    Ok(db)
}

pub(super) fn open_unchanging(path: &Path) -> Result<Connection, StoreError> {
    let path = std::path::absolute(path)?;
    let name: String = path.to_string_lossy().chars().flat_map(escaped).collect();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    open_as(Path::new(&format!("file:{name}?immutable=1")), flags)
}

/// The characters that mean something in a URI's path, for `SQLite`.
fn escaped(character: char) -> Vec<char> {
    match character {
        '%' => "%25".chars().collect(),
        '?' => "%3f".chars().collect(),
        '#' => "%23".chars().collect(),
        character => vec![character],
    }
}

fn prepare(db: &Connection) -> Result<(), StoreError> {
    assert_version();
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_prepared_statement_cache_capacity(32);
    let application: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION_ID {
        return Err(StoreError::Damaged("the file is not a device's store"));
    }
    match version(db)? {
        0 => Err(StoreError::Damaged("tables are missing")),
        version if version > newest_version() => Err(StoreError::UnknownVersion),
        // What a newer version added is asked for by its number, so that what is only read need not be changed first.
        _ => Ok(()),
    }
}

fn version(db: &Connection) -> Result<u32, StoreError> {
    Ok(db.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

fn newest_version() -> u32 {
    u32::try_from(DEVICE_SQLITE.len()).expect("migrations are few")
}

/// Going on with an unsound version would answer for bytes that it can lose.
fn assert_version() {
    assert!(sqlite_is_sound(), "SQLite {OLDEST_SQLITE} or newer is needed");
}

/// Writes without waiting for the disk: the whole file is synced before it gets its name.
fn fill(path: &Path, opening: &Opening, key: &SecretKey, at: Micros) -> Result<ChainId, StoreError> {
    assert_version();
    // The file holds names and values in the clear; SQLite gives its companions the same rights.
    durable::create_private(path)?;
    let mut db = Connection::open(path)?;
    db.pragma_update(None, "synchronous", "OFF")?;
    db.pragma_update(None, "application_id", APPLICATION_ID)?;
    run_migrations(&mut db)?;
    set_newest(&db)?;
    let origin = &opening.origin;
    let chain = chain::device_chain(&origin.signer, &origin.reference);
    let transaction = db.transaction()?;
    rows::insert_chain(&transaction, origin)?;
    let mut saved = Saved::start(at);
    let attachments = [opening.host.as_ref(), None];
    for (event, attachment) in opening.events(at).iter().zip(attachments) {
        let core = event.encode();
        let appended = saved.head.append(&chain, &core, key);
        saved = Saved { head: appended.head, prev: saved.head.link, ..saved };
        rows::insert_event(&transaction, saved.head.seq, &core, &appended.signature)?;
        keep_attachment(&transaction, &saved, attachment)?;
    }
    rows::save_state(&transaction, &saved)?;
    transaction.commit()?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.close().map_err(|(_, error)| error)?;
    Ok(chain)
}

fn keep_attachment(
    db: &Connection,
    saved: &Saved,
    attachment: Option<&Attachment>,
) -> Result<(), StoreError> {
    attachment.map_or(Ok(()), |attachment| rows::insert_attachment(db, saved.head.seq, attachment))
}

fn run_migrations(db: &mut Connection) -> Result<(), StoreError> {
    let migrations: Vec<Migration> = DEVICE_SQLITE
        .iter()
        .map(|step| Migration::unapplied(step.name, step.sql))
        .collect::<Result<_, refinery::Error>>()?;
    Runner::new(&migrations).run(db)?;
    Ok(())
}

fn set_newest(db: &Connection) -> Result<(), StoreError> {
    Ok(db.pragma_update(None, "user_version", newest_version())?)
}

fn discard(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
