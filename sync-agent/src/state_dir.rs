//! The files of a state directory.
//!
//! ```text
//! lock         held by the one process that writes
//! seal.key     seals device.key
//! device.key   the device's private key
//! chain.db     the chain; made after the keys, and given its name when it is whole
//! pack.cfpack  a copy of the product pack; written after the chain, so it says that there was one
//! pack-before.cfpack  the pack that it replaced: codes for that one are told apart
//! server.json  the server that the activation named, and how it is known; see `server`
//! archive/     chains that ended, each in a folder of its name; beside one that is followed by another, once the
//!              vendor has more of it than it had then: receipt.cfgrant, the grant that says so
//! next/        a successor that is not in its place yet: seal.key, device.key, chain.db; see `succession`
//! ```

use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};

use ledger::durable::{self, Access};
use ledger::keys::SecretKey;
use ledger::store::ProcessLock;
use schemas::ids::ChainId;
use schemas::refusal::Refusal;

use crate::pack::TrustedPack;
use crate::{key_file, refuse};

/// What a state directory holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Condition {
    /// No chain.
    Empty,
    /// A chain.
    Chain,
    /// No chain, but the successor that is to take its place.
    Successor,
    /// Keys and a pack without their chain.
    ChainLost,
}

#[derive(Clone, Debug)]
pub(crate) struct StateDir(PathBuf);

impl StateDir {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the directory, for its owner only, if it is not there.
    pub(crate) fn create(&self) -> Result<(), Refusal> {
        create_private(&self.0).map_err(|error| refuse::io(&error, &self.0))
    }

    pub(crate) fn lock(&self) -> Result<ProcessLock, Refusal> {
        ProcessLock::take(&self.file("lock")).map_err(|error| refuse::store(&error).at(self.0.display()))
    }

    pub(crate) fn condition(&self) -> Condition {
        if self.chain().exists() {
            Condition::Chain
        } else if self.next().chain().exists() {
            Condition::Successor
        } else if self.pack().exists() && self.device_key().exists() {
            Condition::ChainLost
        } else {
            Condition::Empty
        }
    }

    pub(crate) fn chain(&self) -> PathBuf {
        self.file("chain.db")
    }

    /// Where a successor waits.
    pub(crate) fn next(&self) -> Self {
        Self(self.file("next"))
    }

    /// Where the chain is when it has ended.
    pub(crate) fn archived(&self, chain: ChainId) -> Self {
        Self(self.file("archive").join(chain.to_string()))
    }

    pub(crate) fn has_archive(&self) -> bool {
        self.file("archive").exists()
    }

    /// The grant that says how far the vendor has an archived chain.
    pub(crate) fn receipt(&self) -> PathBuf {
        self.file("receipt.cfgrant")
    }

    pub(crate) fn write_key(&self, key: &SecretKey) -> Result<(), Refusal> {
        key_file::write(&self.device_key(), &self.seal_key(), key)
    }

    pub(crate) fn read_key(&self) -> Result<SecretKey, Refusal> {
        key_file::read(&self.device_key(), &self.seal_key())
    }

    /// The pack to trust: the given one, if the kept one is of the same product, or the kept one. A damaged copy is
    /// passed over where one is given.
    pub(crate) fn choose_pack(&self, given: Option<TrustedPack>) -> Result<Option<TrustedPack>, Refusal> {
        let kept = match self.kept_pack() {
            Err(_) if given.is_some() => None,
            kept => kept?,
        };
        TrustedPack::choose(given, kept)
    }

    /// The kept pack, if there is one.
    fn kept_pack(&self) -> Result<Option<TrustedPack>, Refusal> {
        let path = self.pack();
        match fs::read(&path) {
            Ok(bytes) => TrustedPack::read(bytes).map(Some).map_err(|refusal| refusal.at(path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(refuse::io(&error, &path)),
        }
    }

    /// Keeps `pack`, unless it is the kept one, which stays beside it as the one that it replaced.
    pub(crate) fn keep_pack(&self, pack: &TrustedPack) -> Result<(), Refusal> {
        let path = self.pack();
        match fs::read(&path) {
            Ok(kept) if kept == pack.bytes => return Ok(()),
            Ok(kept) => {
                let before = self.pack_before();
                durable::write(&before, &kept, Access::Shared)
                    .map_err(|error| refuse::io(&error, &before))?;
            }
            Err(_) => {}
        }
        durable::write(&path, &pack.bytes, Access::Shared).map_err(|error| refuse::io(&error, &path))
    }

    /// Moves the chain and what belongs to it into the archive. The pack goes first: without it, what an interruption
    /// leaves behind is a closed chain or no chain, and never looks like a loss.
    pub(crate) fn archive(&self, chain: ChainId) -> Result<(), Refusal> {
        let archived = self.archived(chain);
        archived.create()?;
        let names = ["pack.cfpack", "chain.db-wal", "chain.db-shm", "chain.db", "device.key", "seal.key"];
        self.move_files(&archived, &names)
    }

    /// Steps 3 to 5 of a succession, from wherever an interruption left them: see `succession`. Where the old sealing
    /// key is in the archive, all of the old chain is, and the keys here are the successor's.
    pub(crate) fn take_over(&self, old: ChainId) -> Result<(), Refusal> {
        let archived = self.archived(old);
        archived.create()?;
        if !archived.seal_key().exists() {
            let names = ["chain.db", "chain.db-wal", "chain.db-shm", "device.key", "seal.key"];
            self.move_files(&archived, &names)?;
        }
        self.next().move_files(self, &["seal.key", "device.key", "chain.db"])?;
        self.discard_next()
    }

    /// Takes away a successor that waits, or what is left of one.
    pub(crate) fn discard_next(&self) -> Result<(), Refusal> {
        let next = self.next();
        let removed = match fs::remove_dir_all(next.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => durable::sync_directory(self.path()),
        };
        removed.map_err(|error| refuse::io(&error, next.path()))
    }

    /// Moves files one by one in their order, those that are there, durably.
    fn move_files(&self, to: &Self, names: &[&str]) -> Result<(), Refusal> {
        for name in names {
            let from = self.file(name);
            match fs::rename(&from, to.file(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(refuse::io(&error, &from));
                }
                _ => {}
            }
        }
        for folder in [to.path(), self.path()] {
            durable::sync_directory(folder).map_err(|error| refuse::io(&error, folder))?;
        }
        Ok(())
    }

    pub(crate) fn device_key(&self) -> PathBuf {
        self.file("device.key")
    }

    pub(crate) fn seal_key(&self) -> PathBuf {
        self.file("seal.key")
    }

    /// The server that the activation named.
    pub(crate) fn server(&self) -> PathBuf {
        self.file("server.json")
    }

    /// The pack that the kept one replaced, if it is there and is one.
    pub(crate) fn replaced_pack(&self) -> Option<TrustedPack> {
        TrustedPack::read(fs::read(self.pack_before()).ok()?).ok()
    }

    fn pack_before(&self) -> PathBuf {
        self.file("pack-before.cfpack")
    }

    fn pack(&self) -> PathBuf {
        self.file("pack.cfpack")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    if path.is_dir() {
        return Ok(());
    }
    builder.create(path)?;
    durable::sync_directory(path)
}
