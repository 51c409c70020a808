//! Where imports lie: a folder in the home for each.
//!
//! ```text
//! imports/ID/import.json     how far it has come
//! imports/ID/lock            held by the process that is to merge it
//! imports/ID/upload          what was uploaded, until it is merged
//! imports/ID/upload.first    the first file of a form, while it comes in
//! imports/ID/answers/        the answers, while it is merged
//! imports/ID/answers.tar     the answers, when it is done
//! imports/ID/findings.jsonl  what was not simply taken in, a line each, when it is done
//! ```

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use ledger::durable::{self, Access};
use schemas::codes::Code;
use schemas::refusal::Refusal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::home::make_private_directory;
use crate::merging::MergeFinding;
use crate::shown::imports::Import;

const FINDINGS: &str = "findings.jsonl";

/// The folder of all imports.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

/// The folder of one.
#[derive(Clone, Debug)]
pub(super) struct Place(PathBuf);

impl Folder {
    /// That of a home, which is made where it is missing.
    ///
    /// # Errors
    /// `io_failed`.
    pub(super) fn of(path: PathBuf) -> Result<Self, Refusal> {
        if !path.is_dir() {
            make_private_directory(&path)?;
        }
        Ok(Self(path))
    }

    /// Bytes that are free where it lies.
    ///
    /// # Errors
    /// `io_failed`.
    pub(super) fn free(&self) -> Result<u64, Refusal> {
        let disk = rustix::fs::statvfs(&self.0).map_err(|error| failed(&self.0, &error.into()))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// A new place, which is none before [`Place::begin`].
    ///
    /// # Errors
    /// `io_failed`.
    pub(super) fn unfinished(&self, id: Uuid) -> Result<Place, Refusal> {
        let path = self.0.join(format!(".{id}"));
        make_private_directory(&path)?;
        Ok(Place(path))
    }

    /// The place of an import.
    ///
    /// # Errors
    /// `import_unknown`.
    pub(super) fn place(&self, id: Uuid) -> Result<Place, Refusal> {
        let path = self.0.join(id.to_string());
        if path.is_dir() { Ok(Place(path)) } else { Err(Refusal::new(Code::ImportUnknown, id.to_string())) }
    }

    /// Every import, the earliest first.
    ///
    /// # Errors
    /// `io_failed`.
    pub(super) fn all(&self) -> Result<Vec<Uuid>, Refusal> {
        let entries = fs::read_dir(&self.0).map_err(|error| failed(&self.0, &error))?;
        let names = entries.filter_map(Result::ok).map(|entry| entry.file_name());
        let mut ids: Vec<Uuid> = names.filter_map(|name| name.to_str()?.parse().ok()).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Removes what was begun to be uploaded and never came to its end.
    ///
    /// # Errors
    /// `io_failed`.
    pub(super) fn sweep(&self) -> Result<(), Refusal> {
        let entries = fs::read_dir(&self.0).map_err(|error| failed(&self.0, &error))?;
        for entry in entries.filter_map(Result::ok) {
            let is_unfinished = entry.file_name().to_str().is_some_and(|name| name.starts_with('.'));
            // What somebody is uploading now is locked.
            if is_unfinished && Place(entry.path()).lock()?.is_some() {
                fs::remove_dir_all(entry.path()).map_err(|error| failed(&entry.path(), &error))?;
            }
        }
        Ok(())
    }
}

impl Place {
    pub(super) fn upload(&self) -> PathBuf {
        self.0.join("upload")
    }

    pub(super) fn answers(&self) -> PathBuf {
        self.0.join("answers")
    }

    pub(super) fn answers_tar(&self) -> PathBuf {
        self.0.join("answers.tar")
    }

    /// Makes it the process's that calls, until what is returned is dropped; nothing where it is another's.
    ///
    /// # Errors
    /// `io_failed`.
    pub(super) fn lock(&self) -> Result<Option<File>, Refusal> {
        let path = self.0.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| failed(&path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(failed(&path, &error)),
        }
    }

    /// Lets an upload that is whole be an import from now on, durably.
    ///
    /// # Errors
    /// `io_failed`.
    pub(super) fn begin(self, import: &Import) -> Result<Self, Refusal> {
        self.write(import)?;
        let path = self.0.with_file_name(import.import_id.to_string());
        fs::rename(&self.0, &path).map_err(|error| failed(&path, &error))?;
        durable::sync_directory(&path).map_err(|error| failed(&path, &error))?;
        Ok(Self(path))
    }

    /// How far it has come.
    ///
    /// # Errors
    /// `io_failed`.
    pub(super) fn read(&self) -> Result<Import, Refusal> {
        self.json("import.json")
    }

    /// Notes how far it has come, durably.
    ///
    /// # Errors
    /// `io_failed`.
    pub(super) fn write(&self, import: &Import) -> Result<(), Refusal> {
        let path = self.0.join("import.json");
        durable::write(&path, &json(import), Access::OwnerOnly).map_err(|error| failed(&path, &error))
    }

    /// What was not simply taken in: [`MergeFinding`]s as they are shown, so many from a place in their file on, which is 0 or
    /// stands beside the finding before; each with the place after it. However many there are, only these are read.
    ///
    /// # Errors
    /// `cursor_invalid` where no finding begins at `from`; `io_failed`.
    pub(super) fn findings(&self, from: u64, most: u64) -> Result<Vec<(u64, Value)>, Refusal> {
        let path = self.0.join(FINDINGS);
        let io = |error: io::Error| failed(&path, &error);
        let mut file = File::open(&path).map_err(io)?;
        if from > file.metadata().map_err(io)?.len() {
            return Err(Code::CursorInvalid.into());
        }
        let mut before = [b'\n'];
        if let Some(last) = from.checked_sub(1) {
            file.seek(SeekFrom::Start(last)).map_err(io)?;
            file.read_exact(&mut before).map_err(|_| Code::CursorInvalid)?;
        }
        if before != [b'\n'] {
            return Err(Code::CursorInvalid.into());
        }
        let (mut lines, mut place, mut found) = (BufReader::new(file), from, Vec::new());
        for _ in 0..most {
            let mut line = String::new();
            place += lines.read_line(&mut line).map_err(io)? as u64;
            if line.is_empty() {
                break;
            }
            let finding = serde_json::from_str(&line);
            found.push((place, finding.map_err(|error| Refusal::from_error(Code::IoFailed, &error))?));
        }
        Ok(found)
    }

    /// Keeps what was not simply taken in.
    ///
    /// # Errors
    /// `io_failed`.
    pub(super) fn write_findings(&self, findings: &[MergeFinding]) -> Result<(), Refusal> {
        let path = self.0.join(FINDINGS);
        let lines = findings.iter().flat_map(|finding| [json(finding), b"\n".to_vec()]).flatten();
        let lines: Vec<u8> = lines.collect();
        durable::write(&path, &lines, Access::OwnerOnly).map_err(|error| failed(&path, &error))
    }

    /// Packs the answers into one archive.
    ///
    /// # Errors
    /// `io_failed`.
    pub(super) fn pack_answers(&self) -> Result<(), Refusal> {
        let (folder, path) = (self.answers(), self.answers_tar());
        let pack = || -> io::Result<()> {
            let unfinished = path.with_extension("tmp");
            let mut tar = tar::Builder::new(File::create(&unfinished)?);
            tar.mode(tar::HeaderMode::Deterministic);
            if folder.is_dir() {
                tar.append_dir_all("", &folder)?;
            }
            tar.into_inner()?.sync_all()?;
            fs::rename(&unfinished, &path)?;
            if folder.is_dir() {
                fs::remove_dir_all(&folder)?;
            }
            durable::sync_directory(&path)
        };
        pack().map_err(|error| failed(&path, &error))
    }

    /// Removes what was uploaded: it is in the ledger, or in quarantine.
    ///
    /// # Errors
    /// `io_failed`.
    pub(super) fn drop_upload(&self) -> Result<(), Refusal> {
        match fs::remove_file(self.upload()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&self.upload(), &error)),
            _ => Ok(()),
        }
    }

    /// Removes all of it.
    ///
    /// # Errors
    /// `io_failed`.
    pub(super) fn remove(&self) -> Result<(), Refusal> {
        fs::remove_dir_all(&self.0).map_err(|error| failed(&self.0, &error))
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, Refusal> {
        let path = self.0.join(name);
        let bytes = fs::read(&path).map_err(|error| failed(&path, &error))?;
        serde_json::from_slice(&bytes).map_err(|error| Refusal::from_error(Code::IoFailed, &error))
    }
}

fn json(content: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(content).expect("numbers and texts are JSON")
}

fn failed(path: &Path, error: &io::Error) -> Refusal {
    Refusal::from_error(Code::IoFailed, error).at(path.display())
}
