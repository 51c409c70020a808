//! Reading: files become verified runs, on several threads, in bounded memory.

mod pieces;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Cursor, Seek};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use ledger::commitment;
use ledger::recovery::Enclosed;
use ledger::run::{VerifiedRun, verify_device};
use schemas::armor;
use schemas::bundle::{Attachment, BundlePart, BundleReader};
use schemas::canonical::DecodeError;
use schemas::codes::Code;
use schemas::container::ContainerError;
use schemas::grant::Grant;
use schemas::ids::{ChainId, Commitment};
use schemas::limits;
use schemas::refusal::Refusal;
use schemas::run::RunBytes;

use super::Source;

/// A bundle that was read and verified.
#[derive(Debug)]
pub(super) struct Parcel {
    /// Where it came from.
    pub(super) source: Source,
    /// Its runs by chain.
    pub(super) deliveries: BTreeMap<ChainId, Delivery>,
    /// Its attachments that open their commitments.
    pub(super) attachments: BTreeMap<Commitment, Attachment>,
    /// Those that do not.
    pub(super) false_attachments: Vec<Attachment>,
    /// The newest grant that each device enclosed, decoded and not believed yet.
    pub(super) enclosed: BTreeMap<ChainId, Enclosed>,
    /// Attachments that runs of an earlier piece refer to, by their chain.
    pub(super) late: BTreeMap<ChainId, Vec<Attachment>>,
    /// Whether this is a piece of a bundle of which more follows.
    pub(super) more: bool,
}

/// The runs of one chain.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    /// Those that verify, in the order of their first places.
    pub(super) runs: Vec<VerifiedRun>,
    /// Those that do not: bytes and reason.
    pub(super) broken: Vec<(Vec<u8>, Code)>,
}

/// A file that cannot be read as a bundle.
#[derive(Debug)]
pub(super) struct Unread {
    /// Where it came from.
    pub(super) source: Source,
    /// Why.
    pub(super) refusal: Refusal,
    /// Its bytes; nothing where it could not be read or is too large to be kept twice: it is still where it was.
    pub(super) bytes: Option<Vec<u8>>,
}

/// A file that was read, or why it could not be.
pub(super) type Read = Result<Parcel, Box<Unread>>;

/// Files up to this size are read at once, and kept whole when they are refused; larger ones are read in pieces.
const WHOLE_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of runs and attachments that one piece holds, about.
const PIECE_BYTES: usize = 16 * 1024 * 1024;
/// Events, files and bytes that one commit takes in, about.
const COMMIT_EVENTS: usize = 32_768;
const COMMIT_FILES: usize = 2_048;
const COMMIT_BYTES: u64 = 32 * 1024 * 1024;
/// Bytes of files that were read and wait to be committed, about, and the most such files. The readers go on that far
/// while a commit waits for the disk.
const AHEAD_BYTES: u64 = 16 * 1024 * 1024;
const AHEAD_FILES: usize = 4_096;

/// Reads every file with `jobs` threads and hands groups of them, worth a commit each, to `take`.
pub(super) fn read_all(
    sources: &[Source],
    jobs: usize,
    mut take: impl FnMut(Vec<Read>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let jobs = NonZeroUsize::new(jobs).map_or(1, NonZeroUsize::get).min(sources.len().max(1));
    let next = AtomicUsize::new(0);
    let ahead = Ahead::default();
    thread::scope(|scope| {
        let (send, receive) = sync_channel(AHEAD_FILES);
        for _ in 0..jobs {
            let send = send.clone();
            let (next, ahead) = (&next, &ahead);
            scope.spawn(move || read_some(sources, next, ahead, &send));
        }
        drop(send);
        // Readers that wait for room are let go when nobody takes any more.
        let _open = CloseOnDrop(&ahead);
        group(receive, &ahead, &mut take)
    })
}

/// How many bytes were read and not taken yet.
#[derive(Default)]
struct Ahead {
    state: Mutex<(u64, bool)>,
    taken: Condvar,
}

impl Ahead {
    /// Waits until there is room. A file is read when there is any, however large it is.
    fn wait(&self) {
        let state = self.lock();
        drop(self.taken.wait_while(state, |(bytes, closed)| *bytes >= AHEAD_BYTES && !*closed));
    }

    fn add(&self, bytes: u64) {
        self.lock().0 += bytes;
    }

    fn take(&self, bytes: u64) {
        self.lock().0 -= bytes;
        self.taken.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, (u64, bool)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct CloseOnDrop<'a>(&'a Ahead);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.lock().1 = true;
        self.0.taken.notify_all();
    }
}

/// Reads one file after the other until there is none left or nobody listens.
fn read_some(sources: &[Source], next: &AtomicUsize, ahead: &Ahead, send: &SyncSender<(u64, Read)>) {
    let give = |size, read| {
        ahead.add(size);
        let is_heard = send.send((size, read)).is_ok();
        ahead.wait();
        is_heard
    };
    while let Some(source) = sources.get(next.fetch_add(1, Ordering::Relaxed)) {
        if !read(source, &mut { give }) {
            break;
        }
    }
}

