//! What an entry holds: in memory where it is small, in a file without a name where it is not.

use std::fs::File;
use std::io::{self, Read, Write as _};

use schemas::codes::Code;
use schemas::limits;
use schemas::refusal::Refusal;

use super::Format;
use super::admission::Admitted;
use crate::merging::intake::WHOLE_BYTES;

/// What an entry holds.
#[derive(Debug)]
pub(in crate::merging) enum Content {
    /// All of it.
    Whole(Vec<u8>),
    /// More than is kept in memory: in a temporary file that has no name and goes away with this value.
    Large(File),
    /// It is not taken: why, and its bytes where they were read and are few.
    Refused(Refusal, Option<Vec<u8>>),
}

impl Content {
    /// Reads the `size` bytes of an entry that was admitted.
    ///
    /// # Errors
    /// When `reader` fails or holds fewer bytes.
    pub(super) fn read(admitted: &Admitted, size: u64, reader: &mut dyn Read) -> io::Result<Self> {
        if let Admitted { refusal: Some(refusal), is_read: false, .. } = admitted {
            return Ok(Self::Refused(refusal.clone(), None));
        }
        let mut head = Vec::new();
        reader.take(WHOLE_BYTES + 1).read_to_end(&mut head)?;
        let is_whole = head.len() as u64 <= WHOLE_BYTES;
        if is_whole && head.len() as u64 != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let nested = || Format::recognise(&head).map(|_| Refusal::from(Code::ArchiveNested));
        match admitted.refusal.clone().or_else(nested) {
            Some(refusal) => Ok(Self::Refused(refusal, is_whole.then_some(head))),
            None if is_whole => Ok(Self::Whole(head)),
            None => spool(&head, size, reader),
        }
    }
}

/// Puts the rest of a large entry on the disk. Where that fails, as on a full disk, only this entry is refused.
fn spool(head: &[u8], size: u64, reader: &mut dyn Read) -> io::Result<Content> {
    let no_room = |error: &io::Error| {
        Content::Refused(Refusal::from_error(Code::IoFailed, error).at("a temporary file"), None)
    };
    let mut file = match tempfile::tempfile().and_then(|mut file| file.write_all(head).map(|()| file)) {
        Ok(file) => file,
        Err(error) => return Ok(no_room(&error)),
    };
    let mut written = head.len() as u64;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        written += read as u64;
        if written > limits::BUNDLE_BYTES {
            return Ok(Content::Refused(Code::TooLarge.into(), None));
        }
        if let Err(error) = file.write_all(&buffer[..read]) {
            return Ok(no_room(&error));
        }
    }
    if written == size { Ok(Content::Large(file)) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
