//! Files of a form as one upload: a single one as it is, several as a tar of them, written down as they come in.
//!
//! How many there are and how long each is turns out at its end: the first one lies beside the upload until another one
//! begins, and the header of an entry is written when all of the entry is.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use multer::{Constraints, Multipart};
use schemas::codes::Code;
use schemas::refusal::Refusal;
use schemas::text::Text;
use tar::{Builder, Header};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::spawn_blocking;

use super::file_name;

/// The field that files come in.
const FIELD: &str = "file";
/// Pieces that may wait to be written.
const WAITING: usize = 4;
/// Bytes that may come without being a part of a file: boundaries and headers, and what the reader has not cut yet.
const BETWEEN: u64 = 4 * 1024 * 1024;

/// A piece of what comes in.
enum Piece {
    /// A file of this name begins.
    File(String),
    /// It goes on so.
    Bytes(Bytes),
    /// All files are whole.
    End,
}

/// Receives the files of a form into the file at `path`, durably: what the whole is called, and its bytes.
///
/// # Errors
/// `request_invalid` for what is no such form, was cut off or has no file; those of the body; `io_failed`.
pub(super) async fn save(
    body: impl Stream<Item = Result<Bytes, Refusal>> + Send + 'static,
    boundary: String,
    path: PathBuf,
) -> Result<(String, u64), Refusal> {
    let (give, take) = channel(WAITING);
    let written = spawn_blocking(move || write(&path, take));
    let given = read(body, boundary, give).await;
    let written = written.await.map_err(|_| Code::Internal)?;
    given.and(written)
}

/// Reads a form and hands on what it holds, as long as somebody takes it.
async fn read(
    body: impl Stream<Item = Result<Bytes, Refusal>> + Send + 'static,
    boundary: String,
    give: Sender<Piece>,
) -> Result<(), Refusal> {
    let between = Arc::new(AtomicU64::new(0));
    let only = Constraints::new().allowed_fields(vec![FIELD]);
    let mut parts = Multipart::with_constraints(bit_by_bit(body, Arc::clone(&between)), boundary, only);
    while let Some(mut part) = parts.next_field().await.map_err(refused)? {
        between.store(0, Ordering::Relaxed);
        // Where nothing was chosen, browsers send a file without a name and without content.
        let name = part.file_name().map(str::to_owned).filter(|name| !name.is_empty());
        let mut is_begun = name.is_some();
        if let Some(name) = name
            && give.send(Piece::File(name)).await.is_err()
        {
            return Ok(());
        }
        while let Some(bytes) = part.chunk().await.map_err(refused)? {
            between.store(0, Ordering::Relaxed);
            if bytes.is_empty() {
                continue;
            }
            if !is_begun && give.send(Piece::File(String::new())).await.is_err() {
                return Ok(());
            }
            is_begun = true;
            // Whoever writes and stopped says why.
            if give.send(Piece::Bytes(bytes)).await.is_err() {
                return Ok(());
            }
        }
    }
    drop(give.send(Piece::End).await);
    Ok(())
}

