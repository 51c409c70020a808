//! The frame around every file: recognised by content, refused whole when a byte of it is damaged.
//!
//! ```text
//! file  = magic (CF 43 46, then the kind's letter)  version (01)  frame…  SHA-256 of all before it
//! frame = tag (1 byte)  length (4 bytes, big endian)  content
//! ```

use std::io::{self, Read, Seek, SeekFrom, Write};

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::canonical::DecodeError;
use crate::codes::Code;
use crate::limits;
use crate::wire::choices;

choices! {
    /// What a file is.
    FileKind {
        /// Device to vendor: `*.cfbundle`.
        Bundle = 66 "bundle",
        /// Vendor to device: `*.cfgrant`.
        Grants = 71 "grant",
        /// Shipped with the application: `*.cfpack`.
        Pack = 80 "pack",
        /// For auditors: `*.cfstatement`.
        Statement = 83 "statement",
    }
}

impl FileKind {
    /// Recognises a file by its first bytes; a name is never looked at.
    pub fn recognise(head: &[u8]) -> Option<Self> {
        match head {
            [0xcf, b'C', b'F', letter, ..] => Self::from_number(u64::from(*letter)),
            _ => None,
        }
    }

    fn most_bytes(self) -> u64 {
        match self {
            Self::Bundle | Self::Statement => limits::BUNDLE_BYTES,
            Self::Grants => (limits::BUNDLE_CHAINS * limits::GRANT_BYTES * 2) as u64,
            Self::Pack => (limits::PACK_BYTES * 2) as u64,
        }
    }
}

/// The version of the file format that this program writes.
pub const VERSION: u8 = 1;
/// The longest content of one frame.
const FRAME_BYTES: usize = limits::RUN_BYTES + limits::ATTACHMENT_BYTES;
const HEAD_BYTES: u64 = 5;
const DIGEST_BYTES: u64 = 32;

/// Why a file is not taken.
#[derive(Debug, Error)]
pub enum ContainerError {
    /// It does not begin as any file of ours.
    #[error("this is not a Counterfoil file")]
    NotOurs,
    /// It is a file of another kind.
    #[error("this is a {found} file where a {expected} file is expected")]
    WrongKind {
        /// What was expected.
        expected: FileKind,
        /// What it is.
        found: FileKind,
    },
    /// It was written by a newer version.
    #[error("the file's version is not supported")]
    UnknownVersion,
    /// It is longer than its kind may be.
    #[error("the file is too large")]
    TooLarge,
    /// Its digest does not match: it was cut or changed on the way.
    #[error("the file is damaged")]
    Damaged,
    /// Its digest matches and a part of it breaks the format.
    #[error("the file breaks its format")]
    Format(#[from] DecodeError),
    /// It could not be read.
    #[error("the file could not be read")]
    Io(#[from] io::Error),
}

impl ContainerError {
    /// The refusal code that stands for this error.
    pub fn code(&self) -> Code {
        match self {
            Self::NotOurs => Code::UnknownFile,
            Self::WrongKind { .. } => Code::WrongFile,
            Self::UnknownVersion => Code::UnsupportedVersion,
            Self::TooLarge => Code::TooLarge,
            Self::Damaged => Code::Damaged,
            Self::Format(error) => error.code(),
            Self::Io(_) => Code::IoFailed,
        }
    }
}

/// One part of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    /// What the part is.
    pub tag: u8,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// Reads the frames of a file whose digest was checked.
#[derive(Debug)]
pub struct Frames<R> {
    reader: R,
    left: u64,
}

impl<R: Read + Seek> Frames<R> {
    /// Checks magic, version and digest of the whole file, then stands before its first frame.
    ///
    /// Reads the file twice and holds no more than one frame of it in memory.
    ///
    /// # Errors
    /// The first thing that is wrong, in the order magic, kind, version, size, digest.
    pub fn open(mut reader: R, expected: FileKind) -> Result<Self, ContainerError> {
        let len = reader.seek(SeekFrom::End(0))?;
        reader.rewind()?;
        let mut head = Vec::new();
        reader.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
        let found = FileKind::recognise(&head).ok_or(ContainerError::NotOurs)?;
        if found != expected {
            return Err(ContainerError::WrongKind { expected, found });
        }
        match head.get(4) {
            Some(&VERSION) => {}
            Some(_) => return Err(ContainerError::UnknownVersion),
            None => return Err(ContainerError::Damaged),
        }
        if len > expected.most_bytes() {
            return Err(ContainerError::TooLarge);
        }
        let content = len.checked_sub(HEAD_BYTES + DIGEST_BYTES).ok_or(ContainerError::Damaged)?;
        let mut hash = Sha256::new_with_prefix(&head);
        hash_exactly(&mut reader, content, &mut hash)?;
        let mut digest = [0; 32];
        reader.read_exact(&mut digest)?;
        if digest[..] != hash.finalize()[..] {
            return Err(ContainerError::Damaged);
        }
        reader.seek(SeekFrom::Start(HEAD_BYTES))?;
        Ok(Self { reader, left: content })
    }

    /// The next frame, or nothing after the last.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] or [`DecodeError::TooLong`] for a frame that does not fit.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, ContainerError> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut head = [0; 5];
        self.take(&mut head)?;
        let [tag, len @ ..] = head;
        let len = u32::from_be_bytes(len) as usize;
        if len > FRAME_BYTES {
            return Err(DecodeError::TooLong.into());
        }
        let mut content = vec![0; len];
        self.take(&mut content)?;
        Ok(Some(Frame { tag, content }))
    }

    fn take(&mut self, bytes: &mut [u8]) -> Result<(), ContainerError> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or(DecodeError::Truncated)?;
        Ok(self.reader.read_exact(bytes)?)
    }
}

fn hash_exactly(reader: &mut impl Read, mut left: u64, hash: &mut Sha256) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        reader.read_exact(&mut buffer[..most])?;
        hash.update(&buffer[..most]);
        left -= most as u64;
    }
    Ok(())
}

/// Writes a file frame by frame.
#[derive(Debug)]
pub struct FrameWriter<W> {
    writer: W,
    hash: Sha256,
}

impl<W: Write> FrameWriter<W> {
    /// Begins a file.
    pub fn new(writer: W, kind: FileKind) -> io::Result<Self> {
        let mut file = Self { writer, hash: Sha256::new() };
        file.put(&[0xcf, b'C', b'F', kind.number(), VERSION])?;
        Ok(file)
    }

    /// Writes one frame.
    pub fn frame(&mut self, tag: u8, content: &[u8]) -> io::Result<()> {
        let len = u32::try_from(content.len()).expect("every part of a file has a limit far below 4 GiB");
        self.put(&[tag])?;
        self.put(&len.to_be_bytes())?;
        self.put(content)
    }

    /// Ends the file with its digest and gives the writer back.
    pub fn finish(mut self) -> io::Result<W> {
        let digest = self.hash.finalize();
        self.writer.write_all(&digest)?;
        Ok(self.writer)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.writer.write_all(bytes)
    }
}
