//! How much of an archive was read, packed and unpacked, and where reading has to stop.

use std::cell::Cell;
use std::io::{self, Read};

use schemas::codes::Code;
use schemas::refusal::Refusal;

/// Counts what passes through the readers of one archive, and ends them where a limit is passed.
#[derive(Debug)]
pub(super) struct Meter {
    packed: Cell<u64>,
    unpacked: Cell<u64>,
    /// Most bytes that may be unpacked in all.
    most: u64,
    /// The place up to which may be read for now.
    until: Cell<u64>,
    /// Whether a limit was passed.
    is_over: Cell<bool>,
    /// Whether the file itself could not be read.
    failed: Cell<bool>,
    /// Whether the unpacked bytes ended.
    ended: Cell<bool>,
}

impl Meter {
    /// A meter that lets `most` bytes be unpacked.
    pub(super) fn new(most: u64) -> Self {
        Self {
            packed: Cell::new(0),
            unpacked: Cell::new(0),
            most,
            until: Cell::new(u64::MAX),
            is_over: Cell::new(false),
            failed: Cell::new(false),
            ended: Cell::new(false),
        }
    }

    /// Bytes of the archive itself that were read.
    pub(super) fn packed(&self) -> u64 {
        self.packed.get()
    }

    /// Lets the unpacked bytes be read up to the place `until`.
    pub(super) fn allow_until(&self, until: u64) {
        self.until.set(until);
    }

    /// Whether the unpacked bytes were read to their very end.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// Whether an error concerns the whole archive, whichever entry it met.
    pub(super) fn has_stopped(&self) -> bool {
        self.is_over.get() || self.failed.get()
    }

    /// Why an archive cannot be read on, after so many of its entries. What the libraries say of it stays untold: it may
    /// repeat what the archive holds.
    pub(super) fn refusal(&self, error: &io::Error, entries: u64) -> Refusal {
        let place = format!("after {entries} entries");
        match error {
            _ if self.is_over.get() => Refusal::new(Code::ArchiveTooLarge, place),
            error if self.failed.get() => Refusal::from_error(Code::IoFailed, error).at(place),
            _ => Refusal::new(Code::ArchiveDamaged, place),
        }
    }

    fn count(&self, read: usize) -> io::Result<()> {
        let unpacked = self.unpacked.get().saturating_add(read as u64);
        self.unpacked.set(unpacked);
        if unpacked > self.most.min(self.until.get()) {
            self.is_over.set(true);
            return Err(io::Error::other("the archive unpacks to more than is taken"));
        }
        Ok(())
    }
}

/// The bytes of an archive as they lie on the disk.
#[derive(Debug)]
pub(super) struct Packed<'a, R> {
    reader: R,
    meter: &'a Meter,
}

impl<'a, R> Packed<'a, R> {
    pub(super) fn new(reader: R, meter: &'a Meter) -> Self {
        Self { reader, meter }
    }
}

impl<R: Read> Read for Packed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer).inspect_err(|error| {
            // What the system has to say is a matter of the disk, all else of the archive.
            if error.raw_os_error().is_some() && error.kind() != io::ErrorKind::Interrupted {
                self.meter.failed.set(true);
            }
        })?;
        self.meter.packed.set(self.meter.packed.get().saturating_add(read as u64));
        Ok(read)
    }
}

/// The bytes that come out of it.
#[derive(Debug)]
pub(super) struct Unpacked<'a, R> {
    reader: R,
    meter: &'a Meter,
}

impl<'a, R> Unpacked<'a, R> {
    pub(super) fn new(reader: R, meter: &'a Meter) -> Self {
        Self { reader, meter }
    }
}

impl<R: Read> Read for Unpacked<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            self.meter.ended.set(true);
        }
        self.meter.count(read)?;
        Ok(read)
    }
}