/// The same stream, one piece for each time that it is asked: the reader keeps whatever it is given at once in memory. It ends
/// where too much comes that is no part of a file.
fn bit_by_bit(
    body: impl Stream<Item = Result<Bytes, Refusal>> + Send + 'static,
    between: Arc<AtomicU64>,
) -> impl Stream<Item = Result<Bytes, Refusal>> + Send {
    let (mut body, mut was_given) = (Box::pin(body), false);
    stream::poll_fn(move |context| {
        if was_given {
            was_given = false;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = std::task::ready!(body.poll_next_unpin(context));
        was_given = next.is_some();
        if let Some(Ok(bytes)) = &next
            && between.fetch_add(bytes.len() as u64, Ordering::Relaxed) > BETWEEN
        {
            return Poll::Ready(Some(Err(Refusal::new(Code::RequestInvalid, "no file in what comes"))));
        }
        Poll::Ready(next)
    })
}

fn refused(error: multer::Error) -> Refusal {
    match error {
        multer::Error::StreamReadFailed(cause) => match cause.downcast::<Refusal>() {
            Ok(refusal) => *refusal,
            Err(cause) => Refusal::from_error(Code::RequestInvalid, &*cause),
        },
        error => Refusal::from_error(Code::RequestInvalid, &error),
    }
}

/// Writes what comes in, on a thread that may wait for the disk.
fn write(path: &Path, mut pieces: Receiver<Piece>) -> Result<(String, u64), Refusal> {
    let failed = |error: io::Error| Refusal::from_error(Code::IoFailed, &error);
    let mut next =
        || pieces.blocking_recv().ok_or_else(|| Refusal::new(Code::RequestInvalid, "it was cut off"));
    let Piece::File(first) = next()? else {
        return Err(Refusal::new(Code::RequestInvalid, "no file was chosen"));
    };
    let beside = path.with_extension("first");
    let mut file = File::create(&beside).map_err(failed)?;
    let mut piece = copy(&mut next, &mut file)?;
    let Piece::File(_) = piece else {
        file.sync_all().map_err(failed)?;
        fs::rename(&beside, path).map_err(failed)?;
        return Ok((called(&first), size(path).map_err(failed)?));
    };
    let mut tar = Builder::new(File::create(path).map_err(failed)?);
    let mut names = Names::default();
    let mut first_header = header();
    first_header.set_size(size(&beside).map_err(failed)?);
    let all = File::open(&beside).map_err(failed)?;
    tar.append_data(&mut first_header, names.of(&first), all).map_err(failed)?;
    fs::remove_file(&beside).map_err(failed)?;
    while let Piece::File(name) = piece {
        let mut header = header();
        let mut entry = tar.append_writer(&mut header, names.of(&name)).map_err(failed)?;
        piece = copy(&mut next, &mut entry)?;
        entry.finish().map_err(failed)?;
    }
    tar.into_inner().and_then(|file| file.sync_all()).map_err(failed)?;
    Ok((format!("{} files", names.given), size(path).map_err(failed)?))
}

/// What an upload of one file is called.
fn called(given: &str) -> String {
    let name = Text::new(given).filter(|name| !name.as_str().is_empty());
    name.map_or_else(|| "upload".to_owned(), |name| name.to_string())
}

/// Writes the rest of a file; what comes after it.
fn copy(
    next: &mut impl FnMut() -> Result<Piece, Refusal>,
    file: &mut impl io::Write,
) -> Result<Piece, Refusal> {
    loop {
        match next()? {
            Piece::Bytes(bytes) => {
                file.write_all(&bytes).map_err(|error| Refusal::from_error(Code::IoFailed, &error))?;
            }
            other => return Ok(other),
        }
    }
}

fn header() -> Header {
    let mut header = Header::new_gnu();
    header.set_mode(0o600);
    header
}

fn size(path: &Path) -> io::Result<u64> {
    Ok(fs::metadata(path)?.len())
}

/// Names of entries, such that no two files are answered in the same place.
#[derive(Default)]
struct Names {
    given: u64,
    answers: BTreeSet<PathBuf>,
}

impl Names {
    fn of(&mut self, given: &str) -> PathBuf {
        self.given += 1;
        let name = file_name(given);
        if self.answers.insert(name.with_extension("")) {
            name
        } else {
            Path::new(&self.given.to_string()).join(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// What is kept of these files, given in pieces of `cut` bytes.
    fn gathered(files: &[(&str, &[u8])], cut: usize) -> Result<(String, Vec<u8>), Code> {
        let part = |(name, content): &(&str, &[u8])| {
            let head =
                format!("--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
            [head.as_bytes(), content, b"\r\n"].concat()
        };
        let form = [files.iter().flat_map(part).collect(), b"--x--\r\n".to_vec()].concat();
        sent(&form, cut)
    }

    fn sent(form: &[u8], cut: usize) -> Result<(String, Vec<u8>), Code> {
        let pieces: Vec<_> = form.chunks(cut).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("upload");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let saved = runtime.block_on(save(stream::iter(pieces), "x".to_owned(), path.clone()));
        let (name, bytes) = saved.map_err(|refusal| refusal.code())?;
        let kept = fs::read(&path).expect("it was kept");
        assert_eq!(kept.len() as u64, bytes);
        assert_eq!(fs::read_dir(&folder).expect("readable").count(), 1, "nothing lies beside it");
        Ok((name, kept))
    }

    fn entries(tar: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut tar = tar::Archive::new(tar);
        let read = |entry: io::Result<tar::Entry<'_, _>>| {
            let mut entry = entry.expect("whole");
            let name = entry.path().expect("a path").display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("whole");
            (name, content)
        };
        tar.entries().expect("an archive").map(read).collect()
    }

    #[test]
    fn one_file_is_kept_as_it_is_and_several_as_an_archive_however_they_come() {
        let long: Vec<u8> = b"\r\n--".iter().copied().cycle().take(10_000).collect();
        for cut in [1, 7, 512, 100_000] {
            let one = gathered(&[("a.cfbundle", &long)], cut).expect("a form");
            assert_eq!(one, ("a.cfbundle".to_owned(), long.clone()));
            let files: [(&str, &[u8]); 4] =
                [("a.cfbundle", b"first"), ("", b""), ("b.cfbundle", &long), ("c.cfbundle", b"")];
            let (name, tar) = gathered(&files, cut).expect("a form");
            assert_eq!(name, "3 files");
            let expected =
                [("a.cfbundle", b"first".to_vec()), ("b.cfbundle", long.clone()), ("c.cfbundle", Vec::new())];
            assert_eq!(entries(&tar), expected.map(|(name, content)| (name.to_owned(), content)));
        }
    }

    #[test]
    fn files_of_one_name_are_two_and_no_name_leads_elsewhere() {
        let files: [(&str, &[u8]); 4] =
            [("a.cfbundle", b"1"), ("../a.txt", b"2"), ("/etc/passwd", b"3"), ("..", b"4")];
        let (_, tar) = gathered(&files, 64).expect("a form");
        let names: Vec<String> = entries(&tar).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a.cfbundle", "2/a.txt", "passwd", "bundle"]);
        let called = |name: &str| gathered(&[(name, b"1")], 64).map(|(called, _)| called);
        for name in ["x".repeat(300).as_str(), "a\u{202e}b"] {
            assert_eq!(called(name).as_deref(), Ok("upload"));
        }
        assert_eq!(called("Büro.cfbundle").as_deref(), Ok("Büro.cfbundle"));
    }

    #[test]
    fn what_is_no_whole_form_with_a_file_is_refused() {
        assert_eq!(gathered(&[], 64), Err(Code::RequestInvalid));
        assert_eq!(gathered(&[("", b"")], 64), Err(Code::RequestInvalid));
        let other = b"--x\r\ncontent-disposition: form-data; name=\"other\"\r\n\r\nhello\r\n--x--\r\n";
        let cut_off = b"--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nhello";
        for form in [&other[..], cut_off, b"", b"--x\r\n"] {
            assert_eq!(sent(form, 16), Err(Code::RequestInvalid));
        }
    }

    #[test]
    fn what_never_becomes_a_file_is_not_kept_in_memory() {
        let taken = Arc::new(AtomicU64::new(0));
        let (counted, dashes) = (Arc::clone(&taken), Bytes::from(vec![b'-'; 64 * 1024]));
        let endless = stream::repeat_with(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(dashes.clone())
        });
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let saved = runtime.block_on(save(endless, "x".to_owned(), folder.path().join("upload")));
        assert_eq!(saved.map_err(|refusal| refusal.code()), Err(Code::RequestInvalid));
        assert!(taken.load(Ordering::Relaxed) < 2 * BETWEEN / (64 * 1024));
    }
}
