//! Which files a merge reads, and where each is answered.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Bound::{Excluded, Unbounded};
use std::path::{Path, PathBuf};

use schemas::codes::Code;
use schemas::refusal::Refusal;

use super::archive::{self, Format};

/// A file to be merged, or an archive of such files.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// What it is called in reports.
    pub name: String,
    /// Its size in bytes when it was found.
    pub size: u64,
    /// How it is made, if it is an archive.
    pub archive: Option<Format>,
    /// Where its answer goes, if it is answered.
    pub answer: Option<AnswerTo>,
}

/// Where an answer goes.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum AnswerTo {
    /// Into this file; of an archive, the folder below which its entries are answered.
    File(PathBuf),
    /// To whoever gave the bundle and waits, by number.
    Caller(u64),
}

impl Source {
    /// A bundle that the caller of this number gave under this name, and waits for its answer.
    pub(super) fn of_caller(name: String, caller: u64) -> Self {
        Self { answer: Some(AnswerTo::Caller(caller)), ..Self::of_quarantine(name) }
    }

    /// The file or folder that its answer goes into, if it is one.
    pub(super) fn answer_file(&self) -> Option<&Path> {
        match &self.answer {
            Some(AnswerTo::File(path)) => Some(path),
            Some(AnswerTo::Caller(_)) | None => None,
        }
    }

    /// What lies in quarantine since it came under this name: in no file, and without an answer.
    pub(super) fn of_quarantine(name: String) -> Self {
        Self { path: PathBuf::new(), name, size: 0, archive: None, answer: None }
    }
}

/// Finds the files of `paths`: a file is itself, a folder is all files below it but those that are hidden or unfinished
/// (`.name`, `name.tmp`, `name.part`).
///
/// For a folder F, `F/a/X.cfbundle` is answered in `answers/a/X.cfgrant`; a file given is answered in
/// `answers/X.cfgrant`. An archive, given or in a folder, is recognised by its content and is a folder of its name without
/// the ending: what `F/a/R.tar` holds as `b/X.cfbundle` is answered in `answers/a/R/b/X.cfgrant`.
///
/// # Errors
/// `file_missing` for a path that is not there; `answers_collide` when two files would share an answer, an answer
/// would replace a file that is to be merged, or the answers of an archive would lie among others.
pub fn sources(paths: &[PathBuf], answers: Option<&Path>) -> Result<Vec<Source>, Refusal> {
    let mut found = Vec::new();
    for path in paths {
        let metadata = fs::metadata(path).map_err(|error| missing_or_unreadable(path, &error))?;
        if metadata.is_dir() {
            walk(path, Path::new(""), answers, &mut found)?;
        } else {
            let name = path.file_name().map_or_else(|| path.clone(), PathBuf::from);
            found.push(source(path.clone(), metadata.len(), answers.map(|answers| answers.join(name))));
        }
    }
    refuse_collisions(&found)?;
    Ok(found)
}

fn missing_or_unreadable(path: &Path, error: &std::io::Error) -> Refusal {
    match error.kind() {
        std::io::ErrorKind::NotFound => Refusal::new(Code::FileMissing, path.display().to_string()),
        _ => Refusal::from_error(Code::IoFailed, error).at(path.display()),
    }
}

fn walk(root: &Path, below: &Path, answers: Option<&Path>, found: &mut Vec<Source>) -> Result<(), Refusal> {
    let folder = root.join(below);
    let failed = |error: std::io::Error| Refusal::from_error(Code::IoFailed, &error).at(folder.display());
    let mut entries =
        fs::read_dir(&folder).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        if is_unfinished(&name.to_string_lossy()) {
            continue;
        }
        let relative = below.join(&name);
        // A link to a folder is not followed: it could lead back here.
        if entry.file_type().map_err(failed)?.is_dir() {
            // Answers that lie in the folder itself are no bundles.
            if answers.is_some_and(|answers| is_same(answers, &entry.path())) {
                continue;
            }
            walk(root, &relative, answers, found)?;
        } else if let Some(metadata) = fs::metadata(entry.path()).ok().filter(fs::Metadata::is_file) {
            found.push(source(entry.path(), metadata.len(), answers.map(|answers| answers.join(&relative))));
        }
    }
    Ok(())
}

