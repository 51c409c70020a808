//! The frame around every file, taken apart and put together again without the product's own reader: see
//! `docs/formats/`.

use sha2::{Digest as _, Sha256};

/// Bytes of the magic, the kind's letter and the version.
pub const HEAD: usize = 5;
/// Bytes of a frame's tag and length.
pub const FRAME_HEAD: usize = 5;
const DIGEST: usize = 32;

/// A frame of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    /// What it is.
    pub tag: u8,
    /// Where its tag stands in the file.
    pub at: usize,
    /// What it holds.
    pub content: Vec<u8>,
}

/// The frames of a file that is whole.
pub fn frames(file: &[u8]) -> Vec<Frame> {
    let end = file.len() - DIGEST;
    let mut frames = Vec::new();
    let mut at = HEAD;
    while at < end {
        let len = u32::from_be_bytes(file[at + 1..at + FRAME_HEAD].try_into().expect("four bytes")) as usize;
        let start = at + FRAME_HEAD;
        frames.push(Frame { tag: file[at], at, content: file[start..start + len].to_vec() });
        at = start + len;
    }
    frames
}

/// A file with the head of `like` and these frames.
pub fn file_of(like: &[u8], frames: &[Frame]) -> Vec<u8> {
    let mut file = like[..HEAD].to_vec();
    for Frame { tag, content, .. } in frames {
        file.push(*tag);
        file.extend_from_slice(&u32::try_from(content.len()).expect("short").to_be_bytes());
        file.extend_from_slice(content);
    }
    file.extend_from_slice(&[0; DIGEST]);
    seal(file)
}

/// Makes the digest at a file's end right again.
pub fn seal(mut file: Vec<u8>) -> Vec<u8> {
    let end = file.len() - DIGEST;
    let digest = Sha256::digest(&file[..end]);
    file[end..].copy_from_slice(&digest);
    file
}
