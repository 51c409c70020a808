//! Backups: a directory that holds what a home needs to go on elsewhere.
//!
//! ```text
//! manifest.toml      version, when it was made, and the size and SHA-256 of each part
//! settings.toml      what is home.toml in a home
//! config.toml        the operator's options, where there are some
//! keys/              the keys, root.key only where it was asked for
//! ledger.db          the ledger as it stood at one moment
//! ```
//!
//! A backup is no home and does not open as one: a ledger that went on from it without a new epoch would give out
//! numbers again that devices have seen. It is written whole or not at all, for its owner only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use ledger::durable;
use schemas::codes::Code;
use schemas::ids::Digest;
use schemas::numbers::Micros;
use schemas::refusal::Refusal;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Home, Layout, Settings, StoreUrl, files};

const VERSION: u32 = 1;
const MANIFEST: &str = "manifest.toml";
const SETTINGS: &str = "settings.toml";
const CONFIG: &str = "config.toml";
const ROOT_KEY: &str = "keys/root.key";
const LEDGER: &str = "ledger.db";
/// The parts that every backup holds besides the settings and the ledger.
const KEYS: [&str; 4] = ["keys/issuer.key", "keys/issuer.cert", "keys/sealing.key", "keys/license.key"];

/// What a backup holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Backup {
    /// When it was made.
    pub made_at: Micros,
    /// Its parts.
    pub parts: Vec<Part>,
}

/// One file of a backup.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Part {
    /// Its place in the backup.
    pub name: String,
    /// How many bytes.
    pub size: u64,
    /// Their SHA-256.
    pub sha256: Digest,
}

impl Backup {
    /// Whether it holds the root key.
    pub fn has_root_key(&self) -> bool {
        self.part(ROOT_KEY).is_some()
    }

    /// How many bytes its parts have.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.size).sum()
    }

    /// Makes a backup of `home` at `dir`, which must not exist or be empty. `copy_ledger` writes the ledger to the
    /// place that it is given. `progress` hears of the bytes that are read besides.
    ///
    /// # Errors
    /// `root_key_missing` when it is asked for and not in the home; whatever `copy_ledger` refuses; `io_failed`.
    pub fn make(
        home: &Home,
        dir: &Path,
        with_root_key: bool,
        now: Micros,
        copy_ledger: impl FnOnce(&Path) -> Result<(), Refusal>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Self, Refusal> {
        let layout = home.layout();
        if with_root_key && !layout.root_key().exists() {
            return Err(Refusal::new(Code::RootKeyMissing, layout.root_key().display().to_string()));
        }
        files::refuse_occupied(dir)?;
        let building = files::building_site(dir)?;
        files::make_private_directory(&building.path().join("keys"))?;
        let mut backup = Self { made_at: now, parts: Vec::new() };
        for name in backup_names(layout, with_root_key) {
            let (size, sha256) = copy(&place_in_home(layout, name), &building.path().join(name), progress)?;
            backup.parts.push(Part { name: name.to_owned(), size, sha256 });
        }
        let ledger = building.path().join(LEDGER);
        durable::create_private(&ledger).map_err(|error| files::io_failed(&ledger, &error))?;
        copy_ledger(&ledger)?;
        let (size, sha256) = read_through(&ledger, &mut io::sink(), progress)?;
        backup.parts.push(Part { name: LEDGER.to_owned(), size, sha256 });
        files::write_secret(&building.path().join(MANIFEST), backup.to_toml().as_bytes())?;
        files::put_in_place(building, dir)?;
        Ok(backup)
    }

    /// Reads what the backup at `dir` says that it holds.
    ///
    /// # Errors
    /// `file_missing` when there is no backup; `unsupported_version`; `backup_damaged` when the manifest cannot be
    /// read or leaves out what a home needs.
    pub fn read(dir: &Path) -> Result<Self, Refusal> {
        let path = dir.join(MANIFEST);
        let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Refusal::new(Code::FileMissing, path.display().to_string())
            }
            io::ErrorKind::InvalidData => damaged(&path, "it is not text"),
            _ => files::io_failed(&path, &error),
        })?;
        let file: ManifestFile = toml::from_str(&text).map_err(|error| damaged(&path, error.message()))?;
        if file.version != VERSION {
            return Err(Refusal::new(Code::UnsupportedVersion, path.display().to_string()));
        }
        let backup = Self::parse(&file).ok_or_else(|| damaged(&path, "a value is not valid"))?;
        let needed = KEYS.into_iter().chain([SETTINGS, LEDGER]);
        match needed.into_iter().find(|name| backup.part(name).is_none()) {
            Some(name) => Err(damaged(&path, &format!("it does not name {name}"))),
            None => Ok(backup),
        }
    }

    /// Makes a home at `dir` from the backup at `from`, its ledger in the home. All is checked and made beside `dir`,
    /// and `fill` works on it there, before it takes its place; `fill` must leave no file open. `progress` hears of the
    /// bytes that are read.
    ///
    /// # Errors
    /// `home_exists`; `backup_damaged` when a part is not what the manifest says; whatever `fill` refuses; `io_failed`.
    pub fn restore(
        &self,
        from: &Path,
        dir: &Path,
        fill: impl FnOnce(Home) -> Result<(), Refusal>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Home, Refusal> {
        files::refuse_occupied(dir)?;
        let building = files::building_site(dir)?;
        let layout = Layout::new(building.path());
        files::make_private_directory(&layout.keys())?;
        for part in &self.parts {
            restore_part(part, from, &layout, progress)?;
        }
        let settings = Settings::read(&layout.settings())?;
        let settings = Settings { store: StoreUrl::IN_HOME, ..settings };
        files::write_shared(&layout.settings(), settings.to_toml().as_bytes())?;
        fill(Home::open(layout.dir())?)?;
        files::put_in_place(building, dir)?;
        Home::open(dir)
    }

    fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }

    fn parse(file: &ManifestFile) -> Option<Self> {
        let parts = file.part.iter().map(|part| {
            let is_known = [SETTINGS, CONFIG, ROOT_KEY, LEDGER].contains(&part.name.as_str())
                || KEYS.contains(&part.name.as_str());
            let sha256 = part.sha256.parse().ok()?;
            is_known.then(|| Part { name: part.name.clone(), size: part.size, sha256 })
        });
        Some(Self { made_at: Micros::parse(&file.made_at)?, parts: parts.collect::<Option<_>>()? })
    }

    fn to_toml(&self) -> String {
        let part = self.parts.iter().map(|part| PartEntry {
            name: part.name.clone(),
            size: part.size,
            sha256: part.sha256.to_string(),
        });
        let file = ManifestFile { version: VERSION, made_at: self.made_at.to_string(), part: part.collect() };
        toml::to_string(&file).expect("texts and numbers are TOML")
    }
}

