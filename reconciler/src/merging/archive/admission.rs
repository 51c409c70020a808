//! Which entries of an archive are taken, and under which name.

use std::collections::HashSet;
use std::path::Path;

use schemas::codes::Code;
use schemas::limits;
use schemas::refusal::Refusal;
use sha2::{Digest as _, Sha256};

use super::ENTRIES;
use crate::merging::paths::{AnswerTo, Source, answer_path, is_unfinished};

/// Longest name of an entry, in bytes: with the folder of the answers before it, systems take it.
const NAME_BYTES: usize = 1_024;
/// Longest part of a name: with what is put around an answer while it is written, systems take it.
const PART_BYTES: usize = 200;
/// Most parts of a name.
const PARTS: usize = 32;
/// Characters of a name that is not taken that a report shows.
const SHOWN: usize = 120;

/// What an entry is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// A plain file.
    File,
    /// Nothing that could be merged: a folder, or something said of other entries.
    Folder,
    /// A link, a device, or packed in a way that is not unpacked here.
    Other,
}

/// An entry that is looked at.
#[derive(Debug)]
pub(super) struct Admitted {
    /// Where it stands.
    pub(super) source: Source,
    /// Why it is not taken, if so.
    pub(super) refusal: Option<Refusal>,
    /// Whether its bytes are read: they are merged, or kept in quarantine.
    pub(super) is_read: bool,
}

/// Judges the entries of one archive, in the order in which they stand.
#[derive(Debug)]
pub(super) struct Admission<'a> {
    archive: &'a Source,
    entries: u64,
    /// The beginnings of the SHA-256 of names that were taken, or of their answers where answers are written.
    taken: HashSet<[u8; 16]>,
}

impl<'a> Admission<'a> {
    /// Nothing of `archive` was seen yet.
    pub(super) fn new(archive: &'a Source) -> Self {
        Self { archive, entries: 0, taken: HashSet::new() }
    }

    /// How many entries were seen.
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// Judges an entry of `size` bytes, unpacked; nothing for one that is passed over like its counterpart in a folder.
    ///
    /// # Errors
    /// `archive_too_large` when the archive has too many entries.
    pub(super) fn judge(&mut self, name: &[u8], kind: Kind, size: u64) -> Result<Option<Admitted>, Refusal> {
        if self.entries == ENTRIES {
            return Err(Refusal::new(Code::ArchiveTooLarge, format!("more than {ENTRIES} entries")));
        }
        self.entries += 1;
        if kind == Kind::Folder {
            return Ok(None);
        }
        let plain = match plain_name(name) {
            Ok(plain) => plain,
            Err(why) => return Ok(Some(self.refused(&shown(name), kind, size, unsafe_name(why)))),
        };
        if plain.split('/').any(is_unfinished) {
            return Ok(None);
        }
        if kind == Kind::Other {
            return Ok(Some(self.refused(&plain, kind, size, Code::EntryNotAFile.into())));
        }
        let answer = self.archive.answer_file().map(|folder| answer_path(&folder.join(&plain)));
        let unique = answer.as_deref().unwrap_or(Path::new(&plain));
        let digest = Sha256::digest(unique.as_os_str().as_encoded_bytes());
        let beginning = digest[..16].try_into().expect("a SHA-256 has 32 bytes");
        if !self.taken.insert(beginning) {
            return Ok(Some(self.refused(&plain, kind, size, Code::EntryRepeated.into())));
        }
        let too_large = size > limits::BUNDLE_BYTES;
        let source = Source { answer: answer.map(AnswerTo::File), ..self.source(&plain, size) };
        let refusal = too_large.then(|| Refusal::from(Code::TooLarge));
        Ok(Some(Admitted { source, refusal, is_read: !too_large }))
    }

    fn refused(&self, name: &str, kind: Kind, size: u64, refusal: Refusal) -> Admitted {
        let is_read = kind == Kind::File && size <= limits::BUNDLE_BYTES;
        Admitted { source: self.source(name, size), refusal: Some(refusal), is_read }
    }

    fn source(&self, name: &str, size: u64) -> Source {
        let Source { path, name: archive, .. } = self.archive;
        Source { path: path.clone(), name: format!("{archive}/{name}"), size, archive: None, answer: None }
    }
}

fn unsafe_name(why: &str) -> Refusal {
    Refusal::new(Code::EntryNameUnsafe, why)
}

