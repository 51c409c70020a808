//! Where the home's files are, and how they are read and written: whole or not at all, secrets for the owner only.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};

use ledger::durable::{self, Access};
use schemas::codes::Code;
use schemas::refusal::Refusal;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::{Secret, damaged};

/// The places of a home's files.
#[derive(Clone, Debug)]
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// The layout of the home at `dir`, whether there is one or not.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// The home itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What is public about the home.
    pub fn settings(&self) -> PathBuf {
        self.dir.join("home.toml")
    }

    /// The operator's options.
    pub fn config(&self) -> PathBuf {
        self.dir.join("config.toml")
    }

    /// The directory of the keys.
    pub fn keys(&self) -> PathBuf {
        self.dir.join("keys")
    }

    /// The root key, until it is moved away.
    pub fn root_key(&self) -> PathBuf {
        self.keys().join("root.key")
    }

    /// The issuer key.
    pub fn issuer_key(&self) -> PathBuf {
        self.keys().join("issuer.key")
    }

    /// The issuer key's certificate.
    pub fn issuer_cert(&self) -> PathBuf {
        self.keys().join("issuer.cert")
    }

    /// The sealing key.
    pub fn sealing_key(&self) -> PathBuf {
        self.keys().join("sealing.key")
    }

    /// What licence keys are derived from.
    pub fn license_key(&self) -> PathBuf {
        self.keys().join("license.key")
    }

    /// The directory of what was uploaded to be merged.
    pub fn imports(&self) -> PathBuf {
        self.dir.join("imports")
    }

    /// Every file that none but the owner may read.
    pub fn secrets(&self) -> [PathBuf; 4] {
        [self.root_key(), self.issuer_key(), self.sealing_key(), self.license_key()]
    }
}

/// Refuses a place at which there is a home, or anything else.
pub(super) fn refuse_occupied(dir: &Path) -> Result<(), Refusal> {
    if Layout::new(dir).settings().exists() {
        return Err(Refusal::new(Code::HomeExists, dir.display().to_string()));
    }
    match fs::read_dir(dir).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Refusal::new(Code::IoFailed, "the directory is not empty").at(dir.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_failed(dir, &error)),
    }
}

/// A private directory beside `dir` that goes away by itself unless it is put in place.
pub(super) fn building_site(dir: &Path) -> Result<TempDir, Refusal> {
    let parent = parent_of(dir);
    fs::create_dir_all(parent).map_err(|error| io_failed(parent, &error))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".counterfoil-home.").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o700));
    }
    builder.tempdir_in(parent).map_err(|error| io_failed(parent, &error))
}

/// Renames a finished directory to `dir`, durably.
pub(super) fn put_in_place(building: TempDir, dir: &Path) -> Result<(), Refusal> {
    sync_directory(building.path())?;
    fs::rename(building.path(), dir).map_err(|error| io_failed(dir, &error))?;
    // Nothing is at the old place any more, so there is nothing left to take away.
    drop(building.keep());
    sync_directory(parent_of(dir))
}

pub(crate) fn make_private_directory(path: &Path) -> Result<(), Refusal> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path).map_err(|error| io_failed(path, &error))
}

pub(super) fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), Refusal> {
    durable::write(path, bytes, Access::OwnerOnly).map_err(|error| io_failed(path, &error))
}

pub(super) fn write_shared(path: &Path, bytes: &[u8]) -> Result<(), Refusal> {
    durable::write(path, bytes, Access::Shared).map_err(|error| io_failed(path, &error))
}

/// Reads a file without which the home is damaged.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    fs::read(path).map(Zeroizing::new).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => damaged(path, "the file is missing"),
        _ => io_failed(path, &error),
    })
}

/// Reads a secret of 32 bytes.
pub(super) fn read_secret(path: &Path) -> Result<Secret, Refusal> {
    let bytes = read(path)?;
    match bytes.as_slice().try_into() {
        Ok(secret) => Ok(Zeroizing::new(secret)),
        Err(_) => Err(damaged(path, "a key has 32 bytes")),
    }
}

/// Makes a secret of 32 bytes from the operating system's randomness.
pub(super) fn random_secret() -> Result<Secret, Refusal> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(secret.as_mut()).map_err(no_randomness)?;
    Ok(secret)
}

pub(super) fn io_failed(path: &Path, error: &io::Error) -> Refusal {
    Refusal::from_error(Code::IoFailed, error).at(path.display())
}

pub(super) fn no_randomness(error: getrandom::Error) -> Refusal {
    Refusal::from_error(Code::Failed, &error)
}

fn parent_of(dir: &Path) -> &Path {
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn sync_directory(path: &Path) -> Result<(), Refusal> {
    #[cfg(unix)]
    File::open(path).and_then(|directory| directory.sync_all()).map_err(|error| io_failed(path, &error))?;
    Ok(())
}
