//! Reading: files and the entries of archives become verified runs, on several threads, in bounded memory.
//!
//! Whatever a reader meets, a fault of the program itself included, is a matter of that one file: it is refused and the
//! others go in.

mod pieces;
mod work;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor, Read as _, Seek};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
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

use self::work::{Job, Unverified, Work};
use super::Source;
use super::archive::{self, Content};

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
pub(super) const WHOLE_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of runs and attachments that one piece holds, about.
const PIECE_BYTES: usize = 16 * 1024 * 1024;
/// Events, files and bytes that one commit takes in, about.
pub(super) const COMMIT_EVENTS: usize = 32_768;
pub(super) const COMMIT_FILES: usize = 2_048;
const COMMIT_BYTES: u64 = 32 * 1024 * 1024;
/// Bytes of files that were read and wait to be committed, about, and the most such files. The readers go on that far
/// while a commit waits for the disk.
const AHEAD_BYTES: u64 = 16 * 1024 * 1024;
const AHEAD_FILES: usize = 4_096;

/// How a file's bytes become a parcel. It comes in as an argument so that a test can give one that fails.
pub(super) type Decode = fn(&Source, Vec<u8>) -> Result<Parcel, Refusal>;

/// Reads every file with `jobs` threads and hands groups of them, worth a commit each, to `take`, together with the bytes
/// of `sources` that they stand for.
pub(super) fn read_all(
    sources: &[Source],
    jobs: usize,
    decode: Decode,
    mut take: impl FnMut(Vec<Read>, u64) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let jobs = NonZeroUsize::new(jobs).map_or(1, NonZeroUsize::get);
    let has_archives = sources.iter().any(|source| source.archive.is_some());
    let jobs = if has_archives { jobs } else { jobs.min(sources.len().max(1)) };
    let work = Work::new(sources);
    let ahead = Ahead::default();
    thread::scope(|scope| {
        let (send, receive) = sync_channel(AHEAD_FILES);
        for _ in 0..jobs {
            let reader = Reader { work: &work, ahead: &ahead, send: send.clone(), decode };
            scope.spawn(move || reader.run());
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

/// What was read, on its way to be committed.
struct Sent {
    /// Its bytes in memory.
    held: u64,
    /// The bytes of the sources that it stands for.
    share: u64,
    read: Read,
}

/// One of the threads that read.
struct Reader<'a> {
    work: &'a Work<'a>,
    ahead: &'a Ahead,
    send: SyncSender<Sent>,
    decode: Decode,
}

impl Reader<'_> {
    /// Does one thing after the other until there is nothing left or nobody listens.
    fn run(&self) {
        while let Some(job) = self.work.next() {
            let goes_on = match job {
                Job::Bundle(source) => self.file(source),
                Job::Archive(reading) => self.archive(reading.source),
                Job::Entry(entry) => self.entry(entry),
            };
            if !goes_on {
                self.work.stop();
            }
        }
    }

    fn give(&self, held: u64, share: u64, read: Read) -> bool {
        self.ahead.add(held);
        let is_heard = self.send.send(Sent { held, share, read }).is_ok();
        self.ahead.wait();
        is_heard
    }

    /// Gives what is read of one file that stands for `left` bytes: the last piece stands for what the others did not.
    fn give_shares(&self, mut left: u64) -> impl FnMut(u64, Read) -> bool {
        move |held, read| {
            let share = if read.as_ref().is_ok_and(|parcel| parcel.more) { held.min(left) } else { left };
            left -= share;
            self.give(held, share, read)
        }
    }

    /// Reads one file, whole or in pieces.
    fn file(&self, source: &Source) -> bool {
        let mut give = self.give_shares(source.size);
        match open(source) {
            Ok((file, size)) if size > WHOLE_BYTES => read_in_pieces(source, &file, &mut give),
            Ok((file, size)) => match read_whole(file, size) {
                Ok(bytes) => give(bytes.len() as u64, self.decode(source, bytes)),
                Err(error) => give(0, unreadable(source, &error)),
            },
            Err(error) => give(0, unreadable(source, &error)),
        }
    }

    /// Reads an archive and leaves its entries to the others, as far as they keep up.
    fn archive(&self, source: &Source) -> bool {
        let Some(format) = source.archive else { return true };
        let mut left = source.size;
        let read = guarded(|| {
            archive::read(source, format, &mut |archive::Entry { source, content, share }| {
                let share = share.min(left);
                left -= share;
                self.content(source, content, share)
            })
        });
        let refusal = match read.unwrap_or_else(Err) {
            Ok(goes_on) => return goes_on,
            Err(refusal) => refusal,
        };
        self.give(0, left, Err(Box::new(Unread { source: source.clone(), refusal, bytes: None })))
    }

    fn content(&self, source: Source, content: Content, share: u64) -> bool {
        match content {
            Content::Whole(bytes) => match self.work.offer(Unverified { source, bytes, share }) {
                Some(entry) => self.entry(entry),
                None => true,
            },
            Content::Large(file) => read_in_pieces(&source, &file, &mut self.give_shares(share)),
            Content::Refused(refusal, bytes) => {
                let held = bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
                self.give(held, share, Err(Box::new(Unread { source, refusal, bytes })))
            }
        }
    }

    fn entry(&self, entry: Unverified) -> bool {
        let Unverified { source, bytes, share } = entry;
        self.give(bytes.len() as u64, share, self.decode(&source, bytes))
    }

    fn decode(&self, source: &Source, bytes: Vec<u8>) -> Read {
        read_bytes(source, bytes, self.decode)
    }
}

/// Reads a file from its bytes, which are kept where it is refused.
pub(super) fn read_bytes(source: &Source, bytes: Vec<u8>, decode: Decode) -> Read {
    let parsed = guarded(|| decode(source, bytes.clone())).unwrap_or_else(Err);
    parsed.map_err(|refusal| Box::new(Unread { source: source.clone(), refusal, bytes: Some(bytes) }))
}

fn read_in_pieces(source: &Source, file: &File, give: &mut Give<'_>) -> bool {
    guarded(|| pieces::read(source, file, give)).unwrap_or_else(|fault| {
        give(0, Err(Box::new(Unread { source: source.clone(), refusal: fault, bytes: None })))
    })
}

/// Turns a panic into a refusal, so that one file that the program was not made for takes no other with it. Where it
/// happened stands on stderr. What is read was given away whole or not at all, so nothing half done is left behind.
pub(crate) fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(read)).map_err(|panic| {
        let said = panic.downcast_ref::<&str>().map(|said| (*said).to_owned());
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
        Refusal::new(Code::Internal, said.unwrap_or_default())
    })
}

fn group(
    receive: Receiver<Sent>,
    ahead: &Ahead,
    take: &mut impl FnMut(Vec<Read>, u64) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut group = Vec::new();
    let (mut events, mut bytes, mut shares) = (0, 0, 0);
    for Sent { held, share, read } in receive {
        ahead.take(held);
        events += read.as_ref().map_or(0, Parcel::event_count);
        bytes += held;
        shares += share;
        group.push(read);
        if events >= COMMIT_EVENTS || group.len() >= COMMIT_FILES || bytes >= COMMIT_BYTES {
            take(std::mem::take(&mut group), shares)?;
            (events, bytes, shares) = (0, 0, 0);
        }
    }
    if group.is_empty() { Ok(()) } else { take(group, shares) }
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

    pub(super) fn event_count(&self) -> usize {
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

fn open(source: &Source) -> io::Result<(File, u64)> {
    let file = File::open(&source.path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

fn read_whole(file: File, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    // One that grows meanwhile is damaged anyway.
    file.take(size).read_to_end(&mut bytes)?;
    Ok(bytes)
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

#[cfg(test)]
mod tests;
