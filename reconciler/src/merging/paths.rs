//! Which files a merge reads, and where each is answered.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use schemas::codes::Code;
use schemas::refusal::Refusal;

/// A file to be merged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// What it is called in reports.
    pub name: String,
    /// Where its answer goes.
    pub answer: Option<PathBuf>,
}

/// Finds the files of `paths`: a file is itself, a folder is all files below it but those that are hidden or unfinished
/// (`.name`, `name.tmp`, `name.part`).
///
/// For a folder F, `F/a/X.cfbundle` is answered in `answers/a/X.cfgrant`; a file given is answered in
/// `answers/X.cfgrant`.
///
/// # Errors
/// `file_missing` for a path that is not there; `answers_collide` when two files would share an answer, or an answer
/// would replace a file that is to be merged.
pub fn sources(paths: &[PathBuf], answers: Option<&Path>) -> Result<Vec<Source>, Refusal> {
    let mut found = Vec::new();
    for path in paths {
        let metadata = fs::metadata(path).map_err(|error| missing_or_unreadable(path, &error))?;
        if metadata.is_dir() {
            walk(path, Path::new(""), answers, &mut found)?;
        } else {
            let name = path.file_name().map_or_else(|| path.clone(), PathBuf::from);
            found.push(source(path.clone(), answers.map(|answers| answers.join(name))));
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
        } else if entry.path().is_file() {
            found.push(source(entry.path(), answers.map(|answers| answers.join(&relative))));
        }
    }
    Ok(())
}

fn source(path: PathBuf, answer: Option<PathBuf>) -> Source {
    Source {
        name: path.display().to_string(),
        path,
        answer: answer.map(|answer| answer.with_extension("cfgrant")),
    }
}

fn is_unfinished(name: &str) -> bool {
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
    let replaces = |answer: &PathBuf| answer.canonicalize().is_ok_and(|answer| files.contains(&answer));
    if let Some(source) = sources.iter().find(|source| source.answer.as_ref().is_some_and(replaces)) {
        let what = format!("the answer to {} would replace a file that is to be merged", source.name);
        return Err(Refusal::new(Code::AnswersCollide, what));
    }
    let mut answered: BTreeMap<&Path, &Source> = BTreeMap::new();
    for source in sources {
        let Some(answer) = &source.answer else { continue };
        if let Some(other) = answered.insert(answer, source) {
            let both = format!("{} and {} would share {}", other.name, source.name, answer.display());
            return Err(Refusal::new(Code::AnswersCollide, both));
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
        let answers: Vec<_> = found.into_iter().filter_map(|source| source.answer).collect();
        assert_eq!(answers, [PathBuf::from("out/a/x.cfgrant"), PathBuf::from("out/b.cfgrant")]);
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
}
