//! Files that are written whole or not at all.
//!
//! The order of system calls is the contract: write a temporary file beside the target, `fsync` it, `rename` it over
//! the target, `fsync` the directory. After a power cut the target is the old file or the new one, never a part.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Who may read a file that is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Whoever the process's umask lets.
    Shared,
    /// The owner only, from the first byte on.
    OwnerOnly,
}

/// Replaces the file at `path` with `bytes`, durably.
///
/// # Errors
/// When the operating system refuses; `path` is then what it was before.
pub fn write(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    let temporary = put(path, bytes, access, true)?;
    rename(&temporary, path)?;
    sync_directory(path)
}

/// Replaces the file at `path` with `bytes`, whole or not at all, without waiting for the disk: for what can be
/// made again.
///
/// # Errors
/// When the operating system refuses; `path` is then what it was before.
pub fn write_derived(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = put(path, bytes, Access::Shared, false)?;
    rename(&temporary, path)
}

/// A file that grows in pieces and takes its place at the end; dropped before that, it leaves nothing.
#[derive(Debug)]
pub struct Replacement {
    file: io::BufWriter<File>,
    temporary: PathBuf,
    path: PathBuf,
    in_place: bool,
}

impl Replacement {
    /// Begins a replacement of the file at `path`.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn begin(path: &Path) -> io::Result<Self> {
        let temporary = temporary_beside(path)?;
        let file = io::BufWriter::with_capacity(256 * 1024, create(&temporary, Access::Shared)?);
        Ok(Self { file, temporary, path: path.to_owned(), in_place: false })
    }

    /// Puts the file in place, durably.
    ///
    /// # Errors
    /// When the operating system refuses; the target is then what it was before.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        fs::rename(&self.temporary, &self.path)?;
        self.in_place = true;
        sync_directory(&self.path)
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.in_place {
            discard(&self.temporary);
        }
    }
}

/// Makes an empty file that only its owner may read, for a library that goes on to fill it.
///
/// # Errors
/// When the operating system refuses.
pub fn create_private(path: &Path) -> io::Result<()> {
    create(path, Access::OwnerOnly).map(drop)
}

fn put(path: &Path, bytes: &[u8], access: Access, sync: bool) -> io::Result<PathBuf> {
    let temporary = temporary_beside(path)?;
    let written = create(&temporary, access).and_then(|mut file| {
        file.write_all(bytes)?;
        if sync { file.sync_all() } else { Ok(()) }
    });
    written.inspect_err(|_| discard(&temporary))?;
    Ok(temporary)
}

fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    Ok(path.with_file_name(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id())))
}

fn rename(temporary: &Path, path: &Path) -> io::Result<()> {
    fs::rename(temporary, path).inspect_err(|_| discard(temporary))
}

fn create(path: &Path, access: Access) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    if access == Access::OwnerOnly {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

/// Makes durable that `path` was created, renamed or removed.
///
/// # Errors
/// When the operating system refuses.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

/// Takes a temporary file away again; that it stays behind is worth no second error.
fn discard(temporary: &Path) {
    drop(fs::remove_file(temporary));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("state");
        write(&path, b"old", Access::OwnerOnly).expect("writable");
        write(&path, b"new", Access::OwnerOnly).expect("writable");
        assert_eq!(fs::read(&path).expect("written"), b"new");
        assert_eq!(fs::read_dir(directory.path()).expect("readable").count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).expect("written").permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_refused_write_changes_nothing() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("taken");
        fs::create_dir(&path).expect("writable");
        fs::write(path.join("inside"), b"x").expect("writable");
        assert!(write(&path, b"new", Access::Shared).is_err());
        assert_eq!(fs::read_dir(directory.path()).expect("readable").count(), 1);
    }
}
