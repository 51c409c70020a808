//! What the frames of each kind of file hold: bundles from devices, grants and notices to them, packs.

use std::io::{self, Cursor, Read, Seek};

use serde::{Deserialize, Serialize};

use crate::canonical::{self, DecodeError};
use crate::container::{ContainerError, FileKind, Frame, FrameWriter, Frames};
use crate::grant::Grant;
use crate::ids::{Commitment, Salt};
use crate::limits;
use crate::notice::Notice;
use crate::pack::Pack;
use crate::wire::blob;

const RUN: u8 = 1;
const ATTACHMENT: u8 = 2;
const LAST_GRANT: u8 = 3;
const GRANT: u8 = 4;
const NOTICE: u8 = 5;
const PACK: u8 = 6;

/// Personal data beside a run: the value that a commitment stands for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Attachment {
    /// The commitment.
    pub commitment: Commitment,
    /// Its salt.
    pub salt: Salt,
    /// The value.
    #[serde(with = "blob")]
    pub value: Vec<u8>,
}

/// One part of a bundle.
#[derive(Clone, Debug)]
pub enum BundlePart {
    /// The bytes of a run.
    Run(Vec<u8>),
    /// A value beside the runs.
    Attachment(Attachment),
    /// The last grant that the device applied.
    LastGrant(Box<Grant>),
}

/// Reads a bundle part by part.
#[derive(Debug)]
pub struct BundleReader<R>(Frames<R>);

impl<R: Read + Seek> BundleReader<R> {
    /// Checks the whole file's digest and stands before its first part.
    ///
    /// # Errors
    /// As [`Frames::open`].
    pub fn open(reader: R) -> Result<Self, ContainerError> {
        Frames::open(reader, FileKind::Bundle).map(Self)
    }

    /// The next part, or nothing after the last.
    ///
    /// # Errors
    /// The rule of the format that the part breaks.
    pub fn next_part(&mut self) -> Result<Option<BundlePart>, ContainerError> {
        let Some(Frame { tag, content }) = self.0.next_frame()? else { return Ok(None) };
        let part = match tag {
            RUN => BundlePart::Run(content),
            ATTACHMENT => {
                let attachment: Attachment = canonical::from_bytes(&content)?;
                if attachment.value.len() > limits::ATTACHMENT_BYTES {
                    return Err(DecodeError::TooLong.into());
                }
                BundlePart::Attachment(attachment)
            }
            LAST_GRANT => BundlePart::LastGrant(Box::new(read_grant(&content)?)),
            _ => return Err(DecodeError::UnknownKind.into()),
        };
        Ok(Some(part))
    }
}

/// A bundle in memory, ready to be written.
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    /// The runs' bytes, in the order of their chains and places.
    pub runs: Vec<Vec<u8>>,
    /// Values beside the runs.
    pub attachments: Vec<Attachment>,
    /// The last grant that the device applied.
    pub last_grant: Option<Grant>,
}

impl Bundle {
    /// The file's bytes.
    pub fn encode(&self) -> Vec<u8> {
        file(FileKind::Bundle, |writer| {
            for run in &self.runs {
                writer.frame(RUN, run)?;
            }
            for attachment in &self.attachments {
                writer.frame(ATTACHMENT, &canonical::to_bytes(attachment))?;
            }
            if let Some(grant) = &self.last_grant {
                writer.frame(LAST_GRANT, &canonical::to_bytes(grant))?;
            }
            Ok(())
        })
    }
}

/// What the vendor answers one chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// A grant: the newest of the chain.
    Grant(Box<Grant>),
    /// A notice: no licence can answer.
    Notice(Notice),
}

/// Writes a grant file: one answer for each chain.
pub fn encode_answers(answers: &[Answer]) -> Vec<u8> {
    file(FileKind::Grants, |writer| {
        for answer in answers {
            match answer {
                Answer::Grant(grant) => writer.frame(GRANT, &canonical::to_bytes(grant.as_ref()))?,
                Answer::Notice(notice) => writer.frame(NOTICE, &canonical::to_bytes(notice))?,
            }
        }
        Ok(())
    })
}

/// Reads a grant file.
///
/// # Errors
/// As [`Frames::open`], and the rule of the format that a part breaks.
pub fn decode_answers(bytes: &[u8]) -> Result<Vec<Answer>, ContainerError> {
    let mut frames = Frames::open(Cursor::new(bytes), FileKind::Grants)?;
    let mut answers = Vec::new();
    while let Some(Frame { tag, content }) = frames.next_frame()? {
        if answers.len() == limits::BUNDLE_CHAINS {
            return Err(DecodeError::TooLong.into());
        }
        answers.push(match tag {
            GRANT => Answer::Grant(Box::new(read_grant(&content)?)),
            NOTICE => Answer::Notice(canonical::from_bytes(&content)?),
            _ => return Err(DecodeError::UnknownKind.into()),
        });
    }
    Ok(answers)
}

/// Writes a pack file.
pub fn encode_pack(pack: &Pack) -> Vec<u8> {
    file(FileKind::Pack, |writer| writer.frame(PACK, &canonical::to_bytes(pack)))
}

/// Reads a pack file.
///
/// # Errors
/// As [`Frames::open`], and the rule of the format that the pack breaks.
pub fn decode_pack(bytes: &[u8]) -> Result<Pack, ContainerError> {
    let mut frames = Frames::open(Cursor::new(bytes), FileKind::Pack)?;
    let pack = match frames.next_frame()? {
        Some(Frame { tag: PACK, content }) if content.len() <= limits::PACK_BYTES => {
            canonical::from_bytes(&content)?
        }
        Some(Frame { tag: PACK, .. }) => return Err(DecodeError::TooLong.into()),
        Some(_) => return Err(DecodeError::UnknownKind.into()),
        None => return Err(DecodeError::Truncated.into()),
    };
    match frames.next_frame()? {
        None => Ok(pack),
        Some(_) => Err(DecodeError::TrailingBytes.into()),
    }
}

fn read_grant(content: &[u8]) -> Result<Grant, DecodeError> {
    if content.len() > limits::GRANT_BYTES {
        return Err(DecodeError::TooLong);
    }
    canonical::from_bytes(content)
}

fn file(kind: FileKind, write: impl FnOnce(&mut FrameWriter<Vec<u8>>) -> io::Result<()>) -> Vec<u8> {
    let written = FrameWriter::new(Vec::new(), kind).and_then(|mut writer| {
        write(&mut writer)?;
        writer.finish()
    });
    written.expect("a vector takes every write")
}