fn group(
    receive: Receiver<(u64, Read)>,
    ahead: &Ahead,
    take: &mut impl FnMut(Vec<Read>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut group = Vec::new();
    let (mut events, mut bytes) = (0, 0);
    for (size, parcel) in receive {
        ahead.take(size);
        events += parcel.as_ref().map_or(0, Parcel::event_count);
        bytes += size;
        group.push(parcel);
        if events >= COMMIT_EVENTS || group.len() >= COMMIT_FILES || bytes >= COMMIT_BYTES {
            take(std::mem::take(&mut group))?;
            (events, bytes) = (0, 0);
        }
    }
    if group.is_empty() { Ok(()) } else { take(group) }
}

impl Parcel {
    /// A parcel that holds nothing yet.
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            deliveries: BTreeMap::new(),
            attachments: BTreeMap::new(),
            false_attachments: Vec::new(),
            enclosed: BTreeMap::new(),
            late: BTreeMap::new(),
            more: false,
        }
    }

    /// Keeps a grant that a device enclosed, unless a newer one of the same device is there. At most one for each chain
    /// of a bundle is of use.
    pub(super) fn enclose(&mut self, grant: Grant) {
        let Some(enclosed) = Enclosed::read(grant) else { return };
        let newest = self.enclosed.get(&enclosed.device()).map(Enclosed::order);
        let has_room = newest.is_some() || self.enclosed.len() < limits::BUNDLE_CHAINS;
        if has_room && newest < Some(enclosed.order()) {
            self.enclosed.insert(enclosed.device(), enclosed);
        }
    }

    fn attach(&mut self, attachment: Attachment) {
        if commitment::opens(&attachment) {
            self.attachments.insert(attachment.commitment, attachment);
        } else {
            self.false_attachments.push(attachment);
        }
    }

    fn sort(&mut self) {
        for delivery in self.deliveries.values_mut() {
            delivery.runs.sort_by_key(|run| (run.span().first, run.span().last));
        }
    }

    fn event_count(&self) -> usize {
        let runs = self.deliveries.values().flat_map(|delivery| &delivery.runs);
        runs.map(|run| run.events().len()).sum()
    }

    /// The attachments that events of `runs` refer to.
    pub(super) fn attachments_of<'a>(
        &self,
        runs: impl IntoIterator<Item = &'a VerifiedRun>,
    ) -> Vec<Attachment> {
        let events = runs.into_iter().flat_map(VerifiedRun::events);
        let commitments = events.filter_map(|linked| commitment::committed(&linked.event));
        commitments.filter_map(|commitment| self.attachments.get(&commitment)).cloned().collect()
    }
}

/// Takes what was read and its size in bytes; says whether to go on.
type Give<'a> = dyn FnMut(u64, Read) -> bool + 'a;

/// Reads one file, whole or in pieces.
fn read(source: &Source, give: &mut Give<'_>) -> bool {
    match fs::metadata(&source.path) {
        Ok(metadata) if metadata.len() > WHOLE_BYTES => pieces::read(source, give),
        Ok(metadata) => give(metadata.len(), read_whole(source)),
        Err(error) => give(0, unreadable(source, &error)),
    }
}

fn read_whole(source: &Source) -> Read {
    let refused =
        |refusal: Refusal, bytes| Box::new(Unread { source: source.clone(), refusal, bytes: Some(bytes) });
    match fs::read(&source.path) {
        Ok(bytes) => parse_bytes(source, bytes.clone()).map_err(|refusal| refused(refusal, bytes)),
        Err(error) => unreadable(source, &error),
    }
}

fn unreadable(source: &Source, error: &io::Error) -> Read {
    let refusal = Refusal::from_error(Code::IoFailed, error);
    Err(Box::new(Unread { source: source.clone(), refusal, bytes: None }))
}

/// Reads a bundle from its bytes, armored or not.
pub(super) fn parse_bytes(source: &Source, bytes: Vec<u8>) -> Result<Parcel, Refusal> {
    let bytes = armor::dearmor(bytes).map_err(|error| Refusal::from_error(error.code(), &error))?;
    parse(source, Cursor::new(bytes))
}

fn parse(source: &Source, reader: impl io::Read + Seek) -> Result<Parcel, Refusal> {
    parse_parts(source, reader).map_err(|error| Refusal::from_error(error.code(), &error))
}

fn parse_parts(source: &Source, reader: impl io::Read + Seek) -> Result<Parcel, ContainerError> {
    let mut bundle = BundleReader::open(reader)?;
    let mut parcel = Parcel::new(source.clone());
    while let Some(part) = bundle.next_part()? {
        match part {
            BundlePart::Run(bytes) => drop(take_run(&mut parcel, bytes)?),
            BundlePart::Attachment(attachment) => parcel.attach(attachment),
            BundlePart::LastGrant(grant) => parcel.enclose(*grant),
        }
    }
    if parcel.deliveries.is_empty() {
        return Err(DecodeError::Truncated.into());
    }
    parcel.sort();
    Ok(parcel)
}

/// A run that does not verify is refused with its chain; one that does not even name its chain, with the whole file.
fn take_run(parcel: &mut Parcel, bytes: Vec<u8>) -> Result<Option<&VerifiedRun>, ContainerError> {
    let chain = RunBytes::parse(&bytes)?.header.chain;
    if !parcel.deliveries.contains_key(&chain) && parcel.deliveries.len() == limits::BUNDLE_CHAINS {
        return Err(DecodeError::TooLong.into());
    }
    let delivery = parcel.deliveries.entry(chain).or_default();
    match verify_device(&bytes) {
        Ok(run) => {
            delivery.runs.push(run);
            Ok(delivery.runs.last())
        }
        Err(error) => {
            delivery.broken.push((bytes, error.code()));
            Ok(None)
        }
    }
}
