//! Imports: bundles that are uploaded by the thousand, and merged one upload after the other by a thread of their own.
//!
//! What was accepted is on the disk and is merged to its end, whatever happens: a service that ends stops between two commits,
//! and whichever begins on the same home takes it up again.

mod folder;

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use axum::body::Body;
use schemas::codes::Code;
use schemas::numbers::{Micros, Seconds};
use schemas::refusal::Refusal;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use self::folder::{Folder, Place};
use super::{body, metrics};
use crate::merging::{AnswerTo, Format, MergeReport, Source, merge_while};
use crate::shown::imports::{Import, ImportCounts, ImportState};
use crate::vendor::Vendor;
use crate::wall_clock;

/// Most bytes of an upload.
const MOST_BYTES: u64 = 8 * 1024 * 1024 * 1024;
/// Uploads that may come at the same time.
const AT_ONCE: usize = 4;
/// Threads that read: requests go on meanwhile.
const JOBS: usize = 1;
/// How often it is noted how far an import has come.
const NOTED_EVERY: Duration = Duration::from_secs(1);
/// How long an import is kept when it is done, with its answers.
const KEPT: Seconds = Seconds::days(7);

/// The imports of a home.
pub(super) struct Imports {
    folder: Folder,
    queue: Mutex<Option<Sender<Job>>>,
    uploads: Semaphore,
    is_ending: Arc<AtomicBool>,
}

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
            Self { folder, queue: Mutex::new(Some(send)), uploads: Semaphore::new(AT_ONCE), is_ending };
        imports.take_up_again()?;
        Ok((imports, Worker(worker)))
    }

    /// One that cannot be read is passed over, and is there to be looked at.
    fn take_up_again(&self) -> Result<(), Refusal> {
        for id in self.folder.all()? {
            let place = self.folder.place(id)?;
            match (place.read(), place.lock()?) {
                (Ok(import), Some(lock)) if import.is_unfinished() => {
                    self.enqueue(Job { place, import, _lock: lock })?;
                }
                (Err(refusal), _) => {
                    tracing::error!(import = %id, detail = refusal.detail(), "an import cannot be read")
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
    pub(super) async fn upload(&self, name: String, body: Body) -> Result<Import, Refusal> {
        let _place = self.uploads.try_acquire().map_err(|_| Code::Overloaded)?;
        let (folder, id) = (self.folder.clone(), Uuid::now_v7());
        let begin = move || {
            let place = folder.unfinished(id)?;
            let lock = place.lock()?.ok_or(Code::Internal)?;
            let file = File::create(place.upload()).map_err(|error| failed(&error))?;
            Ok::<_, Refusal>((place, lock, file))
        };
        let (place, lock, file) = spawn_blocking(begin).await.map_err(|_| Code::Internal)??;
        let unfinished = Unfinished(Some(place));
        let bytes = body::save(body, file, MOST_BYTES).await?;
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
        let kept = import.clone();
        let keep = move || {
            let place = unfinished.into_place();
            place.begin(&kept)
        };
        let place = spawn_blocking(keep).await.map_err(|_| Code::Internal)??;
        self.enqueue(Job { place, import: import.clone(), _lock: lock })?;
        Ok(import)
    }

    fn enqueue(&self, job: Job) -> Result<(), Refusal> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        // A service that ends leaves it to whichever begins next.
        if let Some(queue) = &*queue {
            queue.send(job).map_err(|_| Refusal::from(Code::Internal))?;
        }
        Ok(())
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

    /// What of an import was not simply taken in, as it is shown.
    ///
    /// # Errors
    /// `import_unknown`, `import_unfinished`.
    pub(super) async fn findings(&self, id: Uuid) -> Result<Vec<Value>, Refusal> {
        self.look(move |folder| finished(folder, id)?.findings()).await
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
                if place.read().is_ok_and(|import| is_old(&import, now)) {
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
        if is_ending.load(Ordering::Relaxed) {
            return;
        }
        vendor.now = vendor.now.max(wall_clock::now());
        let done = merge(vendor, &mut job, is_ending);
        if let Err(refusal) = done.and_then(|report| finish(&mut job, &report)) {
            stop(&mut job, &refusal, is_ending.load(Ordering::Relaxed));
        }
    }
}

fn merge(vendor: &mut Vendor, job: &mut Job, is_ending: &AtomicBool) -> Result<MergeReport, Refusal> {
    job.import.state = ImportState::Running;
    job.import.updated_at = wall_clock::now();
    job.place.note(&job.import)?;
    let mut noted = Instant::now();
    let Job { place, import, .. } = job;
    merge_while(vendor, &[source(place, import)], JOBS, &mut |merged| {
        (import.bytes_read, import.files, import.events) = (merged.bytes, merged.files, merged.events);
        if noted.elapsed() >= NOTED_EVERY {
            noted = Instant::now();
            import.updated_at = wall_clock::now();
            place.note(import)?;
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
    if matches!(last, "" | "." | "..") { PathBuf::from("bundle") } else { PathBuf::from(last) }
}

fn finish(job: &mut Job, report: &MergeReport) -> Result<(), Refusal> {
    metrics::merged(report);
    job.place.write_findings(&report.findings)?;
    job.place.pack_answers()?;
    let Job { place, import, .. } = job;
    (import.state, import.updated_at) = (ImportState::Done, wall_clock::now());
    (import.files, import.events, import.bytes_read) = (report.files, report.events, import.bytes);
    import.counts = Some(ImportCounts::of(report));
    place.write(import)?;
    place.drop_upload()
}

/// One that the service's end stopped is taken up again; of another it is noted why it stopped.
fn stop(job: &mut Job, refusal: &Refusal, is_ending: bool) {
    let Job { place, import, .. } = job;
    import.updated_at = wall_clock::now();
    if is_ending {
        import.state = ImportState::Waiting;
    } else {
        import.state = ImportState::Failed;
        (import.code, import.detail) = (Some(refusal.code()), refusal.detail().to_owned());
        tracing::error!(import = %import.import_id, code = refusal.code().word(), detail = refusal.detail(), "import failed");
    }
    if let Err(refusal) = place.write(import) {
        tracing::error!(import = %import.import_id, detail = refusal.detail(), "it could not be noted how far it came");
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
        let names = ["inbox.tar", "../../etc/passwd", "C:\\in\\box.cfbundle", "", "..", "a/.."];
        let names = names.map(|name| file_name(name).display().to_string());
        assert_eq!(names, ["inbox.tar", "passwd", "box.cfbundle", "bundle", "bundle", "bundle"]);
    }
}