/// The name without empty parts and `.`, or what is wrong with it.
fn plain_name(name: &[u8]) -> Result<String, &'static str> {
    let name = std::str::from_utf8(name).map_err(|_| "it is not UTF-8")?;
    if name.len() > NAME_BYTES {
        return Err("it is too long");
    }
    if name.contains(|c: char| c == '\\' || c.is_control()) {
        return Err("it holds a backslash or a control character");
    }
    if name.starts_with('/') || has_drive(name) {
        return Err("it is absolute");
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err("it leads out of the archive");
    }
    if parts.is_empty() {
        return Err("it is empty");
    }
    if parts.len() > PARTS || parts.iter().any(|part| part.len() > PART_BYTES) {
        return Err("it is too long");
    }
    // A folder of that name would stand where another entry is answered.
    let folders = &parts[..parts.len() - 1];
    let is_answer =
        |part: &&str| Path::new(part).extension().is_some_and(|end| end.eq_ignore_ascii_case("cfgrant"));
    if folders.iter().any(is_answer) {
        return Err("a folder is named like an answer");
    }
    Ok(parts.join("/"))
}

fn has_drive(name: &str) -> bool {
    matches!(name.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

/// A name that is not taken, so that it harms no terminal.
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).escape_debug().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn archive(answers: Option<&str>) -> Source {
        Source {
            path: PathBuf::from("in/a.tar"),
            name: "in/a.tar".to_owned(),
            size: 0,
            archive: Some(super::super::Format::Tar),
            answer: answers.map(|folder| AnswerTo::File(folder.into())),
        }
    }

    #[test]
    fn names_lead_nowhere_but_below_the_archive() {
        for (name, plain) in [
            ("x.cfbundle", Some("x.cfbundle")),
            ("./a//b/./x", Some("a/b/x")),
            ("a/10:00.cfbundle", Some("a/10:00.cfbundle")),
            ("a/x..y", Some("a/x..y")),
            ("x.cfgrant", Some("x.cfgrant")),
            ("/etc/passwd", None),
            ("//server/x", None),
            ("../x", None),
            ("a/../x", None),
            ("a/..", None),
            ("a\\x", None),
            ("C:x", None),
            ("c:/x", None),
            ("a\0b", None),
            ("a\nb", None),
            ("a\u{9b}31m", None),
            ("x.CFGRANT/y", None),
            ("", None),
            ("./", None),
        ] {
            assert_eq!(plain_name(name.as_bytes()).ok().as_deref(), plain, "{name:?}");
        }
        assert!(plain_name(b"\xff").is_err());
        assert!(plain_name(&[b'x'; PART_BYTES]).is_ok());
        assert!(plain_name(&[b'x'; PART_BYTES + 1]).is_err());
        assert!(plain_name("a/".repeat(PARTS - 1).as_bytes()).is_ok());
        assert!(plain_name(["a"; PARTS + 1].join("/").as_bytes()).is_err());
    }

    #[test]
    fn the_second_entry_of_a_name_is_refused_and_of_an_answer_too() {
        let without = archive(None);
        let mut admission = Admission::new(&without);
        let mut code = |name: &[u8]| {
            let admitted = admission.judge(name, Kind::File, 1).expect("few entries").expect("a file");
            admitted.refusal.map(|refusal| refusal.code())
        };
        assert_eq!(code(b"a/x.cfbundle"), None);
        assert_eq!(code(b"a/x.other"), None);
        assert_eq!(code(b"./a/x.cfbundle"), Some(Code::EntryRepeated));
        let with = archive(Some("out/a"));
        let mut admission = Admission::new(&with);
        let mut judge = |name: &[u8]| admission.judge(name, Kind::File, 1).expect("few").expect("a file");
        let first = judge(b"a/x.cfbundle");
        assert_eq!(first.source.name, "in/a.tar/a/x.cfbundle");
        assert_eq!(first.source.answer_file(), Some(Path::new("out/a/a/x.cfgrant")));
        assert_eq!(judge(b"a/x.other").refusal.map(|refusal| refusal.code()), Some(Code::EntryRepeated));
    }

    #[test]
    fn what_a_folder_would_pass_over_is_passed_over_and_what_is_no_file_is_told() {
        let archive = archive(None);
        let mut admission = Admission::new(&archive);
        let mut judge = |name: &[u8], kind| admission.judge(name, kind, 1).expect("few entries");
        for name in [&b".hidden"[..], b"a/.git/x", b"x.tmp", b"x.PART"] {
            assert!(judge(name, Kind::File).is_none());
        }
        assert!(judge(b"../folder", Kind::Folder).is_none());
        let link = judge(b"link", Kind::Other).expect("it is told");
        assert_eq!(link.refusal.map(|refusal| refusal.code()), Some(Code::EntryNotAFile));
        assert!(!link.is_read);
    }

    #[test]
    fn a_name_that_is_shown_harms_no_terminal() {
        assert!(!shown(b"\x1b[31m\nred").contains(char::is_control));
        assert!(shown(&[b'x'; 4_000]).len() <= SHOWN);
    }
}