fn source(path: PathBuf, size: u64, place: Option<PathBuf>) -> Source {
    let archive = Format::of(&path);
    let answer =
        place.map(|place| if archive.is_some() { archive::stem(&place) } else { answer_path(&place) });
    Source { name: path.display().to_string(), path, size, archive, answer: answer.map(AnswerTo::File) }
}

/// Where a file is answered whose place among the answers is `place`.
pub(super) fn answer_path(place: &Path) -> PathBuf {
    place.with_extension("cfgrant")
}

/// Whether a file or folder of this name is passed over.
pub(super) fn is_unfinished(name: &str) -> bool {
    let ends =
        |ending: &str| Path::new(name).extension().is_some_and(|found| found.eq_ignore_ascii_case(ending));
    name.starts_with('.') || ends("tmp") || ends("part")
}

fn is_same(left: &Path, right: &Path) -> bool {
    matches!((left.canonicalize(), right.canonicalize()), (Ok(left), Ok(right)) if left == right)
}

fn refuse_collisions(sources: &[Source]) -> Result<(), Refusal> {
    if sources.iter().all(|source| source.answer.is_none()) {
        return Ok(());
    }
    let files: BTreeSet<PathBuf> =
        sources.iter().filter_map(|source| source.path.canonicalize().ok()).collect();
    let replaces = |answer: &Path| answer.canonicalize().is_ok_and(|answer| files.contains(&answer));
    if let Some(source) = sources.iter().find(|source| source.answer_file().is_some_and(replaces)) {
        let what = format!("the answer to {} would replace a file that is to be merged", source.name);
        return Err(Refusal::new(Code::AnswersCollide, what));
    }
    let mut answered: BTreeMap<&Path, &Source> = BTreeMap::new();
    for source in sources {
        let Some(answer) = source.answer_file() else { continue };
        if let Some(other) = answered.insert(answer, source) {
            let both = format!("{} and {} would share {}", other.name, source.name, answer.display());
            return Err(Refusal::new(Code::AnswersCollide, both));
        }
    }
    refuse_mixed_folders(&answered, &files)
}