/// `manifest.toml` as it is written.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ManifestFile {
    version: u32,
    made_at: String,
    part: Vec<PartEntry>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct PartEntry {
    name: String,
    size: u64,
    sha256: String,
}

/// The files of a home that a backup copies as they are.
fn backup_names(layout: &Layout, with_root_key: bool) -> Vec<&'static str> {
    let mut names = vec![SETTINGS];
    names.extend(layout.config().exists().then_some(CONFIG));
    names.extend(KEYS);
    names.extend(with_root_key.then_some(ROOT_KEY));
    names
}

fn place_in_home(layout: &Layout, name: &str) -> PathBuf {
    match name {
        SETTINGS => layout.settings(),
        LEDGER => layout.dir().join(LEDGER),
        name => layout.dir().join(name),
    }
}

fn restore_part(
    part: &Part,
    from: &Path,
    layout: &Layout,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Refusal> {
    let source = from.join(&part.name);
    if !source.is_file() {
        return Err(damaged(&source, "the part is missing"));
    }
    let found = copy(&source, &place_in_home(layout, &part.name), progress)?;
    if found != (part.size, part.sha256) {
        return Err(damaged(&source, "it is not what the manifest says"));
    }
    Ok(())
}

/// Copies a file for its owner only, durably; its size and SHA-256.
fn copy(from: &Path, to: &Path, progress: &mut dyn FnMut(u64)) -> Result<(u64, Digest), Refusal> {
    let failed = |error: io::Error| files::io_failed(to, &error);
    durable::create_private(to).map_err(failed)?;
    let mut target = OpenOptions::new().write(true).open(to).map_err(failed)?;
    let found = read_through(from, &mut target, progress)?;
    target.sync_all().map_err(failed)?;
    Ok(found)
}

/// Hands a file's bytes on; their number and SHA-256.
fn read_through(
    path: &Path,
    target: &mut dyn io::Write,
    progress: &mut dyn FnMut(u64),
) -> Result<(u64, Digest), Refusal> {
    let failed = |error: io::Error| files::io_failed(path, &error);
    let mut file = File::open(path).map_err(failed)?;
    let mut chunk = vec![0; 1024 * 1024];
    let (mut size, mut hash) = (0, Sha256::new());
    loop {
        match file.read(&mut chunk).map_err(failed)? {
            0 => return Ok((size, Digest(hash.finalize().into()))),
            read => {
                hash.update(&chunk[..read]);
                target.write_all(&chunk[..read]).map_err(failed)?;
                size += read as u64;
                progress(read as u64);
            }
        }
    }
}

fn damaged(path: &Path, what: &str) -> Refusal {
    Refusal::new(Code::BackupDamaged, what).at(path.display())
}
