//! Imports: bundles that are uploaded by the thousand, and merged one upload after the other by a thread of their own.
//!
//! What was accepted is on the disk and is merged to its end, whatever happens: a service that ends stops between two commits,
//! and whichever begins on the same home takes it up again.

mod folder;
mod gather;

use std::fs::File;
use std::future::Future;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use schemas::codes::Code;
use schemas::numbers::{Micros, Seconds};
use schemas::refusal::Refusal;
use serde_json::Value;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use self::folder::{Folder, Place};
use super::room::Room;
use super::{body, metrics, problem};
use crate::merging::{AnswerTo, Format, MergeReport, Source, guarded, merge_while};
use crate::shown::imports::{Import, ImportCounts, ImportState};
use crate::vendor::Vendor;
use crate::wall_clock;

/// Most bytes of an upload.
const MOST_BYTES: u64 = 8 * 1024 * 1024 * 1024;
/// Uploads that may come at the same time.
const AT_ONCE: usize = 8;
/// No upload begins that would leave less of the disk: the ledger may lie there too.
const KEPT_FREE: u64 = 1024 * 1024 * 1024;
/// Threads that read: requests go on meanwhile.
const JOBS: usize = 1;
/// How often it is noted how far an import has come.
const NOTED_EVERY: Duration = Duration::from_secs(1);
/// How long is waited before one that could not be merged now is tried again: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How often it is seen meanwhile whether the service ends.
const LOOK: Duration = Duration::from_millis(100);
/// Longest name of a file that somebody gave, in bytes, as of files in archives.
const NAME_BYTES: usize = 200;
/// How long an import is kept when it is done, with its answers.
const KEPT: Seconds = Seconds::days(7);

/// The imports of a home.
pub(super) struct Imports {
    folder: Folder,
    queue: Arc<Queue>,
    uploads: Room,
    is_ending: Arc<AtomicBool>,
}

/// The way to the thread that merges, until the service ends.
type Queue = Mutex<Option<Sender<Job>>>;

/// An import that this process merges.
struct Job {
    place: Place,
    import: Import,
    /// Others pass it over as long as this is held.
    _lock: File,
}

/// The thread that merges.
#[derive(Debug)]
pub(super) struct Worker(JoinHandle<()>);

impl Worker {
    /// Waits until it has ended.
    ///
    /// # Errors
    /// `internal` when it ended by a fault.
    pub(super) fn join(self) -> Result<(), Refusal> {
        self.0.join().map_err(|_| Code::Internal.into())
    }
}

impl Imports {
    /// Those of the vendor's home: what was not merged to its end is taken up again.
    ///
    /// # Errors
    /// `io_failed`; when the ledger cannot be opened.
    pub(super) fn begin(vendor: &Vendor) -> Result<(Self, Worker), Refusal> {
        let folder = Folder::of(vendor.home.layout().imports())?;
        folder.sweep()?;
        let (send, jobs) = channel();
        let is_ending = Arc::new(AtomicBool::new(false));
        let (ending, mut at_work) = (Arc::clone(&is_ending), vendor.another()?);
        let worker = thread::Builder::new()
            .name("import".into())
            .spawn(move || work(&mut at_work, &jobs, &ending))
            .map_err(|error| Refusal::from_error(Code::IoFailed, &error))?;
        let imports =
            Self { folder, queue: Arc::new(Mutex::new(Some(send))), uploads: Room::new(AT_ONCE), is_ending };
        imports.take_up_again()?;
        Ok((imports, Worker(worker)))
    }