/// What an archive holds is not known yet, so the folder of its answers is its own, and holds no file that is merged.
fn refuse_mixed_folders(
    answered: &BTreeMap<&Path, &Source>,
    files: &BTreeSet<PathBuf>,
) -> Result<(), Refusal> {
    let archives = answered.iter().filter(|(_, source)| source.archive.is_some());
    for (folder, archive) in archives {
        // What lies below a folder follows it at once, and what it lies below is among its ancestors.
        let below = answered.range::<Path, _>((Excluded(*folder), Unbounded)).next();
        let below = below.filter(|(answer, _)| answer.starts_with(folder)).map(|(_, source)| *source);
        let above = folder.ancestors().skip(1).find_map(|above| answered.get(above).copied());
        if let Some(other) = below.or(above) {
            let mixed = format!("the answers to {} and {} would lie in one folder", archive.name, other.name);
            return Err(Refusal::new(Code::AnswersCollide, mixed));
        }
        let Ok(there) = folder.canonicalize() else { continue };
        if files.range(there.clone()..).next().is_some_and(|file| file.starts_with(&there)) {
            let what = format!("answers to {} could replace files that are to be merged", archive.name);
            return Err(Refusal::new(Code::AnswersCollide, what));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("below the folder")).expect("writable");
            fs::write(path, b"").expect("writable");
        }
        folder
    }

    #[test]
    fn answers_lie_as_the_files_that_they_answer() {
        let folder = folder(&["a/x.cfbundle", "b.cfbundle", ".hidden", "c.tmp", "d.part"]);
        let found =
            sources(&[folder.path().to_owned()], Some(Path::new("out"))).expect("no two share an answer");
        let answers: Vec<_> = found.iter().filter_map(Source::answer_file).collect();
        assert_eq!(answers, ["out/a/x.cfgrant", "out/b.cfgrant"].map(Path::new));
    }

    #[test]
    fn an_answer_never_replaces_what_is_to_be_merged_and_answers_are_not_merged() {
        let folder = folder(&["in/a.cfgrant", "in/out/b.cfgrant"]);
        let inbox = folder.path().join("in");
        let refused = sources(std::slice::from_ref(&inbox), Some(&inbox)).expect_err("it would be a.cfgrant");
        assert_eq!(refused.code(), Code::AnswersCollide);
        let found = sources(std::slice::from_ref(&inbox), Some(&inbox.join("out"))).expect("they lie apart");
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_path_that_is_not_there_is_not_found() {
        let refused = sources(&[PathBuf::from("no-such-folder")], None).expect_err("it does not exist");
        assert_eq!(refused.code(), Code::FileMissing);
    }

    #[test]
    fn two_files_that_would_share_an_answer_are_refused_before_anything_is_done() {
        let folder = folder(&["a/x.cfbundle", "b/x.cfbundle"]);
        let paths = [folder.path().join("a/x.cfbundle"), folder.path().join("b/x.cfbundle")];
        let refused = sources(&paths, Some(Path::new("out"))).expect_err("both are called x");
        assert_eq!(refused.code(), Code::AnswersCollide);
        assert_eq!(sources(&paths, None).map(|found| found.len()), Ok(2));
    }

    fn archive(folder: &tempfile::TempDir, name: &str) {
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        fs::create_dir_all(folder.path().join(name).parent().expect("below the folder")).expect("writable");
        fs::write(folder.path().join(name), tar).expect("writable");
    }

    #[test]
    fn an_archive_is_recognised_by_its_content_and_answered_in_a_folder_of_its_own() {
        let folder = folder(&["a/x.cfbundle", "not.tar"]);
        for name in ["a/b.TAR.zst", "c", "d.e.zip", "f.cfbundle"] {
            archive(&folder, name);
        }
        let found = sources(&[folder.path().to_owned()], Some(Path::new("out"))).expect("each has its own");
        let of_archives = found.iter().filter(|source| source.archive.is_some());
        let answers: Vec<_> = of_archives.filter_map(Source::answer_file).collect();
        assert_eq!(answers, ["out/a/b", "out/c", "out/d.e", "out/f"].map(Path::new));
        assert_eq!(found.len(), 6);
    }

    #[test]
    fn answers_to_an_archive_never_lie_among_others_or_among_what_is_merged() {
        let colliding: [(&[&str], &[&str]); 4] = [
            (&["a/x"], &["a.tar"]),
            (&[], &["a.tar", "a.zip"]),
            (&[], &["a.tar", "a/b.tar"]),
            (&["a"], &["a.cfgrant/b"]),
        ];
        for (files, archives) in colliding {
            let folder = folder(files);
            for name in archives {
                archive(&folder, name);
            }
            let inbox = [folder.path().to_owned()];
            let refused = sources(&inbox, Some(Path::new("out"))).expect_err("they share a folder");
            assert_eq!(refused.code(), Code::AnswersCollide, "{files:?} {archives:?}");
            assert!(sources(&inbox, None).is_ok(), "nothing is answered");
        }
        let folder = folder(&["out/a/x.cfgrant"]);
        archive(&folder, "a.tar");
        let paths = [folder.path().join("a.tar"), folder.path().join("out")];
        let refused = sources(&paths, Some(&folder.path().join("out"))).expect_err("out/a is merged too");
        assert_eq!(refused.code(), Code::AnswersCollide);
    }
}