    /// One that cannot be read is passed over, and is there to be looked at.
    fn take_up_again(&self) -> Result<(), Refusal> {
        for id in self.folder.all()? {
            let place = self.folder.place(id)?;
            // Whoever holds the lock may be about to finish it: it is read afterwards.
            let Some(lock) = place.lock()? else { continue };
            match place.read() {
                Ok(import) if import.is_unfinished() => {
                    enqueue(&self.queue, Job { place, import, _lock: lock })?;
                }
                Err(refusal) => {
                    tracing::error!(import = %id, detail = refusal.detail(), "an import cannot be read");
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Nothing more is merged: what is under way stops between two commits.
    pub(super) fn end(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Takes an upload in. When this returns it is durable, and will be merged.
    ///
    /// # Errors
    /// Those of [`body::save`]; `overloaded` where too many come at the same time.
    pub(super) async fn upload(&self, client: IpAddr, name: String, body: Body) -> Result<Import, Refusal> {
        self.take(client, body.size_hint().lower(), |path| async {
            let file = spawn_blocking(move || File::create(path)).await.map_err(|_| Code::Internal)?;
            let bytes = body::save(body, file.map_err(|error| failed(&error))?, MOST_BYTES).await?;
            Ok((name, bytes))
        })
        .await
    }

    /// Takes the files of a form in, as [`Imports::upload`]: one as it is, several as one archive.
    ///
    /// # Errors
    /// The same; `request_invalid` for what is no such form, or one without a file.
    pub(super) async fn gather(
        &self,
        client: IpAddr,
        body: Body,
        boundary: String,
    ) -> Result<Import, Refusal> {
        let declared = body.size_hint().lower();
        self.take(client, declared, |path| gather::save(body::paced(body, MOST_BYTES), boundary, path)).await
    }

    /// Has an upload received into a file, durably, and lets it be an import, of the name and with as many bytes as whoever
    /// receives it says.
    async fn take<F: Future<Output = Result<(String, u64), Refusal>>>(
        &self,
        client: IpAddr,
        declared: u64,
        receive: impl FnOnce(PathBuf) -> F,
    ) -> Result<Import, Refusal> {
        let _place = self.uploads.take(client, 1).ok_or(Code::Overloaded)?;
        let (folder, id) = (self.folder.clone(), Uuid::now_v7());
        let begin = move || {
            if folder.free()?.saturating_sub(declared) < KEPT_FREE {
                return Err(Refusal::new(Code::IoFailed, "the disk has no room for it"));
            }
            let place = folder.unfinished(id)?;
            let lock = place.lock()?.ok_or(Code::Internal)?;
            Ok::<_, Refusal>((place, lock))
        };
        let (place, lock) = spawn_blocking(begin).await.map_err(|_| Code::Internal)??;
        let path = place.upload();
        let unfinished = Unfinished(Some(place));
        let (name, bytes) = receive(path).await?;
        let now = wall_clock::now();
        let import = Import {
            import_id: id,
            name,
            state: ImportState::Waiting,
            created_at: now,
            updated_at: now,
            bytes,
            bytes_read: 0,
            files: 0,
            events: 0,
            counts: None,
            code: None,
            detail: String::new(),
        };
        let (kept, queue) = (import.clone(), Arc::clone(&self.queue));
        // It is an import and will be merged, or is none, whether or not anybody waits for the answer.
        let keep = move || {
            let place = unfinished.into_place().begin(&kept)?;
            enqueue(&queue, Job { place, import: kept, _lock: lock })
        };
        spawn_blocking(keep).await.map_err(|_| Code::Internal)??;
        Ok(import)
    }

    /// Every import, the newest first.
    ///
    /// # Errors
    /// `io_failed`.
    pub(super) async fn list(&self) -> Result<Vec<Import>, Refusal> {
        self.look(|folder| {
            let places = folder.all()?.into_iter().rev().filter_map(|id| folder.place(id).ok());
            // One that is removed meanwhile is not there.
            Ok(places.filter_map(|place| place.read().ok()).collect())
        })
        .await
    }

    /// An import.
    ///
    /// # Errors
    /// `import_unknown`.
    pub(super) async fn show(&self, id: Uuid) -> Result<Import, Refusal> {
        self.look(move |folder| folder.place(id)?.read()).await
    }

    /// What of an import was not simply taken in, as it is shown: so many from a place on, each with the place after it.
    ///
    /// # Errors
    /// `import_unknown`, `import_unfinished`, `cursor_invalid`.
    pub(super) async fn findings(
        &self,
        id: Uuid,
        from: u64,
        most: u64,
    ) -> Result<Vec<(u64, Value)>, Refusal> {
        self.look(move |folder| finished(folder, id)?.findings(from, most)).await
    }

    /// The archive of an import's answers, and its bytes.
    ///
    /// # Errors
    /// `import_unknown`, `import_unfinished`.
    pub(super) async fn answers(&self, id: Uuid) -> Result<(File, u64), Refusal> {
        self.look(move |folder| {
            let file = File::open(finished(folder, id)?.answers_tar()).map_err(|error| failed(&error))?;
            let size = file.metadata().map_err(|error| failed(&error))?.len();
            Ok((file, size))
        })
        .await
    }

    /// Removes imports that were done long ago, with their answers.
    ///
    /// # Errors
    /// `io_failed`.
    pub(super) async fn tidy(&self) -> Result<(), Refusal> {
        let now = wall_clock::now();
        self.look(move |folder| {
            for id in folder.all()? {
                let place = folder.place(id)?;
                // What was not merged is not removed.
                if !place.upload().exists() && place.read().is_ok_and(|import| is_old(&import, now)) {
                    place.remove()?;
                }
            }
            Ok(())
        })
        .await
    }

    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Folder) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let folder = self.folder.clone();
        spawn_blocking(move || look(&folder)).await.map_err(|_| Code::Internal)?
    }
}

fn enqueue(queue: &Queue, job: Job) -> Result<(), Refusal> {
    let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    // A service that ends leaves it to whichever begins next.
    if let Some(queue) = &*queue {
        queue.send(job).map_err(|_| Refusal::from(Code::Internal))?;
    }
    Ok(())
}

fn is_old(import: &Import, now: Micros) -> bool {
    !import.is_unfinished() && import.updated_at + KEPT <= now
}

fn finished(folder: &Folder, id: Uuid) -> Result<Place, Refusal> {
    let place = folder.place(id)?;
    match place.read()?.state {
        ImportState::Done => Ok(place),
        _ => Err(Refusal::new(Code::ImportUnfinished, id.to_string())),
    }
}

/// An upload that is on its way: it leaves nothing where it does not come to its end.
struct Unfinished(Option<Place>);

impl Unfinished {
    fn into_place(mut self) -> Place {
        self.0.take().expect("it is taken once")
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(place) = &self.0 {
            // What cannot be removed now is swept away at the next start.
            drop(place.remove());
        }
    }
}

fn work(vendor: &mut Vendor, jobs: &Receiver<Job>, is_ending: &AtomicBool) {
    while let Ok(mut job) = jobs.recv() {
        let mut pause = FIRST_PAUSE;
        while !is_ending.load(Ordering::Relaxed) {
            vendor.now = vendor.now.max(wall_clock::now());
            let merged = guarded(|| merge(vendor, &mut job, is_ending)).unwrap_or_else(Err);
            let Err(refusal) = merged.and_then(|report| finish(&mut job, &report)) else { break };
            stop(&mut job, &refusal);
            if refusal.code() == Code::Internal {
                // A transaction that a fault of the program left is not gone on with.
                if let Ok(store) = vendor.store.another() {
                    vendor.store = store;
                }
                break;
            }
            wait(pause, is_ending);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Lets time pass, unless the service ends.
fn wait(pause: Duration, is_ending: &AtomicBool) {
    let begun = wall_clock::instant();
    while begun.elapsed() < pause && !is_ending.load(Ordering::Relaxed) {
        thread::park_timeout(LOOK);
    }
}

fn merge(vendor: &mut Vendor, job: &mut Job, is_ending: &AtomicBool) -> Result<MergeReport, Refusal> {
    job.import.state = ImportState::Running;
    job.import.updated_at = wall_clock::now();
    job.place.write(&job.import)?;
    let mut noted = wall_clock::instant();
    let Job { place, import, .. } = job;
    merge_while(vendor, &[source(place, import)], JOBS, &mut |merged| {
        (import.bytes_read, import.files, import.events) = (merged.bytes, merged.files, merged.events);
        if noted.elapsed() >= NOTED_EVERY {
            noted = wall_clock::instant();
            import.updated_at = wall_clock::now();
            place.write(import)?;
        }
        if is_ending.load(Ordering::Relaxed) { Err(Code::Overloaded.into()) } else { Ok(()) }
    })
}

/// An archive is answered file by file; a bundle in a file of its name.
fn source(place: &Place, import: &Import) -> Source {
    let (path, name) = (place.upload(), import.name.clone());
    let archive = Format::of(&path);
    let answers = match archive {
        Some(_) => place.answers(),
        None => place.answers().join(file_name(&name)).with_extension("cfgrant"),
    };
    Source { path, name, size: import.bytes, archive, answer: Some(AnswerTo::File(answers)) }
}

/// The last part of a name that somebody gave.
fn file_name(name: &str) -> PathBuf {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    if matches!(last, "" | "." | "..") || last.len() > NAME_BYTES {
        PathBuf::from("bundle")
    } else {
        PathBuf::from(last)
    }
}

fn finish(job: &mut Job, report: &MergeReport) -> Result<(), Refusal> {
    metrics::merged(report);
    job.place.write_findings(&report.findings)?;
    job.place.pack_answers()?;
    let Job { place, import, .. } = job;
    (import.state, import.updated_at) = (ImportState::Done, wall_clock::now());
    (import.files, import.events, import.bytes_read) = (report.files, report.events, import.bytes);
    (import.code, import.detail) = (None, String::new());
    import.counts = Some(ImportCounts::of(report));
    place.write(import)?;
    place.drop_upload()
}

/// Notes why it stopped. It is tried again, unless a fault of the program would only be met again.
fn stop(job: &mut Job, refusal: &Refusal) {
    let Job { place, import, .. } = job;
    import.updated_at = wall_clock::now();
    import.state = if refusal.code() == Code::Internal { ImportState::Failed } else { ImportState::Waiting };
    (import.code, import.detail) = (Some(refusal.code()), problem::told(refusal).to_owned());
    let (id, code, detail) = (import.import_id, refusal.code().word(), refusal.detail());
    tracing::warn!(import = %id, code, detail, "an import was stopped");
    if let Err(refusal) = place.write(import) {
        tracing::error!(import = %id, detail = refusal.detail(), "it could not be noted how far it came");
    }
}

fn failed(error: &std::io::Error) -> Refusal {
    Refusal::from_error(Code::IoFailed, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_somebody_gave_leads_nowhere_else() {
        let long = "x".repeat(201);
        let names = ["inbox.tar", "../../etc/passwd", "C:\\in\\box.cfbundle", "", "..", "a/..", &long];
        let names = names.map(|name| file_name(name).display().to_string());
        assert_eq!(names, ["inbox.tar", "passwd", "box.cfbundle", "bundle", "bundle", "bundle", "bundle"]);
    }
}
